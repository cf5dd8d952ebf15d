"""What `ledgerctl log verify` found, said to people and to machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from ledger.log.verify import Older, VerifyReport


def say(report: VerifyReport, older: Sequence[Older], *, replayed: bool) -> None:
    if report.sealed is None:
        assert report.problem is not None
        click.echo(f"Refuted: {report.problem.where}: {report.problem.what}.")
        return
    sealed = report.sealed
    click.echo(
        f"The log is whole: {report.events} events in {report.streams} streams,"
        f" root {report.root.hex()}."
    )
    click.echo(f"It is the log {sealed.checkpoint.origin}, signed by:")
    for key in sealed.signed_by:
        click.echo(f"  {key}")
    for witness, at in sealed.cosigned.items():
        click.echo(f"  {witness}, a witness, {at.isoformat(timespec='seconds')}")
    for each in older:
        click.echo(f"It continues {each.name}, of {each.checkpoint.size} events.")
    for key in sealed.unknown:
        click.echo(f"Not checked, for its key was not given: the signature of {key}.")
    if not replayed:
        click.echo("Not checked: whether the events can have happened (--no-replay).")


def say_not_checked(error: Exception, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"verdict": "not_checked", "why": _sentence(error)}))
    click.echo(f"Could not be checked: {_sentence(error)}", err=True)


def _sentence(error: Exception) -> str:
    said = str(error)
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.filename or 'FILE or the temporary folder'}: {error.strerror}"
    return said if said.endswith(".") else f"{said}."


def summary(
    report: VerifyReport, older: Sequence[Older], *, replayed: bool
) -> dict[str, Any]:
    problem, sealed = report.problem, report.sealed
    said: dict[str, Any] = {
        "verdict": "proven" if report.proven else "refuted",
        "events": report.events,
        "streams": report.streams,
        "root": report.root.hex(),
        "replayed": replayed,
    }
    if problem is not None:
        said |= {"line": problem.line, "since": problem.since, "what": problem.what}
    if sealed is not None:
        said |= {
            "origin": sealed.checkpoint.origin,
            "signed_by": sealed.signed_by,
            "cosigned": {
                name: at.isoformat(timespec="seconds")
                for name, at in sealed.cosigned.items()
            },
            "unknown_signatures": sealed.unknown,
            "continues": [
                {"file": each.name, "size": each.checkpoint.size} for each in older
            ],
        }
    return said
