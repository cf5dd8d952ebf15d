"""`ledgerctl log`: take the log out, and check one that was taken out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from api.cli.opened import opened
from ledger.adapters.log_keys import LogKeys
from ledger.adapters.secrets import FileSecrets
from ledger.bootstrap import Installation, verifiers_of
from ledger.errors import Conflict, Malformed
from ledger.log.export import Head
from ledger.log.export import export as lines_of
from ledger.log.note import BadNote, Signer
from ledger.log.verify import VerifyReport, verify_export
from ledger.settings import Settings


class NotWritten(Malformed):
    code = "malformed"
    says = "{path} cannot be written: {why}."


class BadKey(Malformed):
    code = "malformed"
    says = "The key is no verifier key of a log: {why}."


class KeyMissing(Malformed):
    code = "malformed"
    says = "Say whose log it is by --key; `ledgerctl log key` prints it there."


class NotProven(Conflict):
    code = "counterfeit"
    says = "Line {line} is wrong: {what}."


@click.group()
def log() -> None:
    """The log of all events, and its proof."""


@log.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file, instead of standard output.",
)
def export(output: Path | None) -> None:
    """Write every event and a signed checkpoint, as JSON lines."""
    with opened() as its:
        lines = lines_of(its.ledger.recorder, _signer(its), its.origin)
        if output is None:
            for line in lines:
                sys.stdout.buffer.write(line.encode())
            sys.stdout.buffer.flush()
            return
        try:
            with output.open("wb") as file:
                file.writelines(line.encode() for line in lines)
        except OSError as error:
            raise NotWritten(path=output, why=error.strerror) from None


@log.command()
@click.argument("file", type=click.File("rb"))
@click.option("--key", "vkey", help="The log's verifier key; else this installation's.")
@click.option("--no-replay", is_flag=True, help="Check integrity alone.")
def verify(file: BinaryIO, vkey: str | None, *, no_replay: bool) -> None:
    """Check an export with nothing but the log's public key; FILE may be -."""
    try:
        report = verify_export(file, vkey or _own_key(), replay=not no_replay)
    except BadNote as error:
        raise BadKey(why=error) from None
    _require_proven(report)
    click.echo(
        f"The log is whole: {report.events} events in {report.streams} streams,"
        f" root {report.root.hex()}."
    )


@log.command()
def checkpoint() -> None:
    """Print a signed note of how long the log is and what its root is."""
    with opened() as its:
        head = Head(its.ledger.recorder, _signer(its), its.origin)
        click.echo(head.checkpoint(), nl=False)


@log.command()
def key() -> None:
    """Print the verifier key, by which anybody checks what this log says."""
    click.echo(_own_key())


def _require_proven(report: VerifyReport) -> None:
    if report.problem is not None:
        raise NotProven(line=report.problem.line, what=report.problem.what)


def _signer(its: Installation) -> Signer:
    return its.signers(its.clock.now())[0]


def _own_key() -> str:
    """Return this installation's verifier key; its database is not needed."""
    settings = Settings.load()
    secrets = FileSecrets.load(settings.keys_home)
    if secrets is None:
        raise KeyMissing
    keys = LogKeys(settings.keys_home, secrets.log_key())
    checkpoints, _ = verifiers_of(settings.origin, keys)
    return str(checkpoints[0])
