"""`ledgerctl tickets`: very many tickets issued at once, from a file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import click

from api.cli.opened import opened
from ledger.application import Cause
from ledger.errors import Malformed
from ledger.usecases import bulk
from ledger.usecases.bulk import BadRow, Progress, Row
from ledger.vocabulary.ids import batch_id as default_batch_id

ACTOR = "ledgerctl"
TEXTS = ("name", "contact", "category", "place", "answer")
COLUMNS = ("reference", "owner_id", "price_minor", *TEXTS)


class BadFile(Malformed):
    code = "malformed"
    says = "{path} is no table of tickets: {why}."


class BadLines(Malformed):
    code = "malformed"
    says = "{count} lines cannot be issued, so nothing was."


@click.group()
def tickets() -> None:
    """Tickets, many at once."""


@tickets.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--offering", "offering_id", type=click.UUID, required=True)
@click.option("--batch", "batch_id", type=click.UUID, help="Computed if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_(
    path: Path, offering_id: UUID, batch_id: UUID | None, *, as_json: bool
) -> None:
    """Issue a ticket for every line of a CSV file, in the issuer's name.

    Columns: reference, and owner_id or name, contact; if wanted category, place,
    price_minor, answer. Run it again after it was cut short: it goes on.
    """
    rows, bad = _read(path)
    with opened() as its:
        offering = its.ledger.offering(offering_id)
        bad += bulk.wrong(its.ledger, offering, rows) if rows or not bad else []
        if bad:
            _tell_bad(bad)
        batch_id = batch_id or default_batch_id(offering_id, bulk.digest(rows))
        done = bulk.issue(
            its.ledger,
            its.personal,
            batch_id=batch_id,
            offering_id=offering_id,
            rows=rows,
            by=offering.issuer_id,
            at=its.clock.now(),
            cause=Cause(actor=ACTOR),
            tell=_tell,
        )
    said = {"batch_id": str(batch_id), "count": done.count}
    said |= {"issued_now": done.issued_now, "position": done.position}
    text = f"{done.issued_now} of {done.count} tickets issued now, batch {batch_id}."
    click.echo(json.dumps(said) if as_json else text)


def _tell(progress: Progress) -> None:
    """One line a chunk, on standard error."""
    did = "places held" if progress.held < progress.count else "places held, issued"
    many = progress.held if progress.held < progress.count else progress.issued
    click.echo(f"{did} {many} of {progress.count}", err=True)


def _tell_bad(bad: Sequence[BadRow]) -> None:
    for row in sorted(bad, key=lambda each: each.line):
        click.echo(f"line {row.line}: {row.why}", err=True)
    raise BadLines(count=len({row.line for row in bad}))


def _read(path: Path) -> tuple[list[Row], list[BadRow]]:
    """Return the rows of a file, and those lines that are none."""
    rows, bad = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, said in _lines(path, file):
                try:
                    rows.append(_row(line, said))
                except ValueError as wrong:
                    bad.append(BadRow(line, str(wrong)))
    except (csv.Error, UnicodeDecodeError) as wrong:
        raise BadFile(path=path.name, why=wrong) from None
    return rows, bad


def _lines(path: Path, file: Iterator[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.DictReader(file, strict=True, restval="")
    unknown = set(reader.fieldnames or ()) - set(COLUMNS)
    if unknown or "reference" not in (reader.fieldnames or ()):
        why = f"its first line names columns out of {', '.join(COLUMNS)}"
        raise BadFile(path=path.name, why=why)
    for said in reader:
        yield reader.line_num, said


def _row(line: int, said: Mapping[str, str]) -> Row:
    if None in said:
        raise ValueError("it has more fields than the first line")
    owner_id, price = said.get("owner_id"), said.get("price_minor")
    try:
        owner = UUID(owner_id) if owner_id else None
    except ValueError:
        raise ValueError(f"{owner_id} is no id of a party") from None
    if price and not (price.isascii() and price.isdigit()):
        raise ValueError(f"{price} is no price in minor units")
    return Row(
        line=line,
        reference=said["reference"],
        owner_id=owner,
        price_minor=int(price) if price else None,
        **{name: said.get(name) or None for name in TEXTS},
    )
