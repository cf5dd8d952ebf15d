"""Issuing very many tickets in one command: an issuer imports a stadium.

First a place is held for every row, then tickets are issued; both in chunks of one
commit each. So nothing is issued unless there is a place for everything, no commit is
long, and whoever runs the command again, after whatever befell the first run, goes on
where it ended. What a batch holds is free again by itself after `HOLD_S`, if nobody
goes on; whoever does later holds places anew for the rows that are left.

Limits of purchase do not bind an import, but what it brings counts towards them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import TypeAlias, TypeVar
from uuid import UUID

from ledger.aggregates.allotment import Allotment, PlaceTaken
from ledger.aggregates.base import is_over
from ledger.aggregates.batch import HOLD_S, Batch
from ledger.aggregates.offering import NotTheIssuer, Offering
from ledger.application import Cause, Ledger, Work
from ledger.errors import Overtaken, Unknown
from ledger.ports import PersonalData
from ledger.usecases.bulk import places, tickets
from ledger.usecases.bulk.places import NotEnough
from ledger.usecases.bulk.rows import (
    BadRows,
    Layout,
    Row,
    digest,
    places_of,
    wrong,
)
from ledger.usecases.grants import require_given
from ledger.vocabulary.ids import (
    allowance_id,
    imported_ticket_id,
)

HOLD_ROWS = 2_000
ISSUE_ROWS = 500
GIVE_UP_PARTS = 20
# While others buy from the same parts of the stock, a chunk is tried so often.
ATTEMPTS_MAX = 20
HOLD_ATTEMPTS_MAX = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the rows have a place held, and how many are issued."""

    held: int
    issued: int
    count: int


Tell: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a batch has come to, and how much of it this run did."""

    batch_id: UUID
    count: int
    issued_now: int
    position: int


def silent(_: Progress) -> None:
    """Tell nobody."""


def issue(
    ledger: Ledger,
    personal: PersonalData,
    *,
    batch_id: UUID,
    offering_id: UUID,
    rows: Iterable[Row],
    by: UUID,
    at: datetime,
    cause: Cause,
    tell: Tell = silent,
) -> Imported:
    """Issue a ticket for every row, as the offering's issuer.

    The same batch again goes on, or does nothing if it is done. Raises `BadRows`
    before anything is recorded, `BatchDiffers`, `PlaceTaken` or `NotEnough` before
    anything is issued, `Overtaken` when others buy too fast: then run it again.
    """
    given = list(rows)
    offering = ledger.offering(offering_id)
    batch = ledger.find(Batch, batch_id)
    if by != offering.issuer_id:
        raise NotTheIssuer(because=offering.names(1))
    if batch is None:
        require_given(offering, at)
        bad = wrong(ledger, offering, given)
        if bad:
            raise BadRows(bad)
        batch = Batch.begin(
            batch_id=batch_id,
            offering_id=offering_id,
            issuer_id=by,
            count=len(given),
            digest=digest(given),
            at=at,
        )
        ledger.record(batch, cause=cause)
    else:
        batch.require_same(offering_id=offering_id, digest=digest(given))
    layout = places_of(offering)
    named = {
        (category, row.place): layout[category, row.place]
        for row in given
        if row.place is not None
        for category in [offering.category(row.category).name]
    }
    run = _Run(ledger, personal, batch_id, given, layout, named, at, cause, tell)
    before = batch.issued
    for _ in range(HOLD_ATTEMPTS_MAX):
        run.hold_all()
        if run.issue_all():
            break
    else:
        raise Overtaken
    return Imported(batch_id, len(given), len(given) - before, ledger.position())


class _Step(Enum):
    """What came of issuing some rows."""

    MORE = "more is to be issued"
    DONE = "all is issued"
    UNHELD = "places have to be held first"
    LOST = "places that were held are somebody else's"


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command; what it needs in every chunk."""

    ledger: Ledger
    personal: PersonalData
    batch_id: UUID
    rows: Sequence[Row]
    layout: Layout
    named: Layout
    at: datetime
    cause: Cause
    tell: Tell

    def hold_all(self) -> None:
        """Hold a place for every row. On a refusal none is held any more."""
        if _until_not_overtaken(self._held_too_long):
            self._give_all_up("expired")
        try:
            while _until_not_overtaken(self._hold_some):
                continue
        except (PlaceTaken, NotEnough) as refusal:
            self._give_all_up(refusal.code)
            raise

    def issue_all(self) -> bool:
        """Issue what has places; False if some rows have none any more."""
        while (step := _until_not_overtaken(self._issue_some)) == _Step.MORE:
            continue
        if step == _Step.LOST:
            self._give_all_up("expired")
        return step == _Step.DONE

    def _give_all_up(self, reason: str) -> None:
        give_up = partial(self._give_up, reason)
        while _until_not_overtaken(give_up):
            continue

    def _held_too_long(self) -> bool:
        _, batch, _ = self._begin()
        return batch.held_until is not None and is_over(batch.held_until, self.at)

    def _begin(self) -> tuple[Work, Batch, Offering]:
        work = self.ledger.work()
        batch = work.get(Batch, self.batch_id, Unknown(what="batch"))
        offering = work.get(Offering, batch.offering_id, Unknown(what="offering"))
        return work, batch, offering

    def _hold_some(self) -> bool:
        """Hold places for the next rows; False if all rows have one."""
        work, batch, offering = self._begin()
        done = len(batch.places)
        rows = self.rows[done : done + HOLD_ROWS]
        if not rows:
            return False
        require_given(offering, self.at)
        found = places.chosen(
            work, offering=offering, rows=rows, named=self.named, at=self.at
        )
        until = self.at + timedelta(seconds=HOLD_S)
        for part, mine in self._by_part(work, offering, rows, found):
            names = [found[index] for index in mine]
            part.hold(
                holder_id=batch.id, places=names, until=until, promised=True, at=self.at
            )
        batch.hold(places=found, at=self.at)
        work.record(self.cause)
        self.tell(Progress(len(batch.places), batch.issued, batch.count))
        return True

    def _give_up(self, reason: str) -> bool:
        """Free what is held, and then say so; False once nothing is left to do."""
        work, batch, offering = self._begin()
        rest = slice(batch.issued, len(batch.places))
        parts = self._by_part(work, offering, self.rows[rest], batch.places[rest])
        mine = [part for part, _ in parts if places.holds(part, batch.id)]
        for part in mine[:GIVE_UP_PARTS]:
            part.release(holder_id=batch.id, at=self.at)
        if not mine and batch.places[rest]:
            batch.give_up(reason=reason, at=self.at)
        work.record(self.cause)
        return bool(mine)

    def _issue_some(self) -> _Step:
        """Issue the next rows, if their places are still held."""
        work, batch, offering = self._begin()
        begin, end = batch.issued, min(batch.issued + ISSUE_ROWS, batch.count)
        rows = self.rows[begin:end]
        if not rows:
            return _Step.DONE
        require_given(offering, self.at)
        held = batch.places[begin:end]
        if len(held) < len(rows):  # Another run has given up, or is not so far yet.
            return _Step.UNHELD
        ids = [imported_ticket_id(batch.id, row.reference) for row in rows]
        owners = [
            tickets.owner(work, self.personal, batch_id=batch.id, row=row, at=self.at)
            for row in rows
        ]
        for part, mine in self._by_part(work, offering, rows, held):
            sold = {held[index]: ids[index] for index in mine}
            if not places.holds(part, batch.id, sold):
                self._require_alone(batch)
                return _Step.LOST
            part.book(order_id=batch.id, tickets=sold, at=self.at)
        work.look_up([allowance_id(offering.id, owner) for owner in owners])
        for row, place, ticket_id, owner in zip(rows, held, ids, owners, strict=True):
            tickets.issue(
                work,
                self.personal,
                offering=offering,
                row=row,
                place=place,
                ticket_id=ticket_id,
                owner_id=owner,
                at=self.at,
            )
        batch.advance(upto=end, at=self.at)
        work.record(self.cause)
        self.tell(Progress(batch.count, batch.issued, batch.count))
        return _Step.MORE

    def _require_alone(self, batch: Batch) -> None:
        """Raise `Overtaken` if another run of the batch has moved it meanwhile."""
        now = self.ledger.find(Batch, batch.id)
        if now is None or now.version != batch.version:
            raise Overtaken

    def _by_part(
        self,
        work: Work,
        offering: Offering,
        rows: Sequence[Row],
        held: Sequence[str],
    ) -> list[tuple[Allotment, list[int]]]:
        return places.by_part(
            work,
            offering=offering,
            layout=self.layout,
            rows=rows,
            places=held,
            at=self.at,
        )


def _until_not_overtaken(step: Callable[[], _T]) -> _T:
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            return step()
        except Overtaken:
            continue
    return step()
