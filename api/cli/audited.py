"""What the auditor's commands are given: the log or an export of it, and moments."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from api.cli.long_work import Advance, shown
from api.cli.opened import read_log
from ledger.errors import Malformed
from ledger.log.verify.lines import LINE_BYTES_MAX
from ledger.usecases import audit as tell

# What is read in less than a second needs no bar.
BAR_FROM_BYTES = 8_000_000
BAR_FROM_EVENTS = 20_000

ticket_argument = click.argument("ticket_id", type=click.UUID)
maybe_ticket = click.argument("ticket_id", type=click.UUID, required=False)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line."
)
export_option = click.option(
    "--export",
    "export",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read an export and no database; `log verify` says whether to believe it.",
)
at_option = click.option(
    "--at",
    "at",
    default="now",
    metavar="POSITION|TIME",
    help="A position, or a time with its zone; now if left out.",
)


class NotRead(Malformed):
    code = "malformed"
    says = "{path} cannot be read: {why}."


@contextmanager
def book(export: Path | None, *, printing: bool = False) -> Iterator[tell.Book]:
    """Open what is to be read: an export if one is named, else the log.

    A terminal sees how far the reading of a long export is, unless lines are printed
    on it meanwhile: they show it themselves.
    """
    shows = _shows(printing=printing)
    if export is not None:
        click.echo(
            f"Read from an export, unproven: `ledgerctl log verify {export}` tells"
            " whether to believe it.",
            err=True,
        )
        try:
            yield tell.ExportBook(lambda: _lines(export, shows=shows))
        except OSError as error:
            if error.filename != str(export):
                raise
            raise NotRead(path=export, why=error.strerror) from None
        return
    with read_log() as ledger:
        yield tell.LogBook(ledger)


@contextmanager
def reading(book: tell.Book, *, printing: bool = False) -> Iterator[Advance]:
    """Show on a terminal how far the reading of a long log is, as `book` does."""
    shows = _shows(printing=printing) and not isinstance(book, tell.ExportBook)
    length = book.size() if shows else 0
    with shown("Reading", length if length >= BAR_FROM_EVENTS else 0) as advance:
        yield advance


def print_json(lines: Iterable[Any]) -> None:
    """Print mappings, one JSON object a line."""
    for line in lines:
        click.echo(json.dumps(tell.plain(line), ensure_ascii=False))


def _shows(*, printing: bool) -> bool:
    return not (printing and sys.stdout.isatty())


def _lines(path: Path, *, shows: bool) -> Iterator[bytes]:
    with path.open("rb") as file:
        length = path.stat().st_size if shows else 0
        with shown("Reading", length if length >= BAR_FROM_BYTES else 0) as advance:
            # Of a line without an end no more is read than an export can have.
            while line := file.readline(LINE_BYTES_MAX + 1):
                yield line
                advance(len(line))
