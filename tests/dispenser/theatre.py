"""A theatre with one dispenser, its visitors with their cards, and the real ledger.

The ledger answers over a socket; the cards are in software and speak APDUs; the
machine's folders are real. What breaks, breaks at a seam that `Watched` looks after.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from card_bridge.bridge import CardBridge, Terminal
from card_bridge.http_gateway import HttpGateway
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle, RemoteKeys
from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, personalise
from card_bridge.protocol.commands import Picc
from card_bridge.reader import CardReader
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.virtual import VirtualCard
from dispenser.hardware import escpos, pdf
from dispenser.hardware.display import KeptDisplay
from dispenser.hardware.keyboard import AnswersKeyboard
from dispenser.hardware.printer import FilePrinter, Printers
from dispenser.machine import State
from dispenser.outbox import Outbox, Stage
from dispenser.station import Station, Visit
from dispenser.stock import PaperStock
from ledger.aggregates.e_ticket import ETicket
from ledger.bootstrap import Installation
from ledger.vocabulary.codes import Role
from ledger.vocabulary.device_keys import open_bundle
from tests.api.callers import Caller, Callers, SetClock

ANSWER = "12/03/1990"  # Bought with 12.03.1990: punctuation does not count.
DATE_OF_BIRTH = 1
LEASE_S = 91
PAPERS = 50
ROUNDS_MAX = 4

Burn = Callable[[str], None]


class Watched:
    """Passes every call on, and says so before and after it: `burn` may raise."""

    def __init__(self, target: Any, burn: Burn, name: str) -> None:
        self._target, self._burn, self._name = target, burn, name

    def __getattr__(self, called: str) -> Any:
        method = getattr(self._target, called)
        name = f"{self._name}.{called}"

        def call(*args: Any, **named: Any) -> Any:
            self._burn(f"before {name}")
            answer = method(*args, **named)
            self._burn(f"after {name}")
            return answer

        return call


def nothing_burns(_: str) -> None:
    """Let every call pass."""


@dataclass(slots=True)
class Theatre:
    its: Installation
    clock: SetClock
    callers: Callers
    url: str
    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    devices: dict[str, Caller] = field(default_factory=dict)

    def device(self, kind: str, role: Role) -> Caller:
        if kind not in self.devices:
            self.devices[kind] = self.callers.device(kind, role)
        return self.devices[kind]

    def gateway(self, caller: Caller) -> HttpGateway:
        return HttpGateway(self.url, caller.token or "")

    def position(self) -> int:
        return self.its.ledger.position()

    def ticket(self, ticket_id: UUID) -> ETicket:
        return self.its.ledger.ticket(ticket_id)

    def visitor(self, *offerings: dict[str, Any]) -> Visitor:
        """Let somebody buy a ticket of each offering and record them on a card."""
        buyer = self.callers.person(Role.BUYER)
        card = VirtualCard.blank()
        keys = self._personalised(card, buyer)
        tickets = [
            UUID(self.callers.ticket(buyer, **changes)) for changes in offerings or [{}]
        ]
        key = DeviceKey.at(self.folder / f"terminal-{next(self.numbers)}.key")
        made = buyer.post(
            "/v1/devices", kind="terminal", public_key=key.public_hex, label="home"
        )
        terminal_id = UUID(made.json["device_id"])
        gateway = self.gateway(buyer)
        bundle = KeyBundle.fetch(gateway, device_id=terminal_id, key=key)
        bridge = CardBridge(
            gateway,
            Journal(self.folder / f"terminal-{next(self.numbers)}"),
            RemoteKeys(gateway, terminal_id=terminal_id),
            Terminal(terminal_id, key.private, bundle.issuer_keys, bundle.origin),
        )
        visitor = Visitor(buyer, card, keys, tickets, bridge)
        with visitor.lays_card() as laid:
            bridge.bring_in_line(laid, load=tickets)
        return visitor

    def machine(self) -> Machine:
        device = self.device("dispenser", Role.DISPENSER)
        prefix = f"T{next(self.numbers)}"  # A serial is one machine's, for ever.
        return Machine(self, self.folder / f"machine-{prefix}", device, prefix)

    def _personalised(self, card: VirtualCard, holder: Caller) -> CardKeys:
        maker = self.device("personaliser", Role.PERSONALISER)
        gateway = self.gateway(maker)
        assert maker.key is not None
        assert maker.device_id is not None
        assert holder.party_id is not None
        sealed = gateway.personalisation(
            card.uid, holder_id=holder.party_id, profile=layout.PROFILE
        )
        keys = CardKeys.read(
            open_bundle(sealed, key=maker.key, device_id=maker.device_id)
        )
        with laid(card) as blank:
            blank.find()
            personalise(blank, keys)
        gateway.register_medium(
            card.uid,
            holder_id=holder.party_id,
            profile=layout.PROFILE,
            key_version=keys.version,
        )
        return keys


@dataclass(slots=True)
class Visitor:
    """Somebody with tickets on a card, and a terminal at home."""

    caller: Caller
    card: VirtualCard
    keys: CardKeys
    tickets: list[UUID]
    bridge: CardBridge

    @contextmanager
    def lays_card(self) -> Iterator[TicketCard]:
        with laid(self.card) as lying:
            yield lying

    def goes_home(self) -> None:
        """Tap the card at the terminal: whatever is out of line is mended."""
        with self.lays_card() as lying:
            self.bridge.bring_in_line(lying)


@dataclass(slots=True)
class Machine:
    """One dispenser's folders; each station made on them is a program's start."""

    theatre: Theatre
    folder: Path
    device: Caller
    prefix: str
    display: KeptDisplay = field(default_factory=KeptDisplay)
    bundle: KeyBundle | None = None

    @property
    def stock(self) -> PaperStock:
        return PaperStock(self.folder / "stock.json")

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.folder / "outbox")

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "journal")

    @property
    def screens(self) -> list[str]:
        return ["\n".join(lines) for lines in self.display.screens]

    def papers(self) -> set[str]:
        """Return the serials that came out."""
        return {path.stem for path in (self.folder / "papers").glob("*.*")}

    def station(
        self,
        *,
        burn: Burn = nothing_burns,
        answers: Iterable[str] = (ANSWER,),
        gateway: Any = None,
    ) -> Station:
        if not (self.folder / "stock.json").exists():
            self.stock.add(PAPERS, prefix=self.prefix)
        line = gateway or self.theatre.gateway(self.device)
        if self.bundle is None:
            assert self.device.key is not None
            assert self.device.device_id is not None
            self.bundle = KeyBundle.fetch(
                line,
                device_id=self.device.device_id,
                key=DeviceKey(self.device.key),
            )

        def watched(target: Any, name: str) -> Any:
            return Watched(target, burn, name)

        line = watched(line, "ledger")
        papers = self.folder / "papers"
        page = FilePrinter(papers, suffix=".pdf", render=pdf.render)
        roll = FilePrinter(papers, suffix=".escpos", render=escpos.render)
        return Station(
            gateway=line,
            reader=CardReader(line, self.bundle),
            journal=watched(self.journal, "journal"),
            outbox=watched(self.outbox, "outbox"),
            stock=watched(self.stock, "stock"),
            printer=Printers([watched(page, "page"), watched(roll, "roll")]),
            display=watched(self.display, "display"),
            keyboard=watched(AnswersKeyboard(answers), "keyboard"),
            clock=self.theatre.clock.now,
        )

    def serve(self, visitor: Visitor, station: Station | None = None) -> Visit:
        """Start, settle what is left, and serve one visitor."""
        station = station or self.station()
        for job in station.recover():
            # A person looks: is there a paper with this number?
            assert job.stage == Stage.PRINTING
            found = job.serial in self.papers()
            assert station.resolve(UUID(job.job_id), printed=found)
        with visitor.lays_card() as lying:
            return station.present(lying)

    def serve_to_the_end(self, visitor: Visitor) -> None:
        """Let a visitor come again, by way of home, until there is a ticket."""
        for _ in range(ROUNDS_MAX):
            visit = self.serve(visitor)
            if visit.state == State.DONE or visit.code == "already_dispensed":
                return
            assert visit.state == State.REFUSED, visit
            self.theatre.clock.passes(seconds=LEASE_S)
            visitor.goes_home()
        raise AssertionError(f"never served: {visit.code}, {visit.says}")

    def require_dispensed_once(self, visitor: Visitor) -> None:
        """One paper, one serial, one story: on paper, disk and card, and in the log."""
        (ticket_id,) = visitor.tickets
        ticket = self.theatre.ticket(ticket_id)
        (serial,) = self.papers()
        assert (str(ticket.life), ticket.form.serial) == ("DISPENSED", serial)
        assert list(self.outbox.jobs()) == []
        again = self.serve(visitor)
        assert (again.state, again.code) == (State.REFUSED, "already_dispensed")
        assert self.papers() == {serial}

    def require_given_back(self, visitor: Visitor) -> None:
        """No paper, no lock, and, by way of home, a ticket that is dispensed."""
        assert self.papers() == set()
        assert list(self.outbox.jobs()) == []
        (ticket_id,) = visitor.tickets
        ticket = self.theatre.ticket(ticket_id)
        assert (str(ticket.life), str(ticket.lock.kind)) == ("OWNED", "NONE")
        visitor.goes_home()
        assert self.serve(visitor).state == State.DONE
        self.require_dispensed_once(visitor)


@contextmanager
def laid(card: VirtualCard) -> Iterator[TicketCard]:
    """Lay a card on the reader, for one tap."""
    with InProcessTransport(card.transmit, power_on=card.power_on) as transport:
        yield TicketCard(Picc(transport))
