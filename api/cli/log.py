"""`ledgerctl log`: take the log out, and ask what it says of itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from api.cli.long_work import draft_of, ended_cleanly, shown
from api.cli.opened import opened
from api.cli.verifying import verify
from ledger.adapters.log_keys import LogKeys
from ledger.adapters.secrets import FileSecrets
from ledger.bootstrap import Installation, verifiers_of
from ledger.errors import Malformed
from ledger.log.export import Head, export_published
from ledger.log.export import export as export_signed
from ledger.log.note import Signer
from ledger.log.proof_store import NotPublished
from ledger.log.recorder import LogStopped
from ledger.settings import Settings

BEYOND_EVENTS = 2  # Header and checkpoint.


class NotWritten(Malformed):
    code = "malformed"
    says = "{path} cannot be written: {why}."


class KeyMissing(Malformed):
    code = "malformed"
    says = "There is no log here; `ledgerctl init` makes one, and its key."


@click.group()
def log() -> None:
    """The log of all events, and its proof."""


log.add_command(verify)


@log.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file, instead of standard output; it is there when it is complete.",
)
@click.option(
    "--sign",
    is_flag=True,
    help="Take all events there are and sign that, though no witness has seen it.",
)
def export(output: Path | None, *, sign: bool) -> None:
    """Write the events up to the published checkpoint, and that, as JSON lines.

    `ledgerctl log verify` checks what was written, anywhere.
    """
    with ended_cleanly(), opened() as its:
        size, lines = _lines(its, sign=sign)
        if output is None:
            _write(lines, size, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        try:
            with draft_of(output) as file:
                _write(lines, size, file)
        except OSError as error:
            raise NotWritten(path=output, why=error.strerror) from None


@log.command()
@click.option(
    "--sign",
    is_flag=True,
    help="Sign how long the log is now, though no witness has seen it.",
)
def checkpoint(*, sign: bool) -> None:
    """Print the published checkpoint: how long the log is and what its root is."""
    with opened() as its:
        if sign:
            head = Head(its.ledger.recorder, _signer(its), its.origin)
            click.echo(head.checkpoint(), nl=False)
            return
        published = its.proofs.published(its.policy)
        if published is None:
            raise NotPublished
        click.echo(published.note, nl=False)


@log.command()
def key() -> None:
    """Print the verifier key, by which anybody checks what this log says."""
    settings = Settings.load()
    secrets = FileSecrets.load(settings.keys_home)
    if secrets is None:
        raise KeyMissing
    keys = LogKeys(settings.keys_home, secrets.log_key())
    checkpoints, _ = verifiers_of(settings.origin, keys)
    click.echo(checkpoints[0])


def _lines(its: Installation, *, sign: bool) -> tuple[int, Iterator[str]]:
    """Return how many events will be exported, and the lines."""
    recorder = its.ledger.recorder
    size = recorder.size()
    published = None if sign else its.proofs.published(its.policy)
    if published is None:
        if not sign:
            click.echo(
                "No checkpoint is published yet (`ledgerctl log publish` does):"
                " this export is signed for itself, and no witness has seen it.",
                err=True,
            )
        return size, export_signed(recorder, _signer(its), its.origin)
    if size > published.checkpoint.size:
        click.echo(
            f"Exported is what was published, {published.checkpoint.size} of"
            f" {size} events.",
            err=True,
        )
    return published.checkpoint.size, export_published(recorder, published)


def _write(lines: Iterator[str], size: int, file: BinaryIO) -> None:
    with shown("Exporting", size + BEYOND_EVENTS) as advance:
        for line in lines:
            file.write(line.encode())
            advance(1)


def _signer(its: Installation) -> Signer:
    """Return the newest key's. Raises `LogStopped`: nothing more is to be signed."""
    if (why := its.proofs.stopped()) is not None:
        raise LogStopped(says=why)
    return its.signers(its.clock.now())[0]
