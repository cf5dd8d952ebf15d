"""A client of the ledger's HTTP door, as a stranger would write one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import urllib3

TIMEOUT_S = 15


class Refused(Exception):
    """The door said no: a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code = str(problem.get("code"))
        self.detail = str(problem.get("detail"))
        self.problem = problem


@dataclass(slots=True)
class Door:
    """One principal at the door: a base URL and a bearer token."""

    url: str
    token: str | None = None
    position: int = 0
    _pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False), repr=False
    )

    def get(self, path: str, *, after: int | None = None) -> Any:
        """Read; `after` waits until the views have taken that position in."""
        wait = {"At-Least-Position": str(after)} if after else {}
        return self.call("GET", path, headers=wait)

    def post(self, path: str, **body: Any) -> Any:
        return self.call("POST", path, body=body)

    def put(self, path: str, **body: Any) -> Any:
        return self.call("PUT", path, body=body)

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        sent = {"Content-Type": "application/json"} if body is not None or raw else {}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        answer = self._pool.request(
            method,
            self.url + path,
            body=raw if raw is not None else body and json.dumps(body),
            headers=sent | (headers or {}),
            timeout=TIMEOUT_S,
        )
        if answer.status >= 400:
            raise Refused(answer.status, _json(answer.data))
        self.position = int(answer.headers.get("Ledger-Position", self.position))
        return _json(answer.data)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data) if data else {}
    except ValueError:
        return {"text": data.decode(errors="replace")}
