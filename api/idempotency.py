"""One effect for one key: `Idempotency-Key` on every command.

The same key with the same request gets the same answer, which is stored before it is
sent; with another request it is refused, and while the first is in flight one waits.
The first commit of the command takes the key into the log, so that even a process that
dies between the commit and its answer leaves no second effect behind: the next attempt
is told what was recorded, and reads it (docs/decisions/0017-one-effect-for-one-key.md).

After draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID

from flask import Flask, Response, g, request

from api.auth import terms
from api.problems import BadFields, refused
from ledger.adapters.answers import (
    AnotherRequest,
    AnswerStore,
    Asked,
    InFlight,
    Kept,
    New,
)
from ledger.clock import Clock
from ledger.errors import Conflict, Malformed, Overtaken
from ledger.log.patience import DATABASE_LOST
from ledger.log.recorder import (
    Command,
    CommandRepeated,
    LedgerRecorder,
    LogStopped,
)

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY_MAX = 255

_KEY = re.compile(rf"[!-~]{{1,{KEY_MAX}}}")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# No quick hash of a password is kept, and no code; done twice, nothing is lost.
NOT_KEPT = frozenset({"/v1/me/password", "/oauth/authorize"})
# Refusals that decide nothing: the same command may well succeed in a moment.
_PASSING = frozenset({Overtaken.code, LogStopped.code})
# Of this answer alone; a stored one is told again in another request.
_NOT_STORED = frozenset({"request-id", "content-length", "date", "ledger-receipt"})


class KeyReused(Malformed):
    code = "idempotency"
    says = f"This {IDEMPOTENCY_KEY} was used for another request."


class InFlightNow(Conflict):
    code = "in_flight"
    says = "This command is being carried out; ask again in {retry_after_s} seconds."


class CarriedOut(Conflict):
    code = "carried_out"
    says = (
        "This command was carried out before, up to position {position}; its answer"
        " is not kept, so read what it made."
    )


class Idempotency:
    """Stands between the guard and the commands."""

    def __init__(
        self, answers: AnswerStore, recorder: LedgerRecorder, clock: Clock
    ) -> None:
        self._answers = answers
        self._recorder = recorder
        self._clock = clock

    def install(self, app: Flask) -> None:
        app.before_request(self._begin)
        app.after_request(self._end)
        app.register_error_handler(CommandRepeated, self._repeated)

    def _begin(self) -> Response | None:
        asked = _asked()
        if asked is None:
            return None
        begun = self._answers.begin(asked, at=self._clock.now())
        match begun:
            case Kept(answer):
                return _told_again(answer)
            case AnotherRequest():
                raise KeyReused
            case InFlight(until):
                left = (until - self._clock.now()).total_seconds()
                raise InFlightNow(retry_after_s=max(1, math.ceil(left)))
        g.begun = begun
        if begun.recorded is not None:
            raise self._carried_out(*begun.recorded)
        terms().command = _command(asked)
        return None

    def _end(self, answer: Response) -> Response:
        begun: New | None = g.pop("begun", None)
        if begun is None:
            return answer
        try:
            if answer.status_code < 500 and g.get("code") not in _PASSING:
                answer = self._unless_carried_out(begun.asked, answer)
                self._answers.keep(begun, _stored(answer))
            elif not g.get("recorded"):
                self._answers.let_go(begun)
        except DATABASE_LOST:
            pass  # The next attempt is told by the log what was recorded.
        return answer

    def _unless_carried_out(self, asked: Asked, answer: Response) -> Response:
        """Return the answer, unless it is a refusal and an earlier attempt committed.

        One that took longer than its lease may do so while this one is decided, and be
        itself what stands in the way: the place that it sells is not free any more.
        """
        if answer.status_code < 400 or g.get("recorded"):
            return answer
        repeated = self._recorder.repeated(_command(asked))
        return answer if repeated is None else self._repeated(repeated)

    def _repeated(self, repeated: CommandRepeated) -> Response:
        """Answer when another attempt at the same command was first in the log."""
        if not repeated.same:
            return refused(KeyReused())
        return refused(self._carried_out(repeated.stream_id, repeated.version))

    def _carried_out(self, stream_id: UUID, version: int) -> CarriedOut:
        position = self._recorder.place_of(stream_id, version)
        return CarriedOut(position=position, because=[f"{stream_id}/{version}"])


def _asked() -> Asked | None:
    """Return the command that this request asks for once; None if it says no key."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None or request.method in _SAFE or "principal" not in g:
        return None
    if request.path in NOT_KEPT:
        return None
    if not _KEY.fullmatch(key):
        raise BadFields(
            says=f"{IDEMPOTENCY_KEY} is 1 to {KEY_MAX} visible ASCII characters."
        )
    if terms().dry:
        return None
    line = f"{request.method} {request.full_path}\n".encode()
    hashed = hashlib.sha256(line + request.get_data(cache=True)).digest()
    return Asked(str(g.principal.party_id or g.principal.device_id), key, hashed)


def _command(asked: Asked) -> Command:
    return Command(actor=asked.actor, key=asked.key_hash, request=asked.request)


def _stored(answer: Response) -> bytes:
    said: dict[str, Any] = {
        "status": answer.status_code,
        "headers": [
            [name, value]
            for name, value in answer.headers
            if name.lower() not in _NOT_STORED
        ],
        "body": b64encode(answer.get_data()).decode(),
    }
    return json.dumps(said).encode()


def _told_again(stored: bytes) -> Response:
    said = json.loads(stored)
    answer = Response(b64decode(said["body"]), said["status"])
    answer.headers.clear()
    answer.headers.extend(said["headers"])
    answer.headers[REPLAYED] = "true"
    return answer
