"""Cards in PC/SC readers. The only module that imports pyscard."""

import contextlib
from typing import Any

from smartcard.CardRequest import CardRequest
from smartcard.CardType import AnyCardType
from smartcard.Exceptions import (
    CardConnectionException,
    CardRequestTimeoutException,
    NoCardException,
    SmartcardException,
)
from smartcard.scard import SCARD_SHARE_EXCLUSIVE, SCARD_UNPOWER_CARD
from smartcard.System import readers

from card_bridge.protocol.status import CardGone
from card_bridge.transport.base import Closing

WAIT_S = 60.0


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
    except SmartcardException as failed:
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
    """Wait until a card lies on the reader; None when the time is over."""
    found = [each for each in _readers() if str(each) == reader]
    if not found:
        raise ReaderMissing(reader)
    request = CardRequest(
        timeout=timeout_s, cardType=AnyCardType(), readers=found, newcardonly=False
    )
    try:
        request.waitforcard()
    except CardRequestTimeoutException:
        return None
    return PcscTransport(reader)


def _readers() -> list[Any]:
    try:
        return list(readers())
    except SmartcardException as failed:
        raise PcscUnavailable from failed
