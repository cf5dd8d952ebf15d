"""Passwords: what may be one, and how it is kept: Argon2id, a few at a time.

Parameters are the first of the OWASP Password Storage Cheat Sheet's for Argon2id that
fit a small server (19 MiB, two passes, one lane). Each hash takes its memory while it
is computed, so a process computes `AT_ONCE_MAX` together and no more; who would wait
too long is told to come back. What was hashed by other parameters is hashed anew when
its owner signs in.
"""

from __future__ import annotations

import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from ledger.adapters.attempts import SlowDown
from ledger.adapters.common_passwords import COMMON
from ledger.errors import Malformed

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
SALT_BYTES = 16
HASH_BYTES = 32
AT_ONCE_MAX = 2
WAIT_MAX_S = 5.0
RETRY_AFTER_S = 2

LENGTH_MIN = 12
LENGTH_MAX = 128
DIFFERENT_MIN = 5
"""Fewer different characters than these are a pattern, not a password."""


class BadPassword(Malformed):
    code = "bad_password"
    says = "This cannot be a password: {why}."


class Passwords:
    """Hashes and compares; one for a process, for it bounds what that takes."""

    def __init__(
        self, hasher: PasswordHasher | None = None, *, at_once: int = AT_ONCE_MAX
    ) -> None:
        self._hasher = hasher or PasswordHasher(
            time_cost=PASSES,
            memory_cost=MEMORY_KIB,
            parallelism=LANES,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
        )
        self._places = BoundedSemaphore(at_once)
        self._nobodys = _nobodys(self._hasher)

    def hash(self, password: str) -> str:
        """Return what is kept of a password, in the PHC string format."""
        with self._place():
            return self._hasher.hash(normal(password))

    def fits(self, kept: str | None, password: str) -> bool:
        """Say whether a password is the one. None, nobody's, takes as long and no."""
        with self._place():
            try:
                self._hasher.verify(kept or self._nobodys, normal(password))
            except VerificationError:
                return False
        return kept is not None

    def outdated(self, kept: str) -> bool:
        """Say whether it was hashed by other parameters than are used now."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=WAIT_MAX_S):
            raise SlowDown(retry_after_s=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._places.release()


def normal(password: str) -> str:
    """Return the one form (NFKC) in which keyboards' different ones are the same."""
    return unicodedata.normalize("NFKC", password)


def require_good(password: str, *, login_name: str) -> None:
    """Raise `BadPassword` unless it is long enough and not guessed at once.

    No rules of composition (NIST SP 800-63B-4 section 3.1.1.2).
    """
    said = normal(password)
    folded = said.casefold()
    name = normal(login_name).casefold()
    if not LENGTH_MIN <= len(said) <= LENGTH_MAX:
        raise BadPassword(why=f"it has {LENGTH_MIN} to {LENGTH_MAX} characters")
    if folded in COMMON or len(set(folded)) < DIFFERENT_MIN:
        raise BadPassword(why="it is one of those that are guessed first")
    if folded in {name, name.partition("@")[0] * 2}:
        raise BadPassword(why="it is the login name")


def _nobodys(hasher: PasswordHasher) -> str:
    """Return a hash that no password has, and that takes as long as another."""
    salt, tag = (
        b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
        for size in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${tag}"
