"""What carries frames to a card: held by one user alone for a whole tap."""

from types import TracebackType
from typing import Protocol, Self


class Transport(Protocol):
    """A connection to the one card in a reader's field; use it in a `with`."""

    @property
    def atr(self) -> bytes:
        """Return the card's answer to reset."""
        ...

    def transmit(self, command: bytes, /) -> bytes:
        """Send a command APDU and return the response APDU; CardGone without one."""
        ...

    def close(self) -> None:
        """Let the card go; a second time does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Closing:
    """Gives a transport its `with`."""

    def close(self) -> None:
        """Let the card go; a transport that holds something says how."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
