"""What a person does at a user terminal, at home or in public, in terms of one card.

The terminal signs in with the person's own token; it keeps no ticket and no card key,
only its own key pair and the journal of writes that are not settled.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from card_bridge.bridge import CardBridge, InLine, Terminal
from card_bridge.gateway import Tapped
from card_bridge.http_gateway import HttpGateway, understood
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle, KeysError, RemoteKeys
from card_bridge.profile.medium import TicketMedium
from ledger.vocabulary.sealed_ticket import TicketClaims

KEY_FILE = "terminal.key"
ID_FILE = "terminal.id"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holder:
    """A person signed in: their tickets, and to whom they go.

    What moves a ticket is asked once. If no answer comes, look at the tickets, the
    notices or the offer before it is asked again.
    """

    gateway: HttpGateway

    def tickets(self) -> list[Json]:
        """List the person's tickets, as the ledger has them."""
        return self.gateway.tickets()

    def notices(self) -> list[Json]:
        """List what the person is told, oldest first."""
        answer = self.gateway.call("GET", "/v1/me/notices")
        notices: list[Json] = _with(answer, "notices")["notices"]
        return notices

    def offer_gift(self, ticket_id: UUID, *, to: UUID) -> Json:
        """Return offer_id, until and terms_hash."""
        made = self.gateway.call("POST", _gifts(ticket_id), {"to_party_id": str(to)})
        return _with(made, "offer_id", "until", "terms_hash")

    def gift(self, ticket_id: UUID, offer_id: UUID) -> Json:
        """Return title, right, terms_hash, until and state of an offer."""
        path = f"{_gifts(ticket_id)}/{offer_id}"
        answer = self.gateway.call("GET", path)
        return _with(answer, "title", "right", "terms_hash", "until", "state")

    def accept_gift(
        self, ticket_id: UUID, offer_id: UUID, *, terms_hash: str, answer: str | None
    ) -> Json:
        """Accept exactly what was seen; return the ticket's epoch from now on."""
        body = {"terms_hash": terms_hash} | _answered(answer)
        path = f"{_gifts(ticket_id)}/{offer_id}/acceptance"
        return _with(self.gateway.call("POST", path, body), "epoch")

    def decline_gift(self, ticket_id: UUID, offer_id: UUID) -> Json:
        return self.gateway.call("POST", f"{_gifts(ticket_id)}/{offer_id}/decline")

    def withdraw_gift(self, ticket_id: UUID, offer_id: UUID) -> Json:
        return self.gateway.call("POST", f"{_gifts(ticket_id)}/{offer_id}/withdrawal")

    def list_ticket(
        self, ticket_id: UUID, *, price_minor: int, to: UUID | None
    ) -> Json:
        """List for resale; return listing_id and cap_minor, the highest price."""
        body: Json = {"price_minor": price_minor}
        if to is not None:
            body["to_party_id"] = str(to)
        listed = self.gateway.call("POST", _listings(ticket_id), body)
        return _with(listed, "listing_id", "cap_minor")

    def unlist(self, ticket_id: UUID, listing_id: UUID) -> None:
        self.gateway.call("DELETE", f"{_listings(ticket_id)}/{listing_id}")

    def buy(self, ticket_id: UUID, listing_id: UUID, *, answer: str | None) -> Json:
        """Buy with e-money; return sale_id, entry_id and split."""
        path = f"{_listings(ticket_id)}/{listing_id}/purchase"
        sold = self.gateway.call("POST", path, _answered(answer))
        return _with(sold, "sale_id", "entry_id", "split")


@dataclass(frozen=True, slots=True)
class UserTerminal:
    """One enrolled terminal with a person signed in."""

    gateway: HttpGateway
    bridge: CardBridge

    @classmethod
    def open(cls, folder: Path, *, gateway: HttpGateway, label: str) -> UserTerminal:
        """Use the terminal kept in a folder; enrol it there the first time."""
        key = DeviceKey.at(folder / KEY_FILE)
        device_id = _enrolled(folder, gateway, key, label)
        bundle = KeyBundle.fetch(gateway, device_id=device_id, key=key)
        terminal = Terminal(device_id, key.private, bundle.issuer_keys, bundle.origin)
        remote = RemoteKeys(gateway, terminal_id=device_id)
        journal = Journal(folder / "journal")
        return cls(gateway, CardBridge(gateway, journal, remote, terminal))

    def download(self, ticket_id: UUID) -> TicketClaims:
        """Have a ticket sent here, open it, and check the issuer's signature."""
        terminal = self.bridge.terminal
        sent = self.gateway.transmission(ticket_id, terminal_id=terminal.terminal_id)
        sealed, epoch = understood(
            sent, lambda said: (base64.b64decode(said["sealed"]), int(said["epoch"]))
        )
        signed = terminal.open(sealed, ticket_id=ticket_id, epoch=epoch)
        return terminal.claims(signed)

    def show(self, card: TicketMedium) -> Tapped:
        return self.bridge.tap(card)

    def record(self, card: TicketMedium, ticket_id: UUID) -> InLine:
        """Load a ticket onto the card, and bring the rest of it in line."""
        return self.bridge.bring_in_line(card, load=[ticket_id])

    def unload(self, card: TicketMedium, ticket_id: UUID) -> InLine:
        """Take a ticket off the card; it is valid electronically again."""
        return self.bridge.bring_in_line(card, unload=[ticket_id])

    def sync(self, card: TicketMedium) -> InLine:
        """Bring the card in line with the ledger."""
        return self.bridge.bring_in_line(card)


def _enrolled(folder: Path, gateway: HttpGateway, key: DeviceKey, label: str) -> UUID:
    path = folder / ID_FILE
    try:
        return UUID(path.read_text().strip())
    except FileNotFoundError:
        pass
    except ValueError:
        raise KeysError(f"{path} does not hold a terminal's id.") from None
    body = {"kind": "terminal", "public_key": key.public_hex, "label": label}
    answer = gateway.call("POST", "/v1/devices", body)
    device_id = understood(answer, lambda said: UUID(said["device_id"]))
    # Whole or not at all: half an id would be a terminal that never works again.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with draft.open("w") as file:
        file.write(f"{device_id}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return device_id


def _gifts(ticket_id: UUID) -> str:
    return f"/v1/tickets/{ticket_id}/gift-offers"


def _listings(ticket_id: UUID) -> str:
    return f"/v1/tickets/{ticket_id}/listings"


def _answered(answer: str | None) -> Json:
    return {} if answer is None else {"answer": answer}


def _with(answer: Json, *names: str) -> Json:
    """Take what is needed from an answer that has all of it."""
    return understood(answer, lambda said: {name: said[name] for name in names})
