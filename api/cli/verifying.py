"""`ledgerctl log verify`: hold an export to the log's keys, to what was seen of it
before, and to what can have happened.

Exit codes: 0 proven, 1 refuted, 2 it could not be checked.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from api.cli.log_proofs import KEYS, POLICY, REFUTED
from api.cli.long_work import ended_cleanly, shown
from api.cli.reading import (
    COULD_NOT_CHECK,
    NOT_CHECKED,
    CannotCheck,
    checkpoint_in,
    policy_of,
    text_of,
    verifiers,
)
from api.cli.verdicts import say, say_not_checked, summary
from ledger.log.note import NOTE_MAX, BadNote, Verifier
from ledger.log.policy import Policy
from ledger.log.verify import NotComparable, Older, VerifyReport, verify_export
from ledger.log.verify.lines import LINE_BYTES_MAX
from ledger.log.verify.streams import Bucket, Found

EXPORT_BEGINS = b'{"format":"eticket-ledger/export/'
NOTE_LINE_MAX = 2 * NOTE_MAX
BYTES_A_JOB_MIN = 8 * 1024 * 1024
"""With less than that to replay for each, more processes are no gain."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the export is held to."""

    keys: Sequence[Verifier]
    policy: Policy
    older: Sequence[Older]
    replay: bool
    jobs: int


@click.command()
@click.argument("file", type=click.File("rb"))
@KEYS
@POLICY
@click.option(
    "--checkpoint",
    "older_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint of the log that you kept, or an older export; repeatable. The"
    " export must continue it.",
)
@click.option("--no-replay", is_flag=True, help="Leave out whether it can have been.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=os.cpu_count() or 1,
    show_default="one a processor",
    help="So many processes replay a long log.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    file: BinaryIO,
    vkeys: tuple[str, ...],
    policy_file: Path | None,
    older_files: tuple[Path, ...],
    jobs: int,
    *,
    no_replay: bool,
    as_json: bool,
) -> None:
    """Check an export by the log's public keys alone; FILE may be -.

    Every leaf and the tree are computed anew, the checkpoint must be signed by a key of
    the log, a checkpoint that you kept must be continued, and every event must have
    been allowed when it was recorded. No database or network is asked. A long log takes
    as much room in the temporary folder (TMPDIR) as FILE has, and little memory.

    Exits with 0 if it is proven, 1 if it is refuted, and the first wrong line is named,
    and 2 if it could not be checked.
    """
    try:
        policy = policy_of(policy_file)
        keys = _keys(vkeys, policy)
        older = [_older(path, keys) for path in older_files]
        report = _verified(
            file, _Asked(keys, policy, older, replay=not no_replay, jobs=jobs)
        )
    except (*NOT_CHECKED, NotComparable) as error:
        say_not_checked(error, as_json=as_json)
        sys.exit(COULD_NOT_CHECK)
    if as_json:
        click.echo(json.dumps(summary(report, older, replayed=not no_replay)))
    else:
        say(report, older, replayed=not no_replay)
    sys.exit(0 if report.proven else REFUTED)


def _verified(file: BinaryIO, asked: _Asked) -> VerifyReport:
    with (
        ended_cleanly(),
        tempfile.TemporaryDirectory(prefix="ledger-verify-") as folder,
    ):
        return verify_export(
            _read(file),
            asked.keys,
            policy=asked.policy,
            older=asked.older,
            replay=asked.replay,
            spill=Path(folder),
            over=partial(_over, jobs=asked.jobs),
        )


def _read(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, none much longer than a line may be."""
    length = os.fstat(file.fileno()).st_size if file.seekable() else 0
    with shown("Reading", length) as advance:
        while line := file.readline(LINE_BYTES_MAX + 1):
            yield line
            advance(len(line))


def _over(
    find: Callable[[Bucket], Found], buckets: Sequence[Bucket], *, jobs: int
) -> Iterator[Found]:
    """Replay one bucket after the other, or several at once if that is worth it."""
    useful = min(jobs, sum(map(len, buckets)) // BYTES_A_JOB_MIN)
    with shown("Replaying", len(buckets)) as advance:
        for found in _mapped(find, buckets, jobs=useful):
            yield found
            advance(1)


def _mapped(
    find: Callable[[Bucket], Found], buckets: Sequence[Bucket], *, jobs: int
) -> Iterable[Found]:
    if jobs <= 1:
        yield from map(find, buckets)
        return
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts_alone) as pool:
        try:
            yield from pool.map(find, buckets)
        except BrokenExecutor:
            why = "A process that replayed was ended from outside; try --jobs 1."
            raise CannotCheck(why) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _leave_interrupts_alone() -> None:
    """Let the first process end the others; importing this knows all events."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _keys(vkeys: Sequence[str], policy: Policy) -> list[Verifier]:
    """Return the keys of --key and of the policy; else this installation's."""
    named = [each.verifier for each in policy.logs]
    return [*named, *(verifiers(vkeys) if vkeys or not named else [])]


def _older(path: Path, keys: Sequence[Verifier]) -> Older:
    """Read a note, or the last line of an export. Raises what is `NOT_CHECKED`."""
    try:
        return Older(str(path), checkpoint_in(_note_in(path), keys))
    except BadNote as error:
        why = f"The older checkpoint {path} cannot be believed: {error}."
        raise CannotCheck(why) from None


def _note_in(path: Path) -> str:
    with path.open("rb") as file:
        begins = file.read(len(EXPORT_BEGINS))
        if begins != EXPORT_BEGINS:
            return text_of(path)
        file.seek(-min(NOTE_LINE_MAX, path.stat().st_size), os.SEEK_END)
        last = file.readlines()[-1]
    try:
        note = json.loads(last)["checkpoint"]
    except (ValueError, KeyError, TypeError):
        note = None
    if not isinstance(note, str):
        raise BadNote("the export does not end with a checkpoint")
    return note
