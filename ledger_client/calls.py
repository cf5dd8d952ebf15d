"""What every request has in common: encoding, keys, positions, repeats and refusals.

get     ──► At-Least-Position ────────────────────────┐
command ──► one Idempotency-Key for all its tries ────┼─► asked, and asked again
                                                      └─► read, position noted
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from ledger_client.connection import Answer, Connection
from ledger_client.pagination import lines
from ledger_client.positions import HighWater
from ledger_client.problems import Json
from ledger_client.reading import read, read_answer
from ledger_client.retries import ONCE, Retries

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request was answered: the body, and what its headers tell about it.

    `position` is how far the log had come when a command was recorded; `etag` is what
    a command on this resource may carry as `if_match`; `replayed` says that the answer
    is one of an earlier try; `receipt` is base64 of a signed note.
    """

    said: Json
    status: int
    position: int | None = None
    etag: str | None = None
    replayed: bool = False
    receipt: str | None = None
    request_id: str | None = None


class Calls:
    """Gets and commands over one connection. Threads may share it."""

    def __init__(
        self,
        connection: Connection,
        *,
        retries: Retries | None = None,
        positions: HighWater | None = None,
        new_key: Callable[[], str] = lambda: secrets.token_urlsafe(24),
    ) -> None:
        self.positions = positions or HighWater()
        self._connection = connection
        self._retries = retries or Retries()
        self._new_key = new_key

    def get(self, path: str, *, query: Mapping[str, Any] | None = None) -> Reply:
        """Read. Asked again, if no answer comes: reading twice does no harm.

        `query` leaves out what is None. Raises `Problem` or `Unreachable`.
        """
        headers = self.positions.headers()
        return self._carry_out(
            "GET", f"{path}{_query(query)}", None, headers, self._retries
        )

    def command(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        if_match: str | None = None,
        dry_run: bool = False,
        want_receipt: bool = False,
    ) -> Reply:
        """Have something done once, however often it has to be asked for.

        `key` is the Idempotency-Key; give one that you stored before, to have the
        same command's answer after your own program was stopped. None: a new one.
        Doors that need no token take no key: use `ask` for them.
        `dry_run` only asks what would come of it. Raises `Problem` or `Unreachable`;
        after the latter, the same `key` and body find out what became of it.
        """
        headers = {IDEMPOTENCY_KEY: key or self._new_key()}
        if if_match is not None:
            headers["If-Match"] = if_match
        if want_receipt:
            headers["Want-Receipt"] = "?1"
        if dry_run:
            path = f"{path}?dry_run=true"
        return self._carry_out(method, path, body, headers, self._retries)

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        again: bool = False,
    ) -> Reply:
        """Ask something that changes nothing, or that no key protects.

        Asked once; `again` says that asking twice does no harm.
        """
        retries = self._retries if again else ONCE
        return self._carry_out(method, path, body, {}, retries)

    def pages(
        self, path: str, name: str, *, query: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """Yield the members of the list `name` over all pages, as they are needed."""
        return lines(lambda asked: self.get(path, query=asked).said, name, query=query)

    def list_of(
        self,
        kind: type[_T],
        path: str,
        name: str,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> Iterator[_T]:
        """Yield what `pages` yields, each read as a `kind`."""
        return (read(kind, one) for one in self.pages(path, name, query=query))

    def _carry_out(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        retries: Retries,
    ) -> Reply:
        # Encoded once: a key stands for one body, byte by byte.
        sent = None if body is None else json.dumps(body).encode()
        if sent is not None:
            headers = {**headers, "Content-Type": "application/json"}

        def ask() -> Reply:
            answer = self._connection.ask(method, path, body=sent, headers=headers)
            return self._reply(answer)

        return retries.carry_out(ask)

    def _reply(self, answer: Answer) -> Reply:
        said = read_answer(answer)
        told = answer.headers
        return Reply(
            said=said,
            status=answer.status,
            position=self.positions.note(told),
            etag=told.get("ETag"),
            replayed=told.get(REPLAYED) == "true",
            receipt=told.get("Ledger-Receipt"),
            request_id=told.get("Request-Id"),
        )


def _query(query: Mapping[str, Any] | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
