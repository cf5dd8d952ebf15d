"""Are the jobs run, and does what is to be told arrive?"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.operation.doctor.findings import Finding, Patient, ok, warn

CHECK = "jobs"
SILENT_MAX_S = 180.0
FAILURES_MAX = 3
WAITING_MAX_S = 600.0
SERVE = "Start `ledgerctl serve` or `ledgerctl jobs work`."

_RUNS = """
SELECT name, failures, said, EXTRACT(epoch FROM %s - started_at)::float
FROM job_runs ORDER BY name
"""
_OUTBOX = """
SELECT count(*) FILTER (WHERE state = 'dead' AND settled_at > %s - interval '1 day'),
    EXTRACT(epoch FROM %s - min(due_at) FILTER (WHERE state = 'waiting'))::float
FROM outbox
"""


def examine(patient: Patient) -> Iterator[Finding]:
    """Look at the last run of each job, and at what the outbox holds."""
    runs = patient.ask(_RUNS, patient.at)
    said = [*_of_runs(runs), *_of_outbox(patient)]
    yield from said
    if not said:
        yield ok(CHECK, "the jobs are run" if runs else "no job was run here yet")


def _of_runs(runs: list[tuple[str, int, str | None, float]]) -> Iterator[Finding]:
    if runs and min(ago_s for *_, ago_s in runs) > SILENT_MAX_S:
        yield warn(CHECK, "no job has been begun for some minutes", SERVE)
    for name, failures, why, _ in runs:
        if failures >= FAILURES_MAX:
            says = f"{name} has failed {failures} times in a row: {why}"
            yield warn(CHECK, says, "Mend the cause; it is tried again by itself.")


def _of_outbox(patient: Patient) -> Iterator[Finding]:
    row = patient.ask_one(_OUTBOX, patient.at, patient.at)
    given_up, waits_s = row if row else (0, None)
    if given_up:
        do = "See `ledgerctl outbox dead`; `ledgerctl outbox revive` tries them anew."
        yield warn(CHECK, f"{given_up} messages were given up within a day", do)
    if (waits_s or 0.0) > WAITING_MAX_S:
        says = f"a message waits for {waits_s:.0f} s past its time"
        yield warn(CHECK, says, "See `ledgerctl jobs`: is `send` run, and what of it?")
