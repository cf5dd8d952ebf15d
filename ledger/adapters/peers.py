"""Other programs on the network that the log deals with: witnesses, and other logs.

One request, one answer of a bounded length, within a bounded time. Nothing is tried
twice and no redirect is followed.
"""

from __future__ import annotations

import urllib3

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
ANSWER_MAX = 4 * 1024 * 1024


class Unreachable(OSError):
    """Nobody answered, or not as HTTP says; the message says why."""


class Peers:
    """A client that keeps its connections."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
            retries=False,
        )

    def get(self, url: str, *, token: str | None = None) -> tuple[int, bytes]:
        """Return status and body. Raises `Unreachable`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._ask("GET", url, None, headers)

    def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body. Raises `Unreachable`."""
        return self._ask("POST", url, body, {"Content-Type": "text/plain"})

    def close(self) -> None:
        self._pool.clear()

    def _ask(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if not url.startswith(("http://", "https://")):
            raise Unreachable(f"{url} is no address of HTTP")
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            try:
                said = answer.read(ANSWER_MAX + 1)
                if len(said) > ANSWER_MAX:
                    raise Unreachable(f"{url} answers without an end")
                answer.drain_conn()
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unreachable(f"{url}: {error}") from None
        return answer.status, said
