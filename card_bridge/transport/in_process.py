"""A card in this process, as a reader would hold it."""

from collections.abc import Callable

from card_bridge.protocol.status import CardGone
from card_bridge.transport.base import Closing

ATR_DESFIRE = bytes.fromhex("3b8180018080")


class InProcessTransport(Closing):
    """Hands frames to `card`, a function such as `VirtualCard.transmit`.

    `power_on` is called when the card comes into the field, `power_off` when it leaves.
    """

    def __init__(
        self,
        card: Callable[[bytes], bytes],
        *,
        power_on: Callable[[], None] | None = None,
        power_off: Callable[[], None] | None = None,
        atr: bytes = ATR_DESFIRE,
    ) -> None:
        self._card = card
        self._power_off = power_off
        self._open = True
        self.atr = atr
        if power_on is not None:
            power_on()

    def transmit(self, command: bytes, /) -> bytes:
        if not self._open:
            raise CardGone
        return self._card(command)

    def close(self) -> None:
        if self._open and self._power_off is not None:
            self._power_off()
        self._open = False
