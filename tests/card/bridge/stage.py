"""The ledger on a loopback socket, the people and machines of a tap, and their cards.

Nothing is made up but the plastic: the Flask application on PostgreSQL, `HttpGateway`
over TCP, the card in software. What the tests hold against each other is what the
ledger's streams say and what stands in the card's files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

from werkzeug.serving import WSGIRequestHandler, make_server

from card_bridge.bridge import CardBridge, Terminal
from card_bridge.gateway import LedgerGateway
from card_bridge.http_gateway import HttpGateway
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle, RemoteKeys
from card_bridge.point_of_sale import PointOfSale
from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, personalise
from card_bridge.protocol.commands import FRAME_PAYLOAD_MAX, Picc
from card_bridge.protocol.status import CardError
from card_bridge.reader import CardReader
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.files import DataFile, MacFile
from card_bridge.virtual.state import CardState
from ledger.aggregates.account import Entry
from ledger.aggregates.medium import Medium
from ledger.bootstrap import Installation
from ledger.usecases.card_purses import carried_by
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.device_keys import open_bundle
from ledger.vocabulary.medium_record import (
    APPLICATION_ID,
    SlotEntry,
    Stamp,
    decode_slots,
    digest,
)
from tests.api.callers import Caller, Callers, SetClock

EXCHANGES_MAX = 100
LEASE_OVER_S = 121
WIRE_AID = APPLICATION_ID[::-1]

Wrap = Callable[[Any], Any]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # One connection for all that a gateway asks.

    def log_request(self, *_: Any) -> None:
        """Keep what is asked out of the tests' output."""


@contextmanager
def served(application: Any) -> Iterator[str]:
    """Answer on a loopback port; yield the address."""
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=_Quiet
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    running = Thread(target=server.serve_forever, args=(0.05,))
    running.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        running.join()
        server.server_close()


@contextmanager
def laid(
    card: VirtualCard, *, frame_payload_max: int = FRAME_PAYLOAD_MAX
) -> Iterator[TicketCard]:
    """Lay a card on the reader, for one tap."""
    with InProcessTransport(card.transmit, power_on=card.power_on) as transport:
        yield TicketCard(Picc(transport, frame_payload_max=frame_payload_max))


@dataclass(slots=True)
class Stage:
    """One installation, and who comes before it."""

    its: Installation
    clock: SetClock
    callers: Callers
    url: str
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _machines: dict[str, Caller] = field(default_factory=dict)

    def gateway(self, caller: Caller) -> HttpGateway:
        return HttpGateway(self.url, caller.token or "")

    def machine(self, kind: str, role: Role) -> Caller:
        if kind not in self._machines:
            self._machines[kind] = self.callers.device(kind, role)
        return self._machines[kind]

    def journal(self) -> Journal:
        return Journal(self.folder / f"journal-{next(self._numbers)}")

    def keys_for(self, card: VirtualCard, holder: Caller) -> CardKeys:
        """Fetch one card's own keys, as the personalising desk does."""
        desk = self.machine("personaliser", Role.PERSONALISER)
        sealed = self.gateway(desk).personalisation(
            card.uid, holder_id=party(holder), profile=layout.PROFILE
        )
        assert desk.key is not None
        assert desk.device_id is not None
        return CardKeys.read(
            open_bundle(sealed, key=desk.key, device_id=desk.device_id)
        )

    def register(self, card: VirtualCard, holder: Caller, keys: CardKeys) -> None:
        desk = self.machine("personaliser", Role.PERSONALISER)
        self.gateway(desk).register_medium(
            card.uid,
            holder_id=party(holder),
            profile=layout.PROFILE,
            key_version=keys.version,
        )

    def card_of(self, holder: Caller, *, hide_uid: bool = False) -> VirtualCard:
        """Make a blank card a ticket card of somebody's."""
        card = VirtualCard.blank()
        keys = self.keys_for(card, holder)
        with laid(card) as lying:
            lying.find()
            personalise(lying, keys, hide_uid=hide_uid)
        self.register(card, holder, keys)
        return card

    def bridge_of(self, person: Caller, **parts: Any) -> CardBridge:
        """Return a person's terminal; `parts` may replace its gateway or journal."""
        device = self.callers.device("terminal", Role.TERMINAL, by=person)
        assert device.key is not None
        assert device.device_id is not None
        gateway: LedgerGateway = parts.get("gateway") or self.gateway(person)
        bundle = KeyBundle.fetch(
            gateway, device_id=device.device_id, key=DeviceKey(device.key)
        )
        return CardBridge(
            gateway,
            parts.get("journal") or self.journal(),
            RemoteKeys(gateway, terminal_id=device.device_id),
            Terminal(device.device_id, device.key, bundle.issuer_keys, bundle.origin),
        )

    def reader_of(
        self, kind: str, role: Role, *, wrapped: Wrap = lambda gateway: gateway
    ) -> tuple[CardReader, LedgerGateway]:
        device = self.machine(kind, role)
        gateway = wrapped(self.gateway(device))
        assert device.key is not None
        assert device.device_id is not None
        bundle = KeyBundle.fetch(
            gateway, device_id=device.device_id, key=DeviceKey(device.key)
        )
        return CardReader(gateway, bundle), gateway

    def till(
        self,
        *,
        wrapped: Wrap = lambda gateway: gateway,
        journal: Journal | None = None,
    ) -> PointOfSale:
        reader, gateway = self.reader_of("point_of_sale", Role.SHOP, wrapped=wrapped)
        return PointOfSale(gateway, reader, journal or self.journal())

    def ticket_of(self, buyer: Caller, **changes: Any) -> UUID:
        terms = {"giftable": True, "on_medium": "exposure"}
        return UUID(self.callers.ticket(buyer, **{"terms": terms} | changes))

    def coupon_of(self, buyer: Caller, *, uses: int) -> UUID:
        """A coupon that is valid whenever it is, for a till that asks its own clock."""
        return self.ticket_of(
            buyer,
            kind="coupon",
            price_minor=0,
            uses_limit=uses,
            places=["One coffee"],
            valid_from="2000-01-01T00:00:00Z",
            valid_until="2099-01-01T00:00:00Z",
        )

    def modify(self, ticket_id: UUID, right: str) -> None:
        done = self.callers.issuer.post(
            f"/v1/tickets/{ticket_id}/modifications", right=right, reason="moved"
        )
        assert done.status == 201, done.json

    def give(self, ticket_id: UUID, *, by: Caller, to: Caller) -> None:
        offers = f"/v1/tickets/{ticket_id}/gift-offers"
        offer = by.post(offers, to_party_id=str(to.party_id)).json
        path = f"{offers}/{offer['offer_id']}/acceptance"
        accepted = to.post(path, terms_hash=offer["terms_hash"])
        assert accepted.status == 200, accepted.json

    def medium(self, card: VirtualCard) -> Medium:
        return self.its.ledger.medium(card.uid)

    def position(self) -> int:
        return self.its.ledger.position()

    def require_agreed(self, card: VirtualCard) -> None:
        """Hold the ledger's stream against the card's files, and open every ticket."""
        medium, (stamp, slots) = self.medium(card), standing(card)
        assert medium.pending is None
        assert (medium.seq, medium.digest) == (stamp.seq, stamp.digest.hex())
        assert tuple(state.entry() for state in medium.slots) == slots
        reader, _ = self.reader_of("dispenser", Role.DISPENSER)
        with laid(card) as lying:
            presented = reader.present(lying)
            assert presented.tapped.verdict in (Verdict.FRESH, Verdict.AMBIGUOUS)
            for slot in presented.usable:
                claims, _ = reader.open_ticket(lying, presented, slot)
                ticket = self.its.ledger.ticket(slot.ticket_id)
                assert (claims.epoch, claims.right) == (ticket.epoch, ticket.right)
                assert ticket.form.is_at(card.uid.hex(), slot.slot)


def party(caller: Caller) -> UUID:
    assert caller.party_id is not None
    return caller.party_id


def standing(card: VirtualCard) -> tuple[Stamp, tuple[SlotEntry, ...]]:
    """Read stamp and slots in the card's memory, past its keys."""
    return Stamp.decode(content(card.snapshot(), layout.STAMP.number)), decode_slots(
        content(card.snapshot(), layout.SLOTS.number)
    )


def commits(card: VirtualCard) -> int:
    """Read the card's own count of its commits."""
    file = card.snapshot().applications[WIRE_AID].files[layout.PROOF_FILE]
    assert isinstance(file, MacFile)
    return file.tmc


def carried(stage: Stage, card: VirtualCard) -> int:
    """What the card should show, by all entries of the log."""
    ledger, name = stage.its.ledger, carried_by(card.uid.hex())
    made = ledger.recorder.select_notifications(1, 10_000, topics=[Entry.Made.TOPIC])
    entries = [ledger.find(Entry, each.originator_id) for each in made]
    return sum(
        posting.amount_minor
        for entry in entries
        if entry is not None
        for posting in entry.postings
        if posting.account == name
    )


def content(state: CardState, number: int) -> bytes:
    file = state.applications[WIRE_AID].files[number]
    assert isinstance(file, DataFile)
    return file.content


def with_content(state: CardState, number: int, raw: bytes) -> CardState:
    """Return a card with other bytes in one file, as an attacker would wish."""
    application = state.applications[WIRE_AID]
    file = application.files[number]
    assert isinstance(file, DataFile)
    changed = application.with_files({number: replace(file, content=raw)})
    return state.with_application(WIRE_AID, changed)


def require_old_or_new(card: VirtualCard, before: CardState) -> None:
    """A torn card shows all of its old state, or all of the next one."""
    after = card.snapshot()
    files = [file.number for file in layout.BACKUP_FILES]
    old = all(content(after, number) == content(before, number) for number in files)
    was = Stamp.decode(content(before, layout.STAMP.number))
    stamp, slots = standing(card)
    if old:
        return
    assert stamp.seq == was.seq + 1
    assert stamp.digest == digest(uid=card.uid, seq=stamp.seq, slots=slots)


@dataclass(frozen=True, slots=True)
class Tear:
    """One attempt: where it was to be torn, and the card before it."""

    exchange: int
    before: CardState


def every_tear(
    card: VirtualCard,
    attempt: Callable[[TicketCard], object],
    *,
    processed: bool,
) -> Iterator[Tear]:
    """Attempt it torn at its first exchange, its second, ... and once untorn.

    `processed`: the card has done what it was told and its answer is lost.
    """
    for exchange in range(EXCHANGES_MAX):
        before = card.snapshot()
        card.tear_after(exchange, processed=processed)
        try:
            with laid(card) as lying:
                attempt(lying)
        except CardError:
            yield Tear(exchange, before)
            continue
        card.tear_after(EXCHANGES_MAX**3)
        yield Tear(exchange, before)
        return
    raise AssertionError("the conversation does not end")
