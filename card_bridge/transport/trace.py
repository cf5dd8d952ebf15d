"""The conversation with a card, kept for whoever looks for a fault: without secrets."""

from dataclasses import dataclass

from card_bridge.transport.base import Closing, Transport

HEADER_LENGTH = 5  # CLA INS P1 P2 Lc.
STATUS_LENGTH = 2
TRACE_MAX = 1_000  # Exchanges kept; the count goes on.


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer as text; `..` stands for a byte not shown."""

    command: str
    answer: str


class TracedTransport(Closing):
    """Wraps a transport. Data are masked unless `show_data` is asked for."""

    def __init__(self, inner: Transport, *, show_data: bool = False) -> None:
        self._inner = inner
        self._show_data = show_data
        self.exchanges: list[Exchange] = []
        self.count = 0
        self.bytes_out = 0
        self.bytes_in = 0

    @property
    def atr(self) -> bytes:
        return self._inner.atr

    def transmit(self, command: bytes, /) -> bytes:
        self.count += 1
        self.bytes_out += len(command)
        shown = self._shown(command, head=HEADER_LENGTH, tail=0)
        try:
            answer = self._inner.transmit(command)
        except Exception as error:
            self._keep(Exchange(shown, type(error).__name__))
            raise
        self.bytes_in += len(answer)
        self._keep(Exchange(shown, self._shown(answer, head=0, tail=STATUS_LENGTH)))
        return answer

    def close(self) -> None:
        self._inner.close()

    def _keep(self, exchange: Exchange) -> None:
        if len(self.exchanges) < TRACE_MAX:
            self.exchanges.append(exchange)

    def _shown(self, raw: bytes, *, head: int, tail: int) -> str:
        if self._show_data or len(raw) <= head + tail:
            return raw.hex(" ")
        masked = [".."] * (len(raw) - head - tail)
        start, end = raw[:head], raw[len(raw) - tail :]
        texts = [f"{b:02x}" for b in start], masked, [f"{b:02x}" for b in end]
        return " ".join(text for part in texts for text in part)
