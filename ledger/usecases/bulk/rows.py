"""The rows of an import: what an issuer says of each ticket, and what is wrong with it.

Everything is looked at before anything is issued, so that a file is corrected once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias
from uuid import UUID

from ledger.aggregates.batch import ROWS_MAX
from ledger.aggregates.offering import CategoryUnknown, Offering
from ledger.application import Ledger
from ledger.errors import Malformed

REFERENCE = re.compile(r"[A-Za-z0-9._/-]{1,64}")
PRICE_MAX_MINOR = 10**9
NAME_MAX = 200
TOLD_MAX = 20
_OUT = {"line", "name", "contact", "answer"}

Layout: TypeAlias = Mapping[tuple[str | None, str], int]
"""The number of the allotment of every place, by category and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ticket to issue, sold or given by the issuer himself.

    `line` is where it stands in the issuer's file. The owner is a party that is known,
    or somebody new with a `name`. Without a `place` any of the category will do;
    without a `price_minor` the price is the offering's.
    """

    line: int
    reference: str
    owner_id: UUID | None = None
    name: str | None = None
    contact: str | None = None
    category: str | None = None
    place: str | None = None
    price_minor: int | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    why: str


class BadRows(Malformed):
    code = "malformed"
    says = "{count} rows cannot be issued: {told}."

    def __init__(self, rows: Sequence[BadRow]) -> None:
        told = "; ".join(f"line {row.line}: {row.why}" for row in rows[:TOLD_MAX])
        super().__init__(count=len(rows), told=told)
        self.rows = tuple(rows)


def digest(rows: Sequence[Row]) -> str:
    """Return the SHA-256 in hex over what the rows say, wherever they stand.

    It is kept for ever, so what is said about persons is left out of it: whoever is
    erased must not be found again by trying names.
    """
    hashed = hashlib.sha256()
    for row in rows:
        said = {name: value for name, value in asdict(row).items() if name not in _OUT}
        said["new"] = row.name is not None
        hashed.update(json.dumps(said, sort_keys=True, default=str).encode() + b"\n")
    return hashed.hexdigest()


def wrong(ledger: Ledger, offering: Offering, rows: Sequence[Row]) -> list[BadRow]:
    """Return what is wrong with rows, by their lines; whether places are free is not
    looked at here."""
    if not 0 < len(rows) <= ROWS_MAX:
        return [BadRow(0, f"a batch has 1 to {ROWS_MAX} rows")]
    owners = {row.owner_id for row in rows if row.owner_id is not None}
    known = ledger.known(owners)
    layout = places_of(offering)
    references: set[str] = set()
    taken: set[tuple[str | None, str | None]] = set()
    found = []
    for row in rows:
        for why in _faults(offering, layout, known, row):
            found.append(BadRow(row.line, why))
        if row.reference in references:
            found.append(BadRow(row.line, f"{row.reference} stands there twice"))
        references.add(row.reference)
        place = (row.category if len(offering.categories) > 1 else None, row.place)
        if row.place is not None and place in taken:
            found.append(BadRow(row.line, f"the place {row.place} stands there twice"))
        taken.add(place)
    return found


def places_of(offering: Offering) -> Layout:
    """Return where every place of an offering is."""
    parts = (offering.part(number) for number in range(1, offering.parts + 1))
    return {
        (part.category, place): part.number for part in parts for place in part.places
    }


def _faults(
    offering: Offering,
    layout: Layout,
    known: set[UUID],
    row: Row,
) -> Iterator[str]:
    if not REFERENCE.fullmatch(row.reference):
        yield "a reference has 1 to 64 letters, digits and . _ / -"
    if (row.owner_id is None) == (row.name is None):
        yield "either an owner or a name is needed"
    if row.owner_id is not None and row.owner_id not in known:
        yield f"there is no party {row.owner_id}"
    if row.name is not None and not 0 < len(row.name) <= NAME_MAX:
        yield f"a name has 1 to {NAME_MAX} characters"
    if row.price_minor is not None and not 0 <= row.price_minor <= PRICE_MAX_MINOR:
        yield "a price is zero or more, in minor units"
    if offering.question is not None and row.answer is None:
        yield "the holder will be asked, so an answer is needed"
    try:
        category = offering.category(row.category)
    except CategoryUnknown as refusal:
        yield str(refusal)
        return
    if row.place is not None and (category.name, row.place) not in layout:
        yield f"there is no place {row.place}"
