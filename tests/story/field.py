"""Where a card lies: in a reader behind a real PC/SC daemon, or in this process.

Both carry the same APDUs to the same card in software.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from card_bridge.transport.base import Transport
from card_bridge.transport.daemon import DaemonUnavailable, PrivateDaemon
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.transport.pcsc import wait_for_card
from card_bridge.transport.vpcd import OnTheReader
from card_bridge.virtual import VirtualCard


@dataclass(frozen=True, slots=True)
class Presented:
    """How another program finds the card: its options and its environment."""

    options: tuple[str, ...]
    environment: Mapping[str, str]


class Field(Protocol):
    """A reader's field."""

    says: str

    def transport(self, card: VirtualCard) -> AbstractContextManager[Transport]:
        """Lay a card in the field, for this program."""

    def presented(
        self, card: VirtualCard, path: Path
    ) -> AbstractContextManager[Presented]:
        """Lay a card in the field, for another program; `path` is its file."""


class InProcess:
    """No daemon: the card is handed over as it is."""

    says = "in this process (no PC/SC daemon can run here)"

    @contextmanager
    def transport(self, card: VirtualCard) -> Iterator[Transport]:
        with InProcessTransport(card.transmit, power_on=card.power_on) as transport:
            yield transport

    @contextmanager
    def presented(self, card: VirtualCard, path: Path) -> Iterator[Presented]:
        """Hand the card over as a file, and take it back as it is then."""
        VirtualCard(card.snapshot(), path=path)
        yield Presented(("--card-file", str(path), "--virtual"), {})
        card.restore(VirtualCard.load(path).snapshot())


class PcscReader:
    """A reader of a real pcscd, whose driver asks the card in software."""

    says = "in a reader of a real PC/SC daemon"

    def __init__(self, daemon: PrivateDaemon) -> None:
        self._daemon = daemon

    @contextmanager
    def transport(self, card: VirtualCard) -> Iterator[Transport]:
        with OnTheReader(card, port=self._daemon.port):
            transport = wait_for_card(self._daemon.reader)
            assert transport is not None
            with transport:
                yield transport

    @contextmanager
    def presented(self, card: VirtualCard, path: Path) -> Iterator[Presented]:
        with OnTheReader(card, port=self._daemon.port):
            options = ("--reader", self._daemon.reader)
            yield Presented(options, self._daemon.environment)


@contextmanager
def best_field() -> Iterator[Field]:
    """Start a PC/SC daemon of our own where one can run; else do without."""
    with ExitStack() as stack:
        field: Field = InProcess()
        with suppress(DaemonUnavailable):
            field = PcscReader(stack.enter_context(PrivateDaemon()))
        yield field
