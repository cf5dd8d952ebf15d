"""One line to one server: who is let speak, for how long, and how much is heard.

Nothing here repeats, follows a redirection, or reads the environment. A token goes over
TLS, or to this machine itself, and never to another address than the one given.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3

from ledger_client.problems import Unreachable, retry_after_s

TIMEOUT_S = 10.0
ANSWER_MAX = 1 << 20
CONNECTIONS_MAX = 4
_CHUNK = 1 << 16

Token = str | Callable[[], str] | Mapping[str, str]
"""A bearer token, what returns the one that is good now, or a session's headers."""


class AddressRefused(ValueError):
    """Not an address that a token may be sent to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: all of it, and no more than `ANSWER_MAX` bytes of body."""

    status: int
    headers: Mapping[str, str]
    """Their names are found in any case."""
    body: bytes


class Connection:
    """A pool of keep-alive connections to one address. Threads may share it."""

    def __init__(
        self,
        base_url: str,
        token: Token | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        connections_max: int = CONNECTIONS_MAX,
        ca_file: str | None = None,
    ) -> None:
        """Raises `AddressRefused` unless it is https, or http on loopback.

        `ca_file` names certificates to trust instead of the system's.
        """
        self._base_url = _checked(base_url)
        self._token = token
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(
            retries=False,  # Nor are redirections followed then.
            timeout=urllib3.Timeout(timeout_s),
            maxsize=connections_max,
            ca_certs=ca_file,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once. Raises `Unreachable`, and what the token's provider raises."""
        said = {"Accept": "application/json", **(headers or {})}
        if isinstance(self._token, Mapping):
            said |= self._token
        elif self._token is not None:
            token = self._token if isinstance(self._token, str) else self._token()
            said["Authorization"] = f"Bearer {token}"
        try:
            raw = self._pool.request(
                method,
                f"{self._base_url}{path}",
                body=body,
                headers=said,
                preload_content=False,
            )
            return Answer(raw.status, raw.headers, self._read(raw))
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"No answer came: {type(error).__name__}.") from error

    def close(self) -> None:
        """Close what is idle; what is being answered is closed after it."""
        self._pool.clear()

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        """Read a body of bounded length in bounded time, or hang up."""
        until = time.monotonic() + self._timeout_s
        body = bytearray()
        try:
            while chunk := raw.read1(_CHUNK):
                body += chunk
                if len(body) > ANSWER_MAX:
                    raise Unreachable(
                        f"The answer is longer than {ANSWER_MAX} bytes.",
                        retry_after_s=retry_after_s(raw.headers),
                    )
                if time.monotonic() > until:
                    raise Unreachable("The answer did not come to its end in time.")
        except BaseException:
            raw.close()
            raise
        raw.release_conn()
        return bytes(body)


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.username is not None or parts.query or parts.fragment:
        raise AddressRefused("An address has no user, query or fragment.")
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise AddressRefused(f"{base_url!r} is not an address of a ledger.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise AddressRefused(f"{base_url!r} would send the token in the clear.")
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
