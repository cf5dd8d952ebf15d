"""`ledgerctl audit`: what happened to a ticket, and how things stood at any moment.

Every command reads the log itself or, with `--export`, a file that was taken from it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from uuid import UUID

import click

from api.cli import audit_text as text
from api.cli.audited import (
    as_json_option,
    at_option,
    book,
    export_option,
    maybe_ticket,
    print_json,
    reading,
    ticket_argument,
)
from api.cli.chain_picture import mermaid, svg
from api.cli.log import NotWritten
from api.cli.long_work import draft_of
from ledger.usecases import audit as tell


@click.group()
def audit() -> None:
    """Replay a ticket, or the whole log, as of any moment.

    A moment is a position in the log, a time with its zone such as
    2026-11-22T12:00:00Z (when the server recorded the event), or "now". Personal data
    stay sealed.
    """


@audit.command()
@ticket_argument
@at_option
@click.option("--related", is_flag=True, help="With its order, gifts, sales, cases, …")
@export_option
@as_json_option
def history(
    ticket_id: UUID, *, at: str, related: bool, export: Path | None, as_json: bool
) -> None:
    """Print every event recorded about a ticket, oldest first."""
    with book(export) as its:
        lines = tell.history(
            its, ticket_id=ticket_id, when=tell.when_of(at), related=related
        )
    if as_json:
        print_json(lines)
    else:
        text.events(lines, ticket_id)


@audit.command()
@ticket_argument
@export_option
@as_json_option
@click.option("--mermaid", "drawn", is_flag=True, help="Print the chain as Mermaid.")
@click.option(
    "--svg",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the chain into a file.",
)
def owners(
    ticket_id: UUID,
    *,
    export: Path | None,
    as_json: bool,
    drawn: bool,
    picture: Path | None,
) -> None:
    """Print who owned a ticket when, and by which event."""
    with book(export) as its:
        now = tell.as_of(its, ticket_id=ticket_id, when=None)
        lines = tell.owners(its, ticket_id=ticket_id)
    if picture is not None:
        try:
            with draft_of(picture) as file:
                file.write(svg(now, lines).encode())
        except OSError as error:
            raise NotWritten(path=picture, why=error.strerror) from None
    if drawn:
        click.echo(mermaid(now, lines), nl=False)
    elif as_json:
        print_json(lines)
    elif picture is None:
        text.owners(lines)


@audit.command()
@ticket_argument
@at_option
@export_option
@as_json_option
def owner(ticket_id: UUID, *, at: str, export: Path | None, as_json: bool) -> None:
    """Print who owned a ticket at a moment, since when, and by which event."""
    with book(export) as its:
        found = tell.owner_at(its, ticket_id=ticket_id, when=tell.when_of(at))
    if as_json:
        print_json([text.owner_object(found)])
    else:
        text.owner(found)


@audit.command("as-of")
@click.argument("at", metavar="POSITION|TIME")
@maybe_ticket
@export_option
@as_json_option
def as_of(
    at: str, *, ticket_id: UUID | None, export: Path | None, as_json: bool
) -> None:
    """Print all that a ticket was at a moment; without one, the log's size and root."""
    when = tell.when_of(at)
    with book(export) as its:
        if ticket_id is None:
            with reading(its) as told:
                log = tell.log_as_of(its, when=when, tell=told)
            print_json([text.log_object(log)]) if as_json else text.log(log)
            return
        ticket = tell.as_of(its, ticket_id=ticket_id, when=when)
    print_json([text.ticket_object(ticket)]) if as_json else text.ticket(ticket)


@audit.command()
@click.argument("earlier", metavar="A")
@click.argument("later", metavar="B")
@maybe_ticket
@export_option
@as_json_option
def diff(
    earlier: str,
    later: str,
    *,
    ticket_id: UUID | None,
    export: Path | None,
    as_json: bool,
) -> None:
    """Print what changed after moment A up to B: of a ticket, or every event."""
    a, b = tell.when_of(earlier), tell.when_of(later)
    with book(export, printing=ticket_id is None) as its:
        if ticket_id is None:
            _print_happened(its, a, b, as_json=as_json)
            return
        found = tell.diff(its, ticket_id=ticket_id, earlier=a, later=b)
    if as_json:
        print_json(text.change_objects(found))
    else:
        text.diff(found)


def _print_happened(
    its: tell.Book, a: tell.When, b: tell.When, *, as_json: bool
) -> None:
    first, last = tell.between(its, a, b)
    counts: Counter[str] = Counter()
    with reading(its, printing=True) as told:
        for line in tell.happened(its, first, last, told):
            counts[line.topic.partition(".")[0]] += 1
            if as_json:
                print_json([line])
            else:
                text.happened(line)
    if not as_json:
        text.counted(first, last, counts)
