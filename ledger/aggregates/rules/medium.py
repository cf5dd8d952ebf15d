"""What a medium's events need: its writes in order, its end for ever.

use ─► SUSPECT, SUSPENDED and back;  any of these ─► BLOCKED, REPLACED, RETURNED
no write ─► pending ─► written: seq + 1, or aborted;  marked off the line ─► in order
"""

from __future__ import annotations

from ledger.aggregates.e_ticket.states import MEDIUM_KINDS
from ledger.aggregates.medium import Medium
from ledger.aggregates.medium.states import Change, MediumStatus
from ledger.aggregates.rules.kernel import always, check, rule
from ledger.vocabulary.ids import medium_id


@rule(Medium.Personalised)
def personalised(_: None, event: Medium.Personalised) -> None:
    named = medium_id(bytes.fromhex(event.uid))
    check(event.originator_id == named, "a UID has one stream, and it is another")
    check(event.kind in MEDIUM_KINDS, "there is no such kind of medium")


# ---- its life


@rule(Medium.Suspended)
def suspended(medium: Medium, _: Medium.Suspended) -> None:
    medium.require_in_use()
    check(medium.status != MediumStatus.SUSPENDED, "it is lost already")


@rule(Medium.Restored)
def restored(medium: Medium, event: Medium.Restored) -> None:
    _require(medium, MediumStatus.SUSPENDED)
    check(event.status == medium.status_before, "it was something else before")


always(Medium.Suspected)  # A tap that shows a copy is a fact, whatever it is of.


@rule(Medium.Cleared)
def cleared(medium: Medium, _: Medium.Cleared) -> None:
    _require(medium, MediumStatus.SUSPECT)


@rule(Medium.Blocked, Medium.Returned)
def ended(medium: Medium, _: Medium.Blocked | Medium.Returned) -> None:
    medium.require_in_use()


@rule(Medium.Replaced)
def replaced(medium: Medium, event: Medium.Replaced) -> None:
    if medium.status != MediumStatus.BLOCKED:
        medium.require_in_use()
    check(event.by_uid != medium.uid, "it would replace itself")


def _require(medium: Medium, status: MediumStatus) -> None:
    check(medium.status == status, f"its status is {medium.status}")


# ---- what is written on it


@rule(Medium.WritePrepared)
def write_prepared(medium: Medium, event: Medium.WritePrepared) -> None:
    medium.require_trusted()
    check(medium.pending is None, "another write is in doubt")
    changes = [Change.from_dict(change) for change in event.changes]
    medium._require_one_slot_each(changes)
    _check_next(medium, event, changes)


@rule(Medium.Written)
def written(medium: Medium, event: Medium.Written) -> None:
    medium._require_pending(event.write_id)
    counter = event.transaction_counter
    proven = counter is None or counter > medium.transaction_counter
    check(proven, "the card's counter has not grown")


@rule(Medium.WriteAborted)
def write_aborted(medium: Medium, event: Medium.WriteAborted) -> None:
    medium._require_pending(event.write_id)


@rule(Medium.SeenAhead)
def seen_ahead(medium: Medium, event: Medium.SeenAhead) -> None:
    check(medium.ahead is None and event.seq > medium.seq, "it is not news")


@rule(Medium.MarkReported)
def mark_reported(medium: Medium, event: Medium.MarkReported) -> None:
    medium.slot(event.change["slot"])
    check(event.seq > medium.seq, "that state is known to have come about otherwise")
    known = any(mark.seq == event.seq for mark in medium.marks)
    check(not known, "that state was reported before")


@rule(Medium.WrittenOffline)
def written_offline(medium: Medium, event: Medium.WrittenOffline) -> None:
    check(medium.marks, "no machine has reported it")
    mark, changes = medium.marks[0], [Change.from_dict(c) for c in event.changes]
    said = (mark.seq, [mark.change], mark.device_id)
    check(said == (event.seq, changes, event.device_id), "it was reported otherwise")
    _check_next(medium, event, changes)


def _check_next(
    medium: Medium,
    event: Medium.WritePrepared | Medium.WrittenOffline,
    changes: list[Change],
) -> None:
    """The next number, and the digest of what stands on it then."""
    check(event.seq == medium.seq + 1, "it is not the next state")
    after = medium._digest(event.seq, medium._after(changes)).hex()
    check(event.digest == after, "the digest is of something else")
