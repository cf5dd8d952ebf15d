"""Everybody and everything in the story: people, machines, cards, and the ledger.

All of it is real but the plastic: the ledger is `ledgerctl serve` over PostgreSQL, the
machines are enrolled devices, and the cards speak APDUs.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from card_bridge.bridge import CardBridge, Terminal
from card_bridge.http_gateway import HttpGateway
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle, RemoteKeys
from card_bridge.point_of_sale import PointOfSale
from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, personalise
from card_bridge.protocol.commands import Picc
from card_bridge.reader import CardReader
from card_bridge.signing import SigningKey
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.device_keys import open_bundle
from ledger_client import PersonSession, sign_in
from tests.story.door import Door
from tests.story.field import Field
from tests.story.server import Server

TOKEN_S = 24 * 3600
CURRENCY = "EUR"


@dataclass(slots=True)
class Person:
    """A party with a token of its own at the door."""

    name: str
    party_id: UUID
    door: Door


@dataclass(slots=True)
class Device:
    """An enrolled machine, its key pair and its line to the ledger."""

    device_id: UUID
    key: DeviceKey
    gateway: HttpGateway


@dataclass(slots=True)
class World:
    """The story's stage. `folder` keeps what was made."""

    folder: Path
    server: Server
    field: Field
    operator: Person
    people: dict[str, Person] = dataclasses.field(default_factory=dict)
    terminals: dict[str, Device] = dataclasses.field(default_factory=dict)
    cards: dict[str, VirtualCard] = dataclasses.field(default_factory=dict)
    machines: dict[str, Device] = dataclasses.field(default_factory=dict)
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)
    done: set[int] = dataclasses.field(default_factory=set)

    def person(self, name: str, *roles: str) -> Person:
        """Register somebody once, with a token that bears these roles."""
        if name not in self.people:
            kind = "organisation" if "issuer" in roles else "person"
            made = self.operator.door.post("/v1/parties", kind=kind, name=name)
            party_id = UUID(made["party_id"])
            token = self._token(roles or ("buyer",), party_id=party_id)
            door = Door(self.server.url, token)
            self.people[name] = Person(name, party_id, door)
        return self.people[name]

    def rich(self, name: str, amount_minor: int) -> Person:
        """Register a buyer who has paid e-money in at the centre's counter."""
        person = self.person(name)
        self.operator.door.post(
            "/v1/accounts/top-ups",
            party_id=str(person.party_id),
            amount_minor=amount_minor,
            currency=CURRENCY,
            reference="counter 1",
        )
        return person

    def purse(self, person: Person) -> int:
        """Return what a person has, after all that was done so far."""
        path = "/v1/me/accounts"
        accounts = person.door.get(path, after=self.position())["accounts"]
        return sum(each["balance_minor"] for each in accounts)

    def position(self) -> int:
        """Return the log's last position."""
        self.operator.door.get("/v1/me")
        return max(
            self.operator.door.position,
            *(person.door.position for person in self.people.values()),
        )

    def terminal_of(self, person: Person) -> Device:
        """Enrol a person's own user terminal, at home."""
        if person.name not in self.terminals:
            key = DeviceKey.at(self.keys_of(person.name.lower()) / "terminal.key")
            made = person.door.post(
                "/v1/devices",
                kind="terminal",
                public_key=key.public_hex,
                label=f"{person.name}'s computer",
            )
            gateway = HttpGateway(self.server.url, self._signed_in(person).headers)
            device_id = UUID(made["device_id"])
            self.terminals[person.name] = Device(device_id, key, gateway)
        return self.terminals[person.name]

    def machine(self, kind: str) -> Device:
        """Enrol a dispenser, a point of sale or a personalising machine, which signs
        who it is."""
        if kind not in self.machines:
            key = DeviceKey.at(self.keys_of(kind) / "device.key")
            made = self.operator.door.post(
                "/v1/devices", kind=kind, public_key=key.public_hex, label=f"the {kind}"
            )
            device_id = UUID(made["device_id"])
            signing = SigningKey.made(self.keys_of(kind))
            path = f"/v1/devices/{device_id}/signing-keys"
            self.operator.door.post(path, jwk=signing.jwk)
            who = signing.credentials(self.server.url, device_id)
            gateway = HttpGateway(self.server.url, who)
            self.machines[kind] = Device(device_id, key, gateway)
        return self.machines[kind]

    def card_of(self, person: Person) -> VirtualCard:
        """Make a blank card a person's own: personalised and registered, empty."""
        if person.name not in self.cards:
            path = self.folder / "cards" / f"{person.name.lower()}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            card = VirtualCard.blank(path=path)
            maker = self.machine("personaliser")
            sealed = maker.gateway.personalisation(
                card.uid, holder_id=person.party_id, profile=layout.PROFILE
            )
            plain = open_bundle(
                sealed, key=maker.key.private, device_id=maker.device_id
            )
            keys = CardKeys.read(plain)
            with self.laid(card) as laid:
                laid.find()
                personalise(laid, keys)
            maker.gateway.register_medium(
                card.uid,
                holder_id=person.party_id,
                profile=layout.PROFILE,
                key_version=keys.version,
            )
            self.cards[person.name] = card
        return self.cards[person.name]

    @contextmanager
    def laid(self, card: VirtualCard) -> Iterator[TicketCard]:
        """Lay a card on the reader, for one tap."""
        with self.field.transport(card) as transport:
            yield TicketCard(Picc(transport))

    def bridge_of(self, person: Person) -> CardBridge:
        """Return the program of a person's terminal."""
        device = self.terminal_of(person)
        bundle = KeyBundle.fetch(
            device.gateway, device_id=device.device_id, key=device.key
        )
        return CardBridge(
            device.gateway,
            Journal(self.folder / "journals" / person.name.lower()),
            RemoteKeys(device.gateway, terminal_id=device.device_id),
            Terminal(
                device.device_id, device.key.private, bundle.issuer_keys, bundle.origin
            ),
        )

    def till(self) -> tuple[PointOfSale, CardReader]:
        """Return the shop's point of sale and its reader."""
        device = self.machine("point_of_sale")
        reader = self.reader_of(device)
        journal = Journal(self.folder / "journals" / "till")
        return PointOfSale(device.gateway, reader, journal), reader

    def reader_of(self, device: Device) -> CardReader:
        bundle = KeyBundle.fetch(
            device.gateway, device_id=device.device_id, key=device.key
        )
        return CardReader(device.gateway, bundle)

    def keys_of(self, name: str) -> Path:
        """Return the folder in which a machine or a terminal keeps its keys."""
        return self.folder / "keys" / name

    def _signed_in(self, person: Person) -> PersonSession:
        """Open an account for a person, who signs in at a terminal."""
        invited = self.operator.door.post(
            "/v1/invitations", party_id=str(person.party_id), roles=["buyer"]
        )
        name, password = f"{person.name.lower()}@example.org", secrets.token_urlsafe()
        Door(self.server.url).post(
            "/v1/sign-ups",
            invitation=invited["invitation"],
            login_name=name,
            password=password,
        )
        return sign_in(self.server.url, name, password)

    def _token(self, roles: tuple[str, ...], **whom: UUID) -> str:
        body = {name: str(value) for name, value in whom.items()}
        made = self.operator.door.post(
            "/v1/tokens", roles=list(roles), lifetime_s=TOKEN_S, **body
        )
        return str(made["token"])


@contextmanager
def open_world(folder: Path, *, field: Field, **settings: str) -> Iterator[World]:
    """Start the ledger in a folder and let its operator in."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(folder / "ledger", settings=settings))
        issued = server.ctl(
            "token", "issue", "--role", "operator", "--role", "auditor",
            "--new-party", "Transaction centre", "--json",
        )  # fmt: skip
        if issued.returncode:
            raise AssertionError(issued.stderr)
        said = json.loads(issued.stdout)
        door = Door(server.url, said["token"])
        party_id = UUID(door.get("/v1/me")["party_id"])
        operator = Person("Transaction centre", party_id, door)
        yield World(folder=folder, server=server, field=field, operator=operator)


def in_hours(hours: float) -> str:
    """Return a moment from now, as the door wants it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
