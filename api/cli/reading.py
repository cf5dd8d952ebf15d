"""What the checking commands are given: keys, policies, notes, and logs elsewhere.

Whatever cannot be read ends in `CannotCheck`, one sentence and an exit code of its own:
what could not be checked is neither proven nor refuted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from ledger.adapters.log_keys import LogKeys
from ledger.adapters.peers import Peers
from ledger.adapters.secrets import FileSecrets, SecretsError
from ledger.bootstrap import verifiers_of
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import BadNote, Note, Verifier
from ledger.log.policy import BadPolicy, Policy
from ledger.log.remote import RemoteLog, Unproven
from ledger.settings import Settings

COULD_NOT_CHECK = 2
FILE_MAX = 256 * 1024 * 1024
_HTTP_OK = 200

_T = TypeVar("_T")


class CannotCheck(Exception):
    """Neither proven nor refuted; the message is one sentence."""


NOT_CHECKED = (BadNote, BadPolicy, CannotCheck, OSError, SecretsError, Unproven)
"""All that can keep a check from being made."""


def checked(check: Callable[[], _T]) -> _T:
    """Return what a check finds; end the program with 2 if it cannot be made."""
    try:
        return check()
    except NOT_CHECKED as error:
        could_not(error)


def could_not(why: Exception) -> NoReturn:
    """Say why a check could not be made, and end the program with 2."""
    click.echo(f"Could not be checked: {why}", err=True)
    sys.exit(COULD_NOT_CHECK)


def verifiers(vkeys: Sequence[str]) -> list[Verifier]:
    """Read verifier keys; without any, take those of this installation."""
    if vkeys:
        try:
            return [Verifier.parse(vkey) for vkey in vkeys]
        except BadNote as error:
            raise CannotCheck(f"A --key is no verifier key: {error}.") from None
    settings = Settings.load()
    secrets = FileSecrets.load(settings.keys_home)
    if secrets is None:
        raise CannotCheck("Say by --key whose log it is; `ledgerctl log keys` tells.")
    keys = LogKeys(settings.keys_home, secrets.log_key())
    checkpoints, receipts = verifiers_of(settings.origin, keys)
    return [*checkpoints, *receipts]


def policy_of(path: Path | None) -> Policy:
    return Policy() if path is None else Policy.parse(path.read_bytes())


def signed_by(note: str, keys: Sequence[Verifier], *, name: str | None) -> Note:
    """Open a note that a key of this name must have signed; None: any of the keys.

    Raises `BadNote`.
    """
    parsed = Note.parse(note)
    signed = parsed.signed_by(keys)
    if not any(name in (None, each.name) for each in signed):
        raise BadNote("no trusted key has signed this")
    return parsed


def checkpoint_in(note: str, keys: Sequence[Verifier]) -> Checkpoint:
    """Open a checkpoint that its own log has signed. Raises `BadNote`."""
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    signed_by(note, keys, name=checkpoint.origin)
    return checkpoint


def is_remote(log_at: str) -> bool:
    return log_at.startswith(("http://", "https://")) or Path(log_at).is_dir()


def remote_log(log_at: str, token: str | None = None) -> RemoteLog:
    """Return a log by its prefix: a URL, or a folder of the same layout."""
    if not log_at.startswith(("http://", "https://")):
        return RemoteLog(lambda path: _from_folder(Path(log_at) / path))
    peers, prefix = Peers(), log_at.rstrip("/")

    def fetch(path: str) -> bytes | None:
        status, body = peers.get(f"{prefix}/{path}", token=token)
        return body if status == _HTTP_OK else None

    return RemoteLog(fetch)


def text_of(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_MAX:
            raise CannotCheck(f"{path} is too long.")
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise CannotCheck(f"{path} is not text.") from None


def _from_folder(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
