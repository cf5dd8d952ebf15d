"""What goes wrong between a program and the ledger: refused, or not answered at all.

answer ─┬─ 2xx, JSON as documented ──────► what was asked for
        ├─ 4xx/5xx, a problem document ──► `Problem`: it was refused, and why
        └─ anything else, or none ───────► `Unreachable`: it may have happened
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

_DIGITS_MAX = 9


class ClientError(Exception):
    """Anything that this library raises about a request."""

    retry_after_s: int | None = None
    """How long the server asks to wait before the same is asked again."""


class Unreachable(ClientError):
    """No answer of the ledger came: what was asked may have happened, or not."""

    def __init__(self, why: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Problem(ClientError):
    """The ledger refused (RFC 9457). `code` is stable; `detail` is one sentence.

    `do` says what to do about it, if that is known. `because` names what stands in the
    way, such as `<stream id>/<version>`; `facts` are the sentence's own values;
    `request_id` finds the request in the server's log.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str,
        do: str = "",
        because: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.do = do
        self.because = tuple(because)
        self.facts: Mapping[str, Any] = dict(facts or {})
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    @classmethod
    def read(
        cls, status: int, said: Json, headers: Mapping[str, str]
    ) -> Problem | None:
        """Read a problem document; None if it is none of the ledger's.

        An OAuth server's refusal (RFC 6749, section 5.2) is read as one, too.
        """
        code = said.get("code", said.get("error"))
        because = said.get("because", [])
        facts = said.get("facts", {})
        if not isinstance(code, str):
            return None
        if not isinstance(because, list) or not isinstance(facts, dict):
            return None
        title = str(said.get("title", code))
        told = said.get("detail", said.get("error_description", title))
        return cls(
            status=status,
            code=code,
            title=title,
            detail=str(told),
            do=str(said.get("do", "")),
            because=[str(each) for each in because],
            facts=facts,
            request_id=headers.get("Request-Id"),
            retry_after_s=retry_after_s(headers),
        )


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """Read `Retry-After` in seconds; a date (RFC 9110, 10.2.3) is passed over."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit() and len(said) <= _DIGITS_MAX:
        return int(said)
    return None
