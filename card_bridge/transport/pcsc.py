"""Cards in PC/SC readers. The only module that imports pyscard."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from smartcard.Exceptions import (
    CardConnectionException,
    NoCardException,
    SmartcardException,
)
from smartcard.pcsc.PCSCExceptions import BaseSCardException
from smartcard.scard import (
    SCARD_E_TIMEOUT,
    SCARD_E_UNKNOWN_READER,
    SCARD_S_SUCCESS,
    SCARD_SCOPE_USER,
    SCARD_SHARE_EXCLUSIVE,
    SCARD_STATE_PRESENT,
    SCARD_STATE_UNAWARE,
    SCARD_UNPOWER_CARD,
    SCardEstablishContext,
    SCardGetStatusChange,
    SCardReleaseContext,
)
from smartcard.System import readers

from card_bridge.protocol.status import CardGone
from card_bridge.transport.base import Closing

WAIT_S = 60.0
_LOOK_S = 0.2  # How long at most until the reader is looked at anew.


class ReaderMissing(Exception):
    code = "reader-missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no card reader named {name!r}.")


class PcscUnavailable(Exception):
    code = "pcsc-unavailable"

    def __init__(self) -> None:
        super().__init__("The PC/SC service does not answer; is pcscd running?")


def reader_names() -> tuple[str, ...]:
    """The readers attached now; PcscUnavailable where nobody could say."""
    try:
        return tuple(str(reader) for reader in readers())
    except (SmartcardException, BaseSCardException) as failed:
        raise PcscUnavailable from failed


class PcscTransport(Closing):
    """The card in one reader, exclusively."""

    def __init__(self, reader: str) -> None:
        """Connect to the card that is there; CardGone if there is none."""
        found = [each for each in _readers() if str(each) == reader]
        if not found:
            raise ReaderMissing(reader)
        self._connection = found[0].createConnection()
        try:
            self._connection.connect(
                mode=SCARD_SHARE_EXCLUSIVE, disposition=SCARD_UNPOWER_CARD
            )
        except (NoCardException, CardConnectionException) as absent:
            self._connection.release()
            raise CardGone from absent
        self.atr = bytes(self._connection.getATR())

    def transmit(self, command: bytes, /) -> bytes:
        """Send one frame. Removed, reset, not transacted: all is CardGone."""
        try:
            data, sw1, sw2 = self._connection.transmit(list(command))
        except SmartcardException as gone:
            raise CardGone from gone
        return bytes([*data, sw1, sw2])

    def close(self) -> None:
        """Leave the card without power: what it did not commit is gone."""
        with contextlib.suppress(SmartcardException):  # The card may be gone already.
            self._connection.disconnect()
        self._connection.release()


def wait_for_card(reader: str, *, timeout_s: float = WAIT_S) -> PcscTransport | None:
    """Wait until a card lies on the reader; None when the time is over.

    PC/SC may still report the card that has just left, or one that another program
    holds: whoever cannot be spoken to is waited out.
    """
    end = time.monotonic() + timeout_s
    seen = SCARD_STATE_UNAWARE
    with _context() as context:
        while True:
            left_s = max(0.0, min(end - time.monotonic(), _LOOK_S))
            seen = _state(context, reader, seen, timeout_ms=int(left_s * 1000))
            if seen & SCARD_STATE_PRESENT:
                with contextlib.suppress(CardGone):
                    return PcscTransport(reader)
            if time.monotonic() >= end:
                return None


def wait_until_taken(reader: str, *, timeout_s: float = WAIT_S) -> bool:
    """Wait until no card lies on the reader; say whether that is so."""
    end = time.monotonic() + timeout_s
    seen = SCARD_STATE_UNAWARE
    with _context() as context:
        while True:
            left_s = max(0.0, min(end - time.monotonic(), _LOOK_S))
            seen = _state(context, reader, seen, timeout_ms=int(left_s * 1000))
            if not seen & SCARD_STATE_PRESENT:
                return True
            if time.monotonic() >= end:
                return False


@contextlib.contextmanager
def _context() -> Iterator[Any]:
    result, context = SCardEstablishContext(SCARD_SCOPE_USER)
    if result != SCARD_S_SUCCESS:
        raise PcscUnavailable
    try:
        yield context
    finally:
        SCardReleaseContext(context)


def _state(context: Any, reader: str, seen: int, *, timeout_ms: int) -> int:
    """Wait for another state than the one `seen` before; return what is so then."""
    result, states = SCardGetStatusChange(context, timeout_ms, [(reader, seen)])
    if result == SCARD_E_UNKNOWN_READER:
        raise ReaderMissing(reader)
    if result not in (SCARD_S_SUCCESS, SCARD_E_TIMEOUT):
        raise PcscUnavailable
    return int(states[0][1])


def _readers() -> list[Any]:
    try:
        return list(readers())
    except (SmartcardException, BaseSCardException) as failed:
        raise PcscUnavailable from failed
