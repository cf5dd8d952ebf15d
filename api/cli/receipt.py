"""`ledgerctl receipt`: hold the log to what it has promised.

Exit codes: 0 proven, 1 refuted (a loss, proven by the log's own signature), 2 it could
not be checked.
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from api.cli.reading import (
    CannotCheck,
    checked,
    checkpoint_in,
    is_remote,
    policy_of,
    remote_log,
    signed_by,
    text_of,
    verifiers,
)
from ledger.clock import SystemClock
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import BadProof, check_inclusion
from ledger.log.note import BadNote, Note, Verifier
from ledger.log.policy import Policy
from ledger.log.receipt import Evidence, Finding, Receipt, Verdict, judge, search
from ledger.log.stream_proof import check as check_stream
from ledger.log.tlog_proof import HEADER, TlogProof
from ledger.log.verify import Wrong, exported_events

EXIT = {Verdict.PROVEN: 0, Verdict.REFUTED: 1, Verdict.UNCHECKED: 2}

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def receipt() -> None:
    """What the log promised to whoever gave it a command."""


@receipt.command()
@click.argument("file", type=_file)
@click.option(
    "--checkpoint",
    "checkpoint_file",
    type=_file,
    help="A checkpoint of the log, later than the receipt. A proof brings its own,"
    " and so does a log that is read where it is.",
)
@click.option(
    "--proof",
    "proof_file",
    type=_file,
    help="An inclusion proof: a .tlog-proof, or a file of `ledgerctl log prove`.",
)
@click.option("--log", "log_at", help="An export, or the URL or folder of a log.")
@click.option(
    "--key",
    "vkeys",
    multiple=True,
    help="A verifier key, of the log and of its receipts; else this installation's.",
)
@click.option(
    "--policy",
    "policy_file",
    type=_file,
    help="Witnesses, a quorum of whom says when the checkpoint was the newest.",
)
@click.option(
    "--at",
    "got_at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="When you got the checkpoint from the log as its newest, in UTC.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    file: Path,
    checkpoint_file: Path | None,
    proof_file: Path | None,
    log_at: str | None,
    vkeys: tuple[str, ...],
    policy_file: Path | None,
    got_at: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Check a receipt against a later checkpoint of its log.

    Exits with 0 if all of it is proven to be in the log, with 1 if the log has lost
    what it had promised, and with 2 if neither could be shown.
    """

    def find() -> Finding:
        case = _Case(verifiers(vkeys), _note_of(file))
        if checkpoint_file is not None:
            case.take(text_of(checkpoint_file))
        evidence = _evidence(case, proof_file, log_at)
        at = got_at.replace(tzinfo=UTC) if got_at else None
        return case.judge(evidence, policy_of(policy_file), got_at=at)

    finding = checked(find)
    verdict = finding.verdict
    if as_json:
        click.echo(json.dumps({"verdict": verdict.name.lower(), "why": finding.why}))
    else:
        click.echo(f"{verdict.capitalize()}: {finding.why}")
    sys.exit(EXIT[verdict])


class _Case:
    """A receipt, and the one checkpoint it is held against."""

    def __init__(self, keys: list[Verifier], note: str) -> None:
        self.keys = keys
        self.receipt = Receipt.parse(Note.parse(note).text)
        signed_by(note, keys, name=f"{self.receipt.origin}/receipts")
        self._against: _Against | None = None
        self._live_at: datetime | None = None

    def take(self, note: str, *, live_at: datetime | None = None) -> None:
        """Take a checkpoint, or see that it is the one that was taken."""
        checkpoint = checkpoint_in(note, self.keys)
        if checkpoint.origin != self.receipt.origin:
            raise CannotCheck(f"The checkpoint is of the log {checkpoint.origin}.")
        if self._against is None:
            self._against = _Against(checkpoint, Note.parse(note))
            self._live_at = live_at
        elif self._against.checkpoint != checkpoint:
            raise CannotCheck("The proof belongs to another checkpoint.")

    @property
    def has_checkpoint(self) -> bool:
        return self._against is not None

    @property
    def checkpoint(self) -> Checkpoint:
        if self._against is None:
            raise CannotCheck("Give a checkpoint by --checkpoint, or a --proof.")
        return self._against.checkpoint

    def judge(
        self, evidence: Evidence, policy: Policy, *, got_at: datetime | None
    ) -> Finding:
        checkpoint = self.checkpoint
        assert self._against is not None
        times = policy.agreed_at(self._against.note), got_at, self._live_at
        seen_at = max((at for at in times if at is not None), default=None)
        return judge(self.receipt, checkpoint, evidence, seen_at=seen_at)


@dataclass(frozen=True, slots=True)
class _Against:
    checkpoint: Checkpoint
    note: Note


def _evidence(case: _Case, proof_file: Path | None, log_at: str | None) -> Evidence:
    if proof_file is not None:
        return _from_proof(case, text_of(proof_file))
    if log_at is None:
        return Evidence()
    if is_remote(log_at):
        log = remote_log(log_at)
        if not case.has_checkpoint:
            _, note = log.checkpoint(case.keys)
            case.take(note, live_at=_now() if "://" in log_at else None)
        return log.evidence(case.checkpoint, case.receipt)
    with Path(log_at).open("rb") as lines:
        try:
            leaves = (event.leaf_hash() for event in exported_events(lines))
            found = search(leaves, case.checkpoint, case.receipt)
        except (Wrong, ValueError) as error:
            raise CannotCheck(f"{log_at} is no export of a log: {error}.") from None
    if found is None:
        raise CannotCheck(f"The checkpoint does not sign the events of {log_at}.")
    return found


def _from_proof(case: _Case, text: str) -> Evidence:
    try:
        if text.startswith(HEADER):
            return _from_tlog_proof(case, TlogProof.parse(text))
        _, note, events = check_stream(text.splitlines(keepends=True), case.keys)
    except (BadProof, Wrong, ValueError) as error:
        raise CannotCheck(f"The proof does not hold: {error}.") from None
    case.take(note)
    return Evidence({event.index: event.leaf_hash() for event in events})


def _from_tlog_proof(case: _Case, proof: TlogProof) -> Evidence:
    """Find which of the receipt's events the proof is about."""
    case.take(proof.checkpoint)
    for event in case.receipt.events:
        try:
            check_inclusion(
                index=proof.index,
                size=case.checkpoint.size,
                leaf_hash=event.leaf_hash,
                proof=proof.hashes,
                root=case.checkpoint.root,
            )
        except BadProof:
            continue
        return Evidence({proof.index: event.leaf_hash})
    raise CannotCheck("The proof is about no event of the receipt.")


def _note_of(file: Path) -> str:
    """Read a receipt as a note, or in base64 as the HTTP header has it."""
    text = text_of(file)
    if "\n\n" in text:
        return text
    try:
        return base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise BadNote("neither a note nor base64 of one") from None


def _now() -> datetime:
    return SystemClock().now()
