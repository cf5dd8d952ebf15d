"""A town where everybody wants the same: few hot tickets, a small stock, shared purses.

It is set up once; every client then knows it by numbers alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.offering import Block, Category
from ledger.application import Cause
from ledger.bootstrap import Installation
from ledger.usecases import accounts, catalogue, media, parties
from ledger.vocabulary.ids import account_id
from ledger.vocabulary.money import Money
from tests.domain.examples import DISPENSER, HOUR, ISSUER, NOON, TERMINAL, TILL
from tests.usecases.foyer import MAKER, PocketCard

PEOPLE = tuple(UUID(int=n) for n in range(201, 205))
SHOP = UUID(int=211)
SHOW, CUPS, HOT = (UUID(int=n) for n in range(221, 224))
SLOTS = 6
"""So many tickets are handed about at a time; every third is a coupon."""

PRICE_MINOR = 1_000
USES = 3
AT = NOON + timedelta(minutes=1)
"""Time stands still: what runs out of time is another test's matter."""

_Machine = Literal["terminal", "dispenser", "point_of_sale", "personaliser"]
_MACHINES: tuple[tuple[_Machine, UUID], ...] = (
    ("terminal", TERMINAL),
    ("dispenser", DISPENSER),
    ("point_of_sale", TILL),
    ("personaliser", MAKER),
)

SETUP = Cause(actor="town")


def purse_of(party_id: UUID) -> UUID:
    return account_id(party_id, accounts.E_MONEY, "EUR")


def ticket_id(slot: int, generation: int) -> UUID:
    """Name the ticket that is handed about; a card tells tickets by 8 bytes."""
    return UUID(int=((slot + 1) << 24 | generation) << 96)


def is_coupon(slot: int) -> bool:
    return slot % 3 == 2


def set_up(installation: Installation, *, clients: int, places: int) -> int:
    """Make the town, `places` of them on sale; return the last position it took."""
    ledger = installation.ledger
    for party_id in (ISSUER, SHOP, *PEOPLE):
        parties.register(
            ledger,
            installation.personal,
            party_id=party_id,
            kind="person",
            name="x",
            contact=None,
            at=NOON,
            cause=SETUP,
        )
    for kind, device_id in _MACHINES:
        parties.enrol(
            ledger,
            device_id=device_id,
            kind=kind,
            keeper_id=SHOP,
            public_key="09" + "00" * 31,
            label=kind,
            at=NOON,
            cause=SETUP,
        )
    for number, party_id in enumerate(PEOPLE):
        accounts.top_up(
            ledger,
            entry_id=UUID(int=300 + number),
            party_id=party_id,
            amount=Money(8_000, "EUR"),
            reference="counter",
            at=NOON,
            # What is one commit is read as one by its command.
            cause=Cause(SETUP.actor, command=f"town/{number}"),
        )
    _open(installation, SHOW, "admission", places * 10)
    _open(installation, CUPS, "coupon", places * 10)
    _open(installation, HOT, "admission", places)
    for number in range(clients):
        media.register(
            ledger,
            device_id=MAKER,
            uid=uid_of(number),
            holder_id=holder_of(number),
            profile="desfire-8k",
            key_version=1,
            at=NOON,
            cause=SETUP,
        )
    return ledger.position()


def card_of(installation: Installation, client: int) -> PocketCard:
    uid = uid_of(client)
    keys = installation.cards.card_keys(uid)
    return PocketCard(uid, bytes.fromhex(keys["transaction_mac"]))


def uid_of(client: int) -> bytes:
    return (0x04 << 48 | client + 1).to_bytes(7)


def holder_of(client: int) -> UUID:
    return PEOPLE[client % len(PEOPLE)]


def _open(
    its: Installation,
    offering_id: UUID,
    kind: Literal["admission", "coupon"],
    places: int,
) -> None:
    catalogue.open_offering(
        its.ledger,
        offering_id=offering_id,
        issuer_id=ISSUER,
        title="The Tempest",
        kind=kind,
        currency="EUR",
        categories=[Category(None, PRICE_MINOR)],
        blocks=[Block(None, count=places)],
        sale_from=NOON - HOUR,
        sale_until=NOON + 24 * HOUR,
        valid_from=NOON - HOUR,
        valid_until=NOON + 48 * HOUR,
        purchase_limit=1_000_000,
        uses_limit=USES if kind == "coupon" else 1,
        question=None,
        terms=Terms(
            resale_cap_percent=110,
            royalty_percent=5,
            on_medium="exposure",
            sender_use="blocked",
        ),
        at=NOON,
        cause=SETUP,
    )
