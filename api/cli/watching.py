"""`ledgerctl log watch`: is the log still the one that was seen before?

It keeps the last checkpoint it saw and trusts nothing else. Two signed checkpoints that
contradict each other are the proof of a second history.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from api.cli.log_proofs import KEYS, POLICY, REFUTED
from api.cli.reading import (
    NOT_CHECKED,
    CannotCheck,
    checked,
    checkpoint_in,
    could_not,
    policy_of,
    remote_log,
    text_of,
    verifiers,
)
from ledger.adapters.witness_files import replace_file
from ledger.log.note import Note, Verifier
from ledger.log.policy import Policy
from ledger.log.remote import Fork, RemoteLog


@click.command()
@click.argument("log_at", metavar="URL|FOLDER")
@KEYS
@POLICY
@click.option(
    "--state",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file where the last checkpoint that was seen is kept.",
)
@click.option("--every", "pause_s", type=click.FloatRange(min=0.1), help="Seconds.")
def watch(
    log_at: str,
    vkeys: tuple[str, ...],
    policy_file: Path | None,
    state: Path,
    pause_s: float | None,
) -> None:
    """Look whether a log still continues what it was when last seen.

    Exits with 1 and both checkpoints if it does not: then the log has two histories,
    and the two signatures prove it. With --every it looks until that happens.
    """
    keys = checked(lambda: verifiers(vkeys))
    policy = checked(lambda: policy_of(policy_file))
    log = remote_log(log_at)
    while True:
        try:
            click.echo(_look(log, keys, policy, state))
        except _Alarm as alarm:
            click.echo(f"ALARM: {alarm}", err=True)
            click.echo(f"\n{alarm.before}\n{alarm.now}", err=True)
            sys.exit(REFUTED)
        except NOT_CHECKED as error:
            if pause_s is None:
                could_not(error)
            click.echo(f"Could not be checked: {error}", err=True)
        if pause_s is None:
            return
        time.sleep(pause_s)


class _Alarm(Exception):
    """Two signed checkpoints that contradict each other: both notes are the proof."""

    def __init__(self, fork: Fork, *, before: str, now: str) -> None:
        super().__init__(str(fork))
        self.before = before
        self.now = now


def _look(log: RemoteLog, keys: list[Verifier], policy: Policy, state: Path) -> str:
    """Fetch the newest checkpoint, hold it against the last one, and keep it."""
    new, note = log.checkpoint(keys)
    if not policy.is_met(policy.cosigned(Note.parse(note))):
        raise CannotCheck("No quorum of witnesses has cosigned the checkpoint.")
    grown = "seen for the first time"
    if state.exists():
        before = text_of(state)
        old = checkpoint_in(before, keys)
        if old.origin != new.origin:
            raise CannotCheck(f"{state} is about the log {old.origin}.")
        try:
            log.require_continues(old, new)
        except Fork as fork:
            raise _Alarm(fork, before=before, now=note) from None
        grown = f"it continues the {old.size} that were seen before"
    replace_file(state, note.encode())
    return f"{new.origin}: {new.size} events; {grown}."
