"""What the options of `cardctl` have said, and the card that is meant by them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from card_bridge import signed_in
from card_bridge.folder.medium import laid
from card_bridge.http_gateway import HttpGateway
from card_bridge.line import credentials, gateway
from card_bridge.profile.card import TicketCard
from card_bridge.profile.medium import TicketMedium
from card_bridge.protocol.commands import Picc
from card_bridge.terminal import Holder, UserTerminal
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.transport.pcsc import reader_names, wait_for_card
from card_bridge.virtual import VirtualCard
from ledger_client import PersonSession, Token


class Context:
    """What the options of the group have said."""

    def __init__(self, **said: Any) -> None:
        self.server: str = said["server"]
        self.token: str = said["token"]
        self.home: Path = said["home"]
        self.reader: str | None = said["reader"]
        self.card_file: Path | None = said["card_file"]
        self.folder: Path | None = said["medium"]
        self.as_json: bool = said["as_json"]
        self.session: PersonSession | None = None
        """Who is signed in, once that is known."""

    def gateway(self, device_id: UUID | None = None) -> HttpGateway:
        """Return the line to the ledger, for a machine or for who is signed in."""
        return gateway(self.server, self._who(device_id))

    def _who(self, device_id: UUID | None) -> Token:
        if self.token:
            return self.token
        if device_id is not None:
            return credentials(self.home, self.server, device_id, program="cardctl")
        if self.session is None:
            self.session = signed_in.kept(self.home, self.server)
        if self.session is None:
            raise click.UsageError(
                "Sign in first: cardctl terminal sign-in NAME. Programs give a token"
                " with --token or CARD_TOKEN."
            )
        return self.session.headers

    def holder(self) -> Holder:
        return Holder(self.gateway())

    def terminal(self) -> UserTerminal:
        self.progress("Asking the ledger.")
        return UserTerminal.open(
            self.home, gateway=self.gateway(), label="user terminal"
        )

    @contextmanager
    def medium(self) -> Iterator[TicketMedium]:
        """Take the folder in hand that was named, or else the card."""
        if self.folder is not None:
            with laid(self.folder) as medium:
                yield medium
            return
        with self.card() as card:
            yield card

    @contextmanager
    def card(self) -> Iterator[TicketCard]:
        """Wait for the card in the reader, or open the card in software."""
        if self.card_file is not None:
            card = VirtualCard.load(self.card_file)
            with InProcessTransport(card.transmit, power_on=card.power_on) as lying:
                yield TicketCard(Picc(lying))
            return
        name = self.reader or next(iter(reader_names()), None)
        if name is None:
            raise click.ClickException("This machine has no card reader.")
        self.progress(f"Lay the card on {name}.")
        transport = wait_for_card(name)
        if transport is None:
            raise click.ClickException(f"No card was laid on {name}.")
        self.progress("The card is there; leave it until it is done.")
        with transport:
            yield TicketCard(Picc(transport), atr=transport.atr)

    def progress(self, sentence: str) -> None:
        """Say what is being done to a person who looks on."""
        if not self.as_json and sys.stderr.isatty():
            click.echo(sentence, err=True)

    def tell(self, facts: dict[str, Any], sentence: str) -> None:
        click.echo(json.dumps(facts, default=str) if self.as_json else sentence)
