"""Cards with tickets on them, as many as benchmarks need, in one installation.

The events are those of a sale, a card's making and a recording; they are decided by the
aggregates and recorded by the ledger, many streams in one commit to save time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket import ETicket, Terms
from ledger.aggregates.medium import Change, Medium, SlotState
from ledger.aggregates.offering import Block, Category, Offering
from ledger.application import Cause
from ledger.bootstrap import Installation, open_installation
from ledger.log.snapshots import EVENTS_BETWEEN
from ledger.projections.registry import NAMES
from ledger.projections.runner import Runner
from ledger.settings import Settings
from ledger.usecases import parties
from ledger.vocabulary.codes import Role
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import SlotStatus, encode_slots
from tests.api.cards import Card
from tests.benchmarks.frame import Place, database

OFFERINGS = 24
PLACES = 100  # Of each offering, all of them sold.
EVENTS_LONG, EVENTS_SHORT = 1_000, 10
SCHEMA = "bench_town"
CATCH_UP_S = 120.0
CAUSE = Cause(actor="benchmark")
_TOKEN_S = 3_600
_HOUR = timedelta(hours=1)
_KEY_VERSION = 1


@dataclass(frozen=True, slots=True)
class Held:
    """A card in somebody's hand, and the one ticket on it, in slot 0."""

    card: Card
    ticket_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class Town:
    settings: Settings
    installation: Installation
    cards: tuple[Held, ...]
    dispenser_token: str
    long_ticket: UUID
    short_ticket: UUID

    def catch_up(self) -> None:
        """Wait until all views have taken in all events."""
        ledger = self.installation.ledger
        runner, position = Runner(ledger), ledger.position()
        for name in NAMES:
            reached = runner.wait_for(name, position, CATCH_UP_S)
            assert reached >= position, f"{name} stays behind at {reached}"


def town(place: Place) -> Town:
    """Make the town; no runner of the views is started here."""
    settings = Settings(
        database_url=place.once(database),
        schema=SCHEMA,
        home=place.folder / "home",
    )
    place.tell("filling an installation")
    its = place.enter(open_installation(settings))
    at = datetime.now(UTC)
    holder, issuer, terminal, dispenser = (uuid4() for _ in range(4))
    parties.register(
        its.ledger,
        its.personal,
        party_id=holder,
        kind="person",
        name="Somebody",
        contact=None,
        at=at,
        cause=CAUSE,
    )
    parties.enrol(
        its.ledger,
        device_id=dispenser,
        kind="dispenser",
        keeper_id=issuer,
        public_key="09" * 32,
        label="Foyer",
        at=at,
        cause=CAUSE,
    )
    uids = (b"\x04" + number.to_bytes(6) for number in itertools.count(1))
    cards = [
        held
        for _ in range(OFFERINGS)
        for held in _sold_out(its, uids, holder, issuer, terminal, at)
    ]
    token, _ = its.tokens.issue(
        party_id=None,
        device_id=dispenser,
        roles=[Role.DISPENSER],
        lifetime_s=_TOKEN_S,
        at=at,
    )
    return Town(
        settings,
        its,
        tuple(cards),
        token,
        _told_about(its, holder, issuer, EVENTS_LONG, at),
        _told_about(its, holder, issuer, EVENTS_SHORT, at),
    )


def _sold_out(
    its: Installation,
    uids: Iterator[bytes],
    holder: UUID,
    issuer: UUID,
    terminal: UUID,
    at: datetime,
) -> list[Held]:
    """One offering, each of its tickets on a card of its own."""
    offering = _offering(issuer, PLACES, at)
    its.ledger.record(offering, cause=CAUSE)
    recorded: list[Recorded] = [offering]
    cards = []
    for number, uid in enumerate(itertools.islice(uids, PLACES)):
        order_id, ticket_id = uuid4(), uuid4()
        ticket = _ticket(ticket_id, order_id, offering, holder, _seat(number), at)
        medium, card = _written(its, uid, ticket, holder, terminal, at)
        recorded += [ticket, medium]
        cards.append(Held(card, ticket_id, ticket.epoch))
    its.ledger.record(*recorded, cause=CAUSE)
    return cards


def _seat(number: int) -> str:
    return f"Row {1 + number // 20} seat {1 + number % 20}"


def _offering(issuer: UUID, places: int, at: datetime) -> Offering:
    return Offering.open(
        offering_id=uuid4(),
        issuer_id=issuer,
        title="The Tempest",
        kind="admission",
        currency="EUR",
        categories=[Category(None, 40_00)],
        blocks=[Block(None, tuple(_seat(n) for n in range(places)))],
        sale_from=at - _HOUR,
        sale_until=at + 24 * _HOUR,
        valid_from=at - _HOUR,
        valid_until=at + 48 * _HOUR,
        purchase_limit=places,
        uses_limit=1,
        question=None,
        terms=Terms(),
        at=at,
    )


def _ticket(
    ticket_id: UUID,
    order_id: UUID,
    offering: Offering,
    holder: UUID,
    right: str,
    at: datetime,
) -> ETicket:
    return ETicket.issue(
        ticket_id=ticket_id,
        order_id=order_id,
        offering_id=offering.id,
        issuer_id=offering.issuer_id,
        owner_id=holder,
        kind=offering.kind,
        title=offering.title,
        right=right,
        not_before=offering.valid_from,
        not_after=offering.valid_until,
        price_minor=offering.price.amount_minor,
        currency=offering.price.currency,
        uses_limit=1,
        terms=offering.terms,
        question=None,
        check_sealed=None,
        at=at,
    )


def _written(
    its: Installation,
    uid: bytes,
    ticket: ETicket,
    holder: UUID,
    terminal: UUID,
    at: datetime,
) -> tuple[Medium, Card]:
    """Make a card and write the ticket on it, in the ledger's eyes and in its own."""
    medium = Medium.personalise(
        medium_id=medium_id(uid),
        uid=uid.hex(),
        holder_id=holder,
        profile="desfire-8k",
        key_version=_KEY_VERSION,
        at=at,
    )
    write_id, slot = uuid4(), 0
    ticket.prepare_write(
        write_id=write_id, medium_uid=uid.hex(), slot=slot, seq=1, by=holder, at=at
    )
    state = SlotState(int(SlotStatus.LIVE), ticket.epoch, ticket.uses.left, ticket.id)
    stamp = medium.prepare_write(
        write_id=write_id,
        changes=[Change(slot, state, body=True)],
        device_id=terminal,
        at=at,
    )
    medium.confirm_write(
        write_id=write_id, transaction_counter=1, transaction_mac="00" * 8, at=at
    )
    ticket.confirm_write(
        write_id=write_id, medium_uid=uid.hex(), slot=slot, epoch=state.epoch, at=at
    )
    keys = its.cards.card_keys(uid)
    card = Card(
        uid=uid,
        keys=keys["keys"],
        tm_key=bytes.fromhex(keys["transaction_mac"]),
        stamp=stamp.encode(),
        slots=encode_slots([each.entry() for each in medium.slots]),
        tmc=1,
    )
    return medium, card


def _told_about(
    its: Installation, holder: UUID, issuer: UUID, events: int, at: datetime
) -> UUID:
    """A ticket with so many events: offered as a gift and withdrawn, over and over.

    If they are many, the last snapshot of it is as old as one can be.
    """
    offering = _offering(issuer, 1, at)
    ticket = _ticket(uuid4(), uuid4(), offering, holder, "Row 1 seat 1", at)
    its.ledger.record(offering, cause=CAUSE)
    while ticket.version < events:
        if ticket.version == events - EVENTS_BETWEEN + 1:
            its.ledger.record(ticket, cause=CAUSE)
            its.ledger.ticket(ticket.id)
        offer_id = uuid4()
        ticket.offer_gift(
            offer_id=offer_id, by=holder, to=issuer, until=at + _HOUR, at=at
        )
        if ticket.version < events:
            ticket.withdraw_gift(offer_id=offer_id, by=holder, at=at)
    its.ledger.record(ticket, cause=CAUSE)
    return ticket.id
