"""What a person does at a user terminal, at home or in public, in terms of one card.

The terminal signs in with the person's own token; it keeps no ticket and no card key,
only its own key pair and the journal of writes that are not settled.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from card_bridge.bridge import CardBridge, InLine, Terminal
from card_bridge.gateway import Tapped
from card_bridge.http_gateway import HttpGateway
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle, KeysError, RemoteKeys
from card_bridge.profile.card import TicketCard
from ledger.vocabulary.sealed_ticket import TicketClaims

KEY_FILE = "terminal.key"
ID_FILE = "terminal.id"


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

    def tickets(self) -> list[dict[str, Any]]:
        """List the person's tickets, as the ledger has them."""
        return self.gateway.tickets()

    def download(self, ticket_id: UUID) -> TicketClaims:
        """Have a ticket sent here, open it, and check the issuer's signature."""
        terminal = self.bridge.terminal
        sent = self.gateway.transmission(ticket_id, terminal_id=terminal.terminal_id)
        signed = terminal.open(
            base64.b64decode(sent["sealed"]), ticket_id=ticket_id, epoch=sent["epoch"]
        )
        return terminal.claims(signed)

    def show(self, card: TicketCard) -> Tapped:
        return self.bridge.tap(card)

    def record(self, card: TicketCard, ticket_id: UUID) -> InLine:
        """Load a ticket onto the card, and bring the rest of it in line."""
        return self.bridge.bring_in_line(card, load=[ticket_id])

    def unload(self, card: TicketCard, ticket_id: UUID) -> InLine:
        """Take a ticket off the card; it is valid electronically again."""
        return self.bridge.bring_in_line(card, unload=[ticket_id])

    def sync(self, card: TicketCard) -> InLine:
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
    device_id = UUID(gateway.call("POST", "/v1/devices", body)["device_id"])
    path.write_text(f"{device_id}\n")
    return device_id
