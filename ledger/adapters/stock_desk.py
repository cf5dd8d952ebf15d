"""The stock desk in two tables: which allotment has places, and who is busy with it.

Every statement stands alone and is committed at once: nothing here is part of a
command's commit. What a crash loses comes back: a lease ends by itself after
`LEASE_S`, a list that is gone is made anew from the offering's layout, and an
allotment that nobody has looked at for `RECHECK_S` is looked at whatever is known of
it, so that no place stays unsellable for a hint that got lost.

Leases go by the database's own clock: they are about two commands at one moment, not
about anybody's deadline.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from eventsourcing.persistence import PersistenceError
from eventsourcing.postgres import PostgresDatastore

from ledger.ports import StockLayout, StockState, StockWish

LEASE_S = 2.0
WAIT_MAX_S = 2.0
# Another process's lease ends unheard: so long is the longest nap meanwhile.
NAP_S = 0.1
RECHECK_S = 60.0
LOOK_AGAIN_S = 60

_MAY_HAVE: LiteralString = """
    offering_id = %(offering)s AND category = %(category)s
    AND NOT number = ANY(%(without)s)
    AND (CASE WHEN %(together)s THEN longest_run >= %(count)s ELSE free > 0 END
        OR EXISTS (SELECT FROM stock_holds h
            WHERE h.allotment_id = d.allotment_id AND h.until <= %(at)s))
"""

# From the front, what is enough; then what is not; then what should be free again.
_NEXT: LiteralString = f"""
    SELECT allotment_id FROM stock_desk d WHERE {_MAY_HAVE} {{}}
    ORDER BY free >= %(count)s DESC, free > 0 DESC, number
    LIMIT 1 FOR UPDATE OF d {{}}
"""  # noqa: S608 - put together of literals alone

_LEASE: LiteralString = """
    UPDATE stock_desk SET busy_until = clock_timestamp() + %(lease)s
    WHERE allotment_id = ({}) RETURNING number
"""

_CLAIM: LiteralString = _LEASE.format(
    _NEXT.format("AND busy_until <= clock_timestamp()", "SKIP LOCKED")
)
_CLAIM_BUSY: LiteralString = _LEASE.format(_NEXT.format("", ""))

# A claim that found nothing may have looked a moment too early: this says whether.
_STANDING: LiteralString = f"""
SELECT count(*) AS parts,
    COALESCE(bool_or({_MAY_HAVE}), false) AS hope,
    COALESCE(bool_or(busy_until > clock_timestamp() AND {_MAY_HAVE}), false) AS busy
FROM stock_desk d WHERE offering_id = %(offering)s
"""  # noqa: S608

_CLAIM_UNSEEN: LiteralString = """
UPDATE stock_desk SET seen_at = clock_timestamp(),
    busy_until = clock_timestamp() + %(lease)s
WHERE allotment_id = (
    SELECT allotment_id FROM stock_desk
    WHERE offering_id = %(offering)s AND category = %(category)s
        AND NOT number = ANY(%(without)s)
        AND seen_at <= clock_timestamp() - %(recheck)s::interval
    ORDER BY seen_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING number
"""

_LAY_OUT: LiteralString = """
INSERT INTO stock_desk
    (allotment_id, offering_id, number, category, free, longest_run)
SELECT allotment_id, %(offering)s, number, category, places, places FROM unnest(
    %(ids)s::uuid[], %(numbers)s::integer[], %(categories)s::text[],
    %(places)s::integer[]) AS laid (allotment_id, number, category, places)
ON CONFLICT DO NOTHING
"""

# A command that committed earlier may tell later: the higher version has the word.
_TELL: LiteralString = """
WITH told AS (
    INSERT INTO stock_desk AS old (allotment_id, offering_id, number, category,
        version, free, longest_run)
    VALUES (%(allotment)s, %(offering)s, %(number)s, %(category)s, %(version)s,
        %(free)s, %(longest_run)s)
    ON CONFLICT (allotment_id) DO UPDATE SET version = excluded.version,
        free = excluded.free, longest_run = excluded.longest_run,
        busy_until = '-infinity', seen_at = clock_timestamp()
    WHERE old.version <= excluded.version
    RETURNING allotment_id
), gone AS (
    DELETE FROM stock_holds h USING told WHERE h.allotment_id = told.allotment_id
        AND NOT h.holder_id = ANY(%(holders)s)
)
INSERT INTO stock_holds (allotment_id, holder_id, places, until)
SELECT told.allotment_id, fresh.* FROM told, unnest(
    %(new_holders)s::uuid[], %(new_places)s::integer[], %(new_until)s::timestamptz[])
    AS fresh
ON CONFLICT DO NOTHING
"""

_COUNT: LiteralString = """
SELECT category, count(*) AS parts, COALESCE(sum(free), 0)::integer AS free,
    COALESCE(sum(unpaid.live), 0)::integer AS held,
    COALESCE(sum(unpaid.over), 0)::integer AS over
FROM stock_desk d LEFT JOIN LATERAL (
    SELECT sum(places) FILTER (WHERE until > %(at)s) AS live,
        sum(places) FILTER (WHERE until <= %(at)s) AS over
    FROM stock_holds h WHERE h.allotment_id = d.allotment_id) AS unpaid ON true
WHERE offering_id = %(offering)s GROUP BY category
"""

_log = logging.getLogger(__name__)


class PostgresStockDesk:
    """The tables `stock_desk` and `stock_holds`; one object for all of a process."""

    def __init__(
        self, datastore: PostgresDatastore, *, recheck_s: float = RECHECK_S
    ) -> None:
        self._datastore = datastore
        self._recheck = timedelta(seconds=recheck_s)
        self._told = threading.Condition()

    def claim(
        self, wish: StockWish, *, without: Collection[int], at: datetime
    ) -> int | None:
        """Lease an allotment, waiting for busy ones up to `WAIT_MAX_S`."""
        values = _values(wish, without, at)
        patient_until = time.monotonic() + WAIT_MAX_S
        while (number := self._number(_CLAIM, values)) is None:
            standing = self._rows(_STANDING, values)[0]
            if standing["parts"] < wish.layout.count:
                self._lay_out(wish.layout)
            elif not standing["hope"]:
                return None
            elif time.monotonic() >= patient_until:
                return self._number(_CLAIM_BUSY, values)
            elif standing["busy"]:
                self._nap()
        return number

    def claim_unseen(
        self, wish: StockWish, *, without: Collection[int], at: datetime
    ) -> int | None:
        """Lease one that nobody has looked at for long."""
        values = _values(wish, without, at) | {"recheck": self._recheck}
        return self._number(_CLAIM_UNSEEN, values)

    def tell(self, states: Sequence[StockState]) -> None:
        """Note the states; a failure is logged, for the commit stands already."""
        try:
            for state in states:
                self._execute(_TELL, _told(state))
        except (PersistenceError, psycopg.Error):
            _log.exception("the stock desk was not told; it will look again")
        with self._told:
            self._told.notify(len(states))

    def let_go(self, allotment_ids: Sequence[UUID]) -> None:
        """End the leases of allotments in which nothing is done after all."""
        self._execute(
            "UPDATE stock_desk SET busy_until = '-infinity'"
            " WHERE allotment_id = ANY(%(allotments)s)",
            {"allotments": list(allotment_ids)},
        )
        with self._told:
            self._told.notify()

    def look_again(self, allotment_id: UUID, *, at: datetime) -> None:
        """Leave holds that should be over alone for `LOOK_AGAIN_S`."""
        self._execute(
            "UPDATE stock_holds SET until = %(later)s"
            " WHERE allotment_id = %(allotment)s AND until <= %(at)s",
            {
                "allotment": allotment_id,
                "at": at,
                "later": at + timedelta(seconds=LOOK_AGAIN_S),
            },
        )

    def settle(self, *, paid: Collection[UUID], ended: Collection[UUID]) -> None:
        """Note what became of orders; a failure is logged, for the commit stands."""
        try:
            self._execute(
                "DELETE FROM stock_holds WHERE holder_id = ANY(%(paid)s)",
                {"paid": list(paid)},
            )
            self._execute(
                "UPDATE stock_holds SET until = '-infinity'"
                " WHERE holder_id = ANY(%(ended)s)",
                {"ended": list(ended)},
            )
        except (PersistenceError, psycopg.Error):
            _log.exception("the stock desk was not told; it will look again")

    def count(self, layout: StockLayout, *, at: datetime) -> tuple[int, int]:
        """Return free and held places; a hold whose time is over counts as free."""
        each = self.count_by_category(layout, at=at).values()
        return sum(free for free, _ in each), sum(held for _, held in each)

    def count_by_category(
        self, layout: StockLayout, *, at: datetime
    ) -> dict[str | None, tuple[int, int]]:
        """Return the same of each category; None is the only one, without a name."""
        values = {"offering": layout.offering_id, "at": at}
        rows = self._rows(_COUNT, values)
        if sum(row["parts"] for row in rows) < layout.count:
            self._lay_out(layout)
            rows = self._rows(_COUNT, values)
        return {
            row["category"] or None: (row["free"] + row["over"], row["held"])
            for row in rows
        }

    def _lay_out(self, layout: StockLayout) -> None:
        parts = list(layout.parts())
        values = {
            "offering": layout.offering_id,
            "ids": [part.allotment_id for part in parts],
            "numbers": [part.number for part in parts],
            "categories": [part.category or "" for part in parts],
            "places": [part.places for part in parts],
        }
        self._execute(_LAY_OUT, values)

    def _nap(self) -> None:
        with self._told:
            self._told.wait(NAP_S)

    def _number(
        self, statement: LiteralString, values: Mapping[str, Any]
    ) -> int | None:
        rows = self._rows(statement, values)
        return rows[0]["number"] if rows else None

    def _rows(self, statement: LiteralString, values: Mapping[str, Any]) -> list[Any]:
        with self._datastore.get_connection() as connection:
            return connection.execute(statement, values, prepare=True).fetchall()

    def _execute(self, statement: LiteralString, values: Mapping[str, Any]) -> None:
        with self._datastore.get_connection() as connection:
            connection.execute(statement, values, prepare=True)


def _values(wish: StockWish, without: Collection[int], at: datetime) -> dict[str, Any]:
    return {
        "offering": wish.layout.offering_id,
        "category": wish.category or "",
        "count": wish.count,
        "together": wish.together,
        "without": list(without),
        "at": at,
        "lease": timedelta(seconds=LEASE_S),
    }


def _told(state: StockState) -> dict[str, Any]:
    return {
        "allotment": state.allotment_id,
        "offering": state.offering_id,
        "number": state.number,
        "category": state.category or "",
        "version": state.version,
        "free": state.free,
        "longest_run": state.longest_run,
        "holders": list(state.holders),
        "new_holders": [hold.holder_id for hold in state.new_holds],
        "new_places": [hold.places for hold in state.new_holds],
        "new_until": [hold.until for hold in state.new_holds],
    }
