"""Do the views follow the log, and does somebody sequence and sign it?"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.operation.doctor.findings import Finding, Patient, fail, ok, warn
from ledger.operation.standing import SIGNED, WAITING
from ledger.projections.runner import Runner

CHECK = "projections"
LAG_MAX_S = 60.0
LAG_MAX_EVENTS = 10_000
WAITING_WARN_S, WAITING_FAIL_S = 10.0, 120.0
SIGNED_AGO_MAX_S = 120.0
SERVE = "Start `ledgerctl serve`, or see in its log why it does not work."

_STOP = "SELECT why, stopped_at FROM ledger_stop"
_RESUMED = """
SELECT stopped_at, because FROM ledger_resumptions ORDER BY resumed_at DESC LIMIT 1
"""


def examine(patient: Patient) -> Iterator[Finding]:
    """Ask every view how far it is."""
    behind, unattended = False, []
    for each in Runner(patient.ledger).status(patient.at):
        where = f"{each.name} at position {each.position}"
        lag_s = each.lag_s or 0.0
        if each.state == "stopped":
            do = (
                f"Mend the cause, then run `ledgerctl projections rebuild {each.name}`."
            )
            yield fail(CHECK, f"{where} has stopped: {each.error}", do)
        elif each.state == "unattended":
            unattended.append(each.name)
        elif each.lag_events > LAG_MAX_EVENTS or lag_s > LAG_MAX_S:
            said = f"{where} is {each.lag_events} events and {lag_s:.0f} s behind"
            yield warn(CHECK, said, "See whether the machine or the database is slow.")
        else:
            continue
        behind = True
    if unattended:
        yield warn(CHECK, f"nobody runs {', '.join(unattended)}", SERVE)
    if not behind:
        yield ok(CHECK, "all views follow the log")


def examine_writing(patient: Patient) -> Iterator[Finding]:
    """May anything be appended?"""
    if row := patient.ask_one(_STOP):
        why, at = row
        do = "Decide as docs/operations.md says: nothing is appended until then."
        yield fail("writing", f"stopped since {at:%Y-%m-%d %H:%M:%S}: {why}", do)
    elif row := patient.ask_one(_RESUMED):
        at, because = row
        said = f"stopped last at {at:%Y-%m-%d %H:%M:%S} and resumed: {because}"
        yield ok("writing", f"appends are taken; {said}")
    else:
        yield ok("writing", "appends are taken")


def examine_inbox(patient: Patient) -> Iterator[Finding]:
    """Is what was appended given its position?"""
    ((waiting, age_s),) = patient.ask(WAITING)
    said = f"{waiting} appends wait for positions, the oldest for {age_s or 0:.1f} s"
    if waiting and age_s > WAITING_FAIL_S:
        yield fail("inbox", said, SERVE)
    elif waiting and age_s > WAITING_WARN_S:
        yield warn("inbox", said, SERVE)
    else:
        yield ok("inbox", said if waiting else "no append waits for a position")


def examine_publisher(patient: Patient) -> Iterator[Finding]:
    """Is what has a position signed soon?"""
    ((size, signed, ago_s),) = patient.ask(SIGNED, patient.at)
    said = f"{size - signed} of {size} events stand under no checkpoint"
    if size > signed and (ago_s is None or ago_s > SIGNED_AGO_MAX_S):
        yield warn("checkpoint", said, SERVE)
    else:
        yield ok("checkpoint", said if size > signed else "all events are signed for")
