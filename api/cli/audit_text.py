"""What an audit found, as text for people and as objects for machines."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from ledger.usecases import audit as tell

_NOTHING: tuple[Any, ...] = (None, [], {}, "")


def events(lines: Iterable[tell.HistoryLine], ticket_id: UUID) -> None:
    """Print two lines an event: what and when; who, why and its facts."""
    for line in lines:
        name = line.event if line.stream_id == ticket_id else line.topic
        of = "" if line.stream_id == ticket_id else f"  of {line.stream_id}"
        click.echo(
            f"{line.version:>4}  {line.position:>8}  {_when(line.at)}  {name}{of}"
        )
        click.echo(f"      by {line.by or 'nobody known'}{_why(line)}")
        facts = {key: each for key, each in line.facts.items() if each is not None}
        if facts:
            said = (f"{key}={_nested(tell.plain(each))}" for key, each in facts.items())
            click.echo(f"      {', '.join(said)}")


def owners(lines: Iterable[tell.OwnerLine]) -> None:
    for line in lines:
        until = _when(line.until) if line.until else "now"
        click.echo(
            f"{line.owner_id}  {_when(line.since)} to {until}"
            f"  by {line.event} at position {line.position}"
        )


def owner(found: tell.OwnerAt) -> None:
    its = found.owner
    until = f"until {_when(its.until)}" if its.until else "to this day"
    click.echo(f"As of {_moment(found.moment)}, ticket {found.ticket_id} belonged to")
    click.echo(f"{its.owner_id}  since {_when(its.since)}, {until}")
    by = f"by {its.event} at position {its.position}"
    click.echo(f"{by}; the right was {found.life}.")


def owner_object(found: tell.OwnerAt) -> dict[str, Any]:
    its = found.owner
    return {
        "ticket_id": found.ticket_id,
        "as_of": asdict(found.moment),
        "owner_id": its.owner_id,
        "event": its.event,
        "position": its.position,
        "version": its.version,
        "since": its.since,
        "until": its.until,
        "life": found.life,
    }


def ticket(found: tell.TicketAsOf) -> None:
    """Print a ticket part by part; what is empty is left out."""
    click.echo(f"Ticket {found.ticket_id} as of {_moment(found.moment)}")
    for part, said in found.parts.items():
        shown = [(name, value) for name, value in said.items() if _is(name, value)]
        for number, (name, value) in enumerate(shown):
            click.echo(f"{part if number == 0 else '':<9} {name:<18} {_value(value)}")
        if not shown:
            click.echo(f"{part:<9} none")


def ticket_object(found: tell.TicketAsOf) -> dict[str, Any]:
    return {
        "ticket_id": found.ticket_id,
        "as_of": asdict(found.moment),
        **found.parts,
    }


def log(found: tell.LogAsOf) -> None:
    click.echo(f"The log as of {_moment(found.moment)}")
    click.echo(f"{'size':<9} {found.moment.position}")
    click.echo(f"{'root':<9} {base64.b64encode(found.root).decode()}")
    click.echo(f"{'':<16} {'events':>9} {'streams':>9}")
    for kind, count in found.events.items():
        click.echo(f"{kind:<16} {count:>9} {found.streams[kind]:>9}")


def log_object(found: tell.LogAsOf) -> dict[str, Any]:
    return {
        "as_of": asdict(found.moment),
        "size": found.moment.position,
        "root": base64.b64encode(found.root).decode(),
        "events": found.events,
        "streams": found.streams,
    }


def diff(found: tell.TicketDiff) -> None:
    click.echo(f"Ticket {found.ticket_id}")
    click.echo(f"from {_moment(found.earlier)}")
    click.echo(f"to   {_moment(found.later)}")
    for line in found.events:
        click.echo(f"  {line.position:>8}  {_when(line.at)}  {line.event}")
    if not found.changes:
        click.echo("Nothing changed.")
    for each in found.changes:
        name = f"{each.part}.{each.field}"
        click.echo(f"{name:<24} {_value(each.before)} → {_value(each.after)}")


def change_objects(found: tell.TicketDiff) -> Iterator[dict[str, Any]]:
    for each in found.changes:
        yield {
            "ticket_id": found.ticket_id,
            "from_position": found.earlier.position,
            "to_position": found.later.position,
            **asdict(each),
        }


def happened(line: tell.Happened) -> None:
    click.echo(
        f"{line.position:>8}  {_when(line.at)}  {line.topic:<30}"
        f"  {line.stream_id}/{line.version}  by {line.by or 'nobody known'}"
    )


def counted(first: tell.Moment, last: tell.Moment, counts: Mapping[str, int]) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    total = f"{sum(counts.values())} events" if kinds else "Nothing"
    click.echo(f"{total} after position {first.position} up to {last.position}.")
    if kinds:
        click.echo(f"Of them {kinds}.")


def _why(line: tell.HistoryLine) -> str:
    said = {
        "credential": line.credential,
        "device": line.device if line.device != line.by else None,
        "command": line.command,
        "correlation": line.correlation,
        "device's clock": line.device_time,
    }
    return "".join(f", {name} {value}" for name, value in said.items() if value)


def _moment(its: tell.Moment) -> str:
    at = f" ({_when(its.at)})" if its.at else ""
    newest = ", the newest" if its.newest else ""
    return f"position {its.position}{at}{newest}"


def _when(at: datetime) -> str:
    return at.isoformat()  # In full: who copies it finds that very event.


def _is(name: str, value: Any) -> bool:
    """Version 0 is before the stream: it never happened."""
    never = value == 0 and name.endswith("version")
    return value not in _NOTHING and not never


def _value(value: Any) -> str:
    said = tell.plain(value)
    if said in _NOTHING:
        return "none"
    if isinstance(said, dict):
        return ", ".join(f"{name} {_value(each)}" for name, each in said.items())
    if isinstance(said, list):
        return "; ".join(map(_value, said))
    return said if isinstance(said, str) else json.dumps(said)


def _nested(said: Any) -> str:
    """Write a value among others, so that one sees where it ends."""
    if isinstance(said, dict):
        return (
            f"{{{', '.join(f'{key} {_nested(each)}' for key, each in said.items())}}}"
        )
    if isinstance(said, list):
        return f"[{', '.join(map(_nested, said))}]"
    return _value(said)
