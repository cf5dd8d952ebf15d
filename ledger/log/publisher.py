"""Signs how far the log has come, and has it cosigned: a checkpoint a second at most.

    ledger_log ──► tiles ──► checkpoint, signed ──► witnesses ──► cosignatures
                   └─────── one commit ──────┘                    └─ quorum: published

One publisher works at a time; others stand by for its lock, which goes with its
connection, and so does all it writes. It signs a root only if it has derived it from
the stored tree and the newest checkpoint's root as well. While that one lacks its
quorum no new one is signed. If a witness has seen more of this log than there is, or
something else, an old backup was restored or somebody signs in our name: then nothing
is appended any more until an operator has decided.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Event
from typing import TypeAlias

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.rows import DictRow

from ledger.clock import Clock
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import BadProof, check_consistency
from ledger.log.note import Note, Signer, sign
from ledger.log.policy import Policy
from ledger.log.proof_store import ProofStore, Signed
from ledger.log.recorder import connect
from ledger.log.submission import Ahead, Forked, NotCosigned, Post, submit
from ledger.log.tiles import NoSuchTile, TiledTree

PUBLISH_EVERY_S = 1.0
RETRY_S = 1.0
GROW_MAX = 100_000
"""Events that one checkpoint adds at most: a commit stays a short one."""

WITNESS_REST_MAX_S = 15.0
"""A witness that does not answer is left alone so long at most."""

_LOCK = """
SELECT pg_try_advisory_lock(
    hashtextextended('eticket-ledger publisher ' || current_schema(), 0)) AS held
"""

_log = logging.getLogger(__name__)

Signers: TypeAlias = Callable[[datetime], Sequence[Signer]]
"""Returns the log's keys in force at a time, the newest first."""


class Round(StrEnum):
    """What came of one look at the log."""

    STANDING_BY = "standing by"
    STOPPED = "stopped"
    WAITING = "waiting for witnesses"
    PUBLISHED = "published"


class Publisher:
    """Publishes one log. Make it in the process, and the thread, that runs it."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        signers: Signers,
        clock: Clock,
        *,
        origin: str,
        policy: Policy,
        post: Post,
    ) -> None:
        self._datastore = datastore
        self._signers = signers
        self._clock = clock
        self._origin = origin
        self._policy = policy
        self._post = post
        self._connection: Connection[DictRow] | None = None
        self._is_locked = False
        self._resting: dict[str, tuple[datetime, float]] = {}

    def run(self, stop: Event) -> None:
        """Publish until `stop` is set; wait for a server that went away."""
        said = None
        while not stop.is_set():
            pause_s = PUBLISH_EVERY_S
            try:
                came = self.round()
                if came != said:
                    _log.info("publisher: %s", came)
                    said = came
            except psycopg.Error as error:
                _log.warning("the publisher lost its way: %s", error)
                pause_s = RETRY_S
            stop.wait(pause_s)
        self.close()

    def round(self, *, ask_all: bool = False) -> Round:
        """Look once. With `ask_all` every witness is asked whether it is ahead.

        Raises `psycopg.Error` when the database is lost; the next round begins anew.
        """
        try:
            connection = self._locked()
            if connection is None:
                return Round.STANDING_BY
            store = ProofStore(lambda: nullcontext(connection))
            if store.stopped() is not None:
                return Round.STOPPED
            try:
                return self._publish(connection, store, ask_all=ask_all)
            except Forked as fork:
                store.stop(str(fork))
                _log.error("publisher: %s", fork)
                return Round.STOPPED
        except psycopg.Error:
            self.close()
            raise

    def resume(self, *, because: str) -> Round:
        """Let appends go on after a stop, if its reason is gone.

        `because` says of what an operator has convinced himself, and is kept.
        `PUBLISHED` if they do: what was signed is here, unchanged, every witness has
        answered, none is ahead, and their quorum cosigned. Otherwise the stop stays.
        """
        connection = self._locked()
        if connection is None:
            return Round.STANDING_BY
        store = ProofStore(lambda: nullcontext(connection))
        self._resting.clear()
        try:
            newest = store.newest()
            if newest is not None:
                _require_unchanged(store, newest.checkpoint, store.size())
            came = self._publish(connection, store, ask_all=True)
        except Forked as fork:
            _log.error("publisher: %s", fork)
            return Round.STOPPED
        if self._resting:  # Who did not answer may still be ahead.
            return Round.WAITING
        if came == Round.PUBLISHED:
            store.resume(because)
        return came

    def close(self) -> None:
        """Let another one publish."""
        if self._connection is not None:
            # The server may take its time to see that a connection is gone.
            with suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock_all()")
            self._connection.close()
            self._connection = None

    def _publish(
        self, connection: Connection[DictRow], store: ProofStore, *, ask_all: bool
    ) -> Round:
        newest = store.newest()
        if newest is not None:
            newest = self._signed_by_all(store, newest)
        if newest is None or (
            newest.checkpoint.size != store.size() and self._is_published(store, newest)
        ):
            newest = self._sign(connection, store, newest)
        elif not ask_all and self._is_published(store, newest):
            return Round.PUBLISHED
        self._have_cosigned(store, newest, ask_all=ask_all)
        return Round.PUBLISHED if self._is_published(store, newest) else Round.WAITING

    def _is_published(self, store: ProofStore, newest: Signed) -> bool:
        published = store.published(self._policy)
        return published is not None and published.checkpoint == newest.checkpoint

    def _sign(
        self, connection: Connection[DictRow], store: ProofStore, old: Signed | None
    ) -> Signed:
        """Sign how far the log has come since; tiles and checkpoint are one commit.

        Raises `Forked` if the tree does not continue what was signed.
        """
        old_size = old.checkpoint.size if old else 0
        size = min(store.size(), old_size + GROW_MAX)
        if old is not None:
            _require_unchanged(store, old.checkpoint, size)
        at = self._clock.now()
        with connection.transaction():
            try:
                store.add_tiles(old_size=old_size, size=size)
                tree = store.tree(size)
                new = Checkpoint(self._origin, size, tree.root())
            except NoSuchTile:
                raise _incomplete(size) from None
            if old:
                _require_consistent(old.checkpoint, new, tree)
            signed = Signed(new, sign(new.text(), self._signers(at)), at)
            if not store.add_checkpoint(signed):
                raise psycopg.IntegrityError("another publisher was first")
        return signed

    def _signed_by_all(self, store: ProofStore, signed: Signed) -> Signed:
        """Have keys sign the newest checkpoint that are in force since.

        A key may be replaced at once, and nobody believe the old one any more: what it
        has signed would find no witness, and a log that does not grow no reader.
        """
        at = self._clock.now()
        known = {(name, id_) for name, id_, _ in Note.parse(signed.note).signatures}
        text, note = signed.checkpoint.text(), signed.note
        for signer in self._signers(at):
            its = signer.verifier
            if (its.name, its.key_id) in known:
                continue
            _require_unchanged(store, signed.checkpoint, store.size())
            line = signer.line(text)
            store.add_signature(
                size=signed.checkpoint.size, verifier=its, line=line, signed_at=at
            )
            note += line
        return replace(signed, note=note)

    def _have_cosigned(
        self, store: ProofStore, signed: Signed, *, ask_all: bool
    ) -> None:
        """Ask the witnesses that have not cosigned yet. Raises `Forked`."""
        size = signed.checkpoint.size
        tree = store.tree(size)
        for witness in self._policy.witnesses:
            name = witness.verifier.name
            last = store.last_cosigned(name)
            if last > size:
                return  # Another publisher of this very log has taken over.
            rests = last == size or self._rests(witness.name)
            if witness.url is None or (rests and not ask_all):
                continue
            try:
                given = submit(
                    witness, signed.note, tree, old_size=last, post=self._post
                )
            except NotCosigned as error:
                self._let_rest(witness.name, error)
                continue
            except Ahead as ahead:
                newest = store.newest()
                if newest is None or newest.checkpoint.size < ahead.seen:
                    raise
                return  # As above.
            self._resting.pop(witness.name, None)
            store.add_cosignature(
                size=size, witness=name, line=given.line, cosigned_at=given.at
            )

    def _rests(self, witness: str) -> bool:
        if witness not in self._resting:
            return False
        until, pause_s = self._resting[witness]
        left_s = (until - self._clock.now()).total_seconds()
        return 0 < left_s <= pause_s  # More is left of it when a clock was set back.

    def _let_rest(self, witness: str, error: NotCosigned) -> None:
        """Leave a witness alone for a while, twice as long each time."""
        _, before_s = self._resting.get(witness, (None, PUBLISH_EVERY_S / 2))
        pause_s = min(before_s * 2, WITNESS_REST_MAX_S)
        self._resting[witness] = self._clock.now() + timedelta(seconds=pause_s), pause_s
        _log.warning("not cosigned: %s", error)

    def _locked(self) -> Connection[DictRow] | None:
        """Return the connection that holds the lock; None while another one does."""
        if self._connection is None:
            self._connection = connect(self._datastore)
            self._is_locked = False
        if not self._is_locked:
            row = self._connection.execute(_LOCK).fetchone()
            self._is_locked = row is not None and row["held"]
        return self._connection if self._is_locked else None


def _require_unchanged(store: ProofStore, old: Checkpoint, size: int) -> None:
    try:
        if size >= old.size and store.tree(old.size).root() == old.root:
            return
    except NoSuchTile:
        pass  # Some of it is gone.
    raise _changed(old.size)


def _require_consistent(old: Checkpoint, new: Checkpoint, tree: TiledTree) -> None:
    if old.size == 0:
        return
    try:
        check_consistency(
            old_size=old.size,
            size=new.size,
            old_root=old.root,
            root=new.root,
            proof=tree.consistency_proof(old.size),
        )
    except BadProof:
        raise _changed(old.size) from None


def _incomplete(size: int) -> Forked:
    return Forked(
        f"Some of the first {size} events of the stored log are missing: somebody has"
        " changed the database."
    )


def _changed(size: int) -> Forked:
    return Forked(
        f"The first {size} events of the stored log are not those that were signed:"
        " somebody has changed the database."
    )
