"""The card side of vsmartcard's vpcd: a card in software behind a real PC/SC stack.

vpcd is a reader driver of pcscd that speaks to its card by TCP: each message is a
2-byte big-endian length and that many bytes. One byte 00, 01, 02, 04 is power off,
power on, reset, "your ATR?" (only that is answered); anything else is a command.
"""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Protocol, Self

from card_bridge.protocol.status import CardGone

PORT_DEFAULT = 35963
CONNECT_TIMEOUT_S = 5.0
_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = b"\x00", b"\x01", b"\x02", b"\x04"
_LENGTH_BYTES = 2
# pcscd looks every 0.4 s whether a card is there. One that follows another between two
# looks, as no hand can do it, leaves pcscd believing that the reader is empty.
AWAY_S = 0.5
_left_at: dict[tuple[str, int], float] = {}


class Card(Protocol):
    """What can be laid on the reader."""

    @property
    def atr(self) -> bytes: ...

    def transmit(self, command: bytes, /) -> bytes: ...

    def power_on(self) -> None: ...

    def power_off(self) -> None: ...

    def reset(self) -> None: ...


class OnTheReader:
    """A card lies on the reader as long as the `with` lasts."""

    def __init__(
        self, card: Card, *, port: int = PORT_DEFAULT, host: str = "127.0.0.1"
    ) -> None:
        self._card = card
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        left = _left_at.get(self._address, -AWAY_S)
        time.sleep(max(0.0, left + AWAY_S - time.monotonic()))
        self._socket = socket.create_connection(self._address, CONNECT_TIMEOUT_S)
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(
            target=self._serve, args=(self._socket,), name="vpcd-card", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the card away."""
        if self._socket is not None and self._thread is not None:
            with contextlib.suppress(OSError):  # The driver was quicker.
                self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._socket.close()

    def _serve(self, connection: socket.socket) -> None:
        """Answer until the driver or the card goes away."""
        try:
            while (message := _receive(connection)) is not None:
                answer = self._answer(message)
                if answer is not None:
                    connection.sendall(len(answer).to_bytes(_LENGTH_BYTES) + answer)
        except CardGone:  # Torn out of the field: the driver must see it leave.
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The driver is gone, and the reader with it.
        finally:
            _left_at[self._address] = time.monotonic()
            self._card.power_off()

    def _answer(self, message: bytes) -> bytes | None:
        if message == _GET_ATR:
            return self._card.atr
        if message == _POWER_OFF:
            self._card.power_off()
        elif message == _POWER_ON:
            self._card.power_on()
        elif message == _RESET:
            self._card.reset()
        else:
            return self._card.transmit(message)
        return None


def _receive(connection: socket.socket) -> bytes | None:
    header = _exactly(connection, _LENGTH_BYTES)
    return None if header is None else _exactly(connection, int.from_bytes(header))


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            return None
        data += part
        # Linux falls back to delayed acknowledgements: 40 ms an exchange if not asked
        # again each time. Other systems do not know the option.
        if hasattr(socket, "TCP_QUICKACK"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return data
