"""More of `ledgerctl log`: publish, prove, and change the log's key.

Checking commands exit with 0 if what they check is proven, 1 if it is refuted, and 2
if it could not be checked.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from threading import Thread
from uuid import UUID

import click

from api.cli.opened import opened
from api.cli.parent import end_with_parent, until_signalled
from api.cli.reading import (
    CannotCheck,
    checked,
    checkpoint_in,
    policy_of,
    text_of,
    verifiers,
)
from api.log_lines import make_log
from ledger.adapters.roles import DatabaseRole
from ledger.bootstrap import Installation, verifiers_of
from ledger.errors import Conflict, Unknown
from ledger.log.export import ExportedEvent
from ledger.log.merkle import BadProof
from ledger.log.note import BadNote, Note
from ledger.log.proof_store import NotPublished
from ledger.log.publisher import Round
from ledger.log.selftest import run as try_vectors
from ledger.log.sequencer import Sequencer
from ledger.log.stream_proof import check, write
from ledger.log.verify import Wrong

REFUTED = 1
OVERLAP_DAYS = 30
OVERLAP_DAYS_MAX = 3_650
BECAUSE_MAX = 500

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
KEYS = click.option(
    "--key",
    "vkeys",
    multiple=True,
    help="A verifier key of the log, repeatable; else this installation's.",
)
POLICY = click.option(
    "--policy",
    "policy_file",
    type=_file,
    help="Witnesses, a quorum of whom must have cosigned (C2SP tlog-policy).",
)


class PublisherRuns(Conflict):
    code = "publisher_runs"
    says = "Another process publishes this log; stop the server, then try again."


class StaysStopped(Conflict):
    code = "log_stopped"
    says = "{why} The log stays as it is: {came}."


@click.command()
@click.option(
    "--vectors", "file", type=_file, required=True, help="A file of published figures."
)
def selftest(file: Path) -> None:
    """Hold tree, notes, checkpoints and tiles against published figures."""
    try:
        vectors = json.loads(text_of(file))
        outcomes = list(try_vectors(vectors))
    except (CannotCheck, ValueError, AttributeError):
        click.echo(f"{file} is no file of figures.", err=True)
        sys.exit(2)
    failed = [outcome for outcome in outcomes if outcome.problem is not None]
    for outcome in failed:
        click.echo(f"{outcome.case}: {outcome.problem}")
    click.echo(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    sys.exit(REFUTED if failed else 0)


@click.command()
@click.option("--once", is_flag=True, help="Look once, ask every witness, and end.")
@click.option("--with-parent", is_flag=True, hidden=True)
def publish(*, once: bool, with_parent: bool) -> None:
    """Give positions; sign how far the log has come, every second; have it cosigned.

    Any number may run; one of them works and the others stand by.
    """
    if with_parent:
        end_with_parent()
    with (
        until_signalled() as stop,
        opened(DatabaseRole.PUBLISHER) as its,
        its.publisher() as publisher,
    ):
        if once:
            click.echo(publisher.round(ask_all=True))
            return
        log = make_log(its.settings.log_level)
        log.info("publisher", state="publishing")
        sequencing = Thread(target=Sequencer(its.ledger.recorder).run, args=(stop,))
        sequencing.start()
        try:
            publisher.run(stop)
        finally:
            stop.set()
            sequencing.join()
        log.info("publisher", state="ended")


def _sentence(_: click.Context, __: click.Parameter, said: str) -> str:
    if not said.strip() or not said.isprintable() or len(said) > BECAUSE_MAX:
        raise click.BadParameter(f"say it in 1 to {BECAUSE_MAX} characters, on a line")
    return said.strip()


@click.command()
@click.option(
    "--because",
    required=True,
    callback=_sentence,
    help="What was found and done about it; it is kept with the log for ever.",
)
def resume(because: str) -> None:
    """Let a log that was stopped go on, if the reason is gone.

    What was signed is compared and every witness asked; while one contradicts, or does
    not answer, the log stays stopped. No other publisher may run.
    """
    with opened(DatabaseRole.PUBLISHER) as its, its.publisher() as publisher:
        why = its.proofs.stopped()
        if why is None:
            click.echo("The log is not stopped.")
            return
        came = publisher.resume(because=because)
        if came == Round.STANDING_BY:
            raise PublisherRuns
        if came != Round.PUBLISHED:
            raise StaysStopped(why=why, came=came)
        click.echo(f"Appends go on. It was stopped because: {why}")


@click.command()
@click.argument("ticket_id", type=click.UUID)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file, instead of standard output.",
)
def prove(ticket_id: UUID, output: Path | None) -> None:
    """Write all events of a ticket, each with its inclusion proof."""
    with opened() as its:
        published = its.proofs.published(its.policy)
        events = _events_of(its, ticket_id)
        if not events:
            raise Unknown(what="ticket")
        if published is None or events[-1].position > published.checkpoint.size:
            raise NotPublished
        tree = its.proofs.tree(published.checkpoint.size)
        lines = write(events, tree, origin=its.origin, note=published.note)
        if output is None:
            for line in lines:
                click.echo(line, nl=False)
        else:
            output.write_text("".join(lines), "utf-8")


@click.command()
@click.argument("file", type=_file)
@KEYS
@POLICY
def check_proof(file: Path, vkeys: tuple[str, ...], policy_file: Path | None) -> None:
    """Check a file of `log prove` with nothing but the log's verifier key."""
    lines = checked(lambda: text_of(file)).splitlines(keepends=True)
    keys = checked(lambda: verifiers(vkeys))
    policy = checked(lambda: policy_of(policy_file))
    try:
        checkpoint, note, events = check(lines, keys)
        checkpoint_in(note, keys)
    except (BadNote, BadProof, Wrong, ValueError) as error:
        click.echo(f"Refuted: {error}.")
        sys.exit(REFUTED)
    if not policy.is_met(policy.cosigned(Note.parse(note))):
        click.echo("Refuted: no quorum of witnesses has cosigned.")
        sys.exit(REFUTED)
    click.echo(
        f"Proven: {len(events)} events are among the first {checkpoint.size} of the"
        f" log {checkpoint.origin}."
    )


@click.command()
@click.option(
    "--overlap-days",
    type=click.IntRange(0, OVERLAP_DAYS_MAX),
    default=OVERLAP_DAYS,
    show_default=True,
    help="So long the old key signs as well. 0: it is not to be trusted any more.",
)
def rotate_key(overlap_days: int) -> None:
    """Give the log a new key; checkpoints are signed by both while they overlap.

    Programs that run sign by it at once, the newest checkpoint first.
    """
    with opened() as its:
        until = its.clock.now() + timedelta(days=overlap_days)
        its.log_keys.rotate(overlap_until=until)
        checkpoints, _ = verifiers_of(its.origin, its.log_keys)
    click.echo(checkpoints[0])
    said = until.isoformat(timespec="seconds")
    click.echo(f"The key before it signs until {said}.", err=True)
    click.echo("Tell it to all who check the log, its witnesses first.", err=True)


@click.command()
def keys() -> None:
    """Print all verifier keys, of checkpoints and of receipts, the newest first."""
    for verifier in checked(lambda: verifiers(())):
        click.echo(verifier)


def _events_of(its: Installation, stream_id: UUID) -> list[ExportedEvent]:
    """Return the events of one stream that have a position, oldest first."""
    recorder = its.ledger.recorder
    stored = recorder.select_events(stream_id)
    positions = recorder.positions_of(stream_id)
    return [
        ExportedEvent(
            index=positions[each.originator_version] - 1,
            position=positions[each.originator_version],
            originator_id=stream_id,
            version=each.originator_version,
            topic=each.topic,
            state=each.state,
        )
        for each in stored
        if each.originator_version in positions
    ]
