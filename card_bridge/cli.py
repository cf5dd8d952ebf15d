"""`cardctl`: the user terminal, the till and the personalising desk on a command line.

One sentence and exit code 1 for whatever does not work; no traceback for a person.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable
from card_bridge.http_gateway import HttpGateway
from card_bridge.journal import Journal, JournalDamaged
from card_bridge.keys import DeviceKey, KeyBundle, KeysError
from card_bridge.point_of_sale import NotRedeemed, PointOfSale
from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, WrongCard, personalise
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardError
from card_bridge.reader import CardReader
from card_bridge.terminal import UserTerminal
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.transport.pcsc import (
    PcscUnavailable,
    ReaderMissing,
    reader_names,
    wait_for_card,
)
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.store import CardFileDamaged
from ledger.vocabulary.device_keys import open_bundle
from ledger.vocabulary.medium_record import MalformedRecord
from ledger.vocabulary.sealed_ticket import SealBroken

FAILED = 1
_SAID_IN_A_SENTENCE = (
    CardError,
    CardFileDamaged,
    JournalDamaged,
    KeysError,
    LedgerRefusal,
    LedgerUnreachable,
    MalformedRecord,
    NotRedeemed,
    PcscUnavailable,
    ReaderMissing,
    SealBroken,
    WrongCard,
)


class Context:
    """What the options of the group have said."""

    def __init__(self, **said: Any) -> None:
        self.server: str = said["server"]
        self.token: str = said["token"]
        self.home: Path = said["home"]
        self.reader: str | None = said["reader"]
        self.card_file: Path | None = said["card_file"]
        self.as_json: bool = said["as_json"]

    def gateway(self) -> HttpGateway:
        if not self.token:
            raise click.UsageError("Give a token with --token or CARD_TOKEN.")
        return HttpGateway(self.server, self.token)

    def terminal(self) -> UserTerminal:
        return UserTerminal.open(
            self.home, gateway=self.gateway(), label="user terminal"
        )

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
        transport = wait_for_card(name)
        if transport is None:
            raise click.ClickException(f"No card was laid on {name}.")
        with transport:
            yield TicketCard(Picc(transport))

    def tell(self, facts: dict[str, Any], sentence: str) -> None:
        click.echo(json.dumps(facts, default=str) if self.as_json else sentence)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", envvar="CARD_SERVER", default="http://127.0.0.1:8470")
@click.option("--token", envvar="CARD_TOKEN", default="", help="A bearer token.")
@click.option(
    "--home",
    envvar="CARD_HOME",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".terminal"),
    help="Where this machine keeps its key and its journal.",
)
@click.option("--reader", help="A PC/SC reader's name; the first one, unless said.")
@click.option(
    "--card-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A card in software, in this file. Needs --virtual.",
)
@click.option("--virtual", is_flag=True, help="Yes, a card in software is meant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def cardctl(context: click.Context, /, *, virtual: bool, **said: Any) -> None:
    """Bring tickets onto cards, and keep cards in line with the ledger."""
    if said["card_file"] is not None and not virtual:
        raise click.UsageError("--card-file is a card in software: say --virtual, too.")
    context.obj = Context(**said)


@cardctl.command()
@click.pass_obj
def readers(said: Context) -> None:
    """List the PC/SC readers of this machine."""
    for name in reader_names():
        said.tell({"reader": name}, name)


@cardctl.command("blank-card")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--virtual", is_flag=True, required=True, help="It is one in software.")
@click.pass_obj
def blank_card(said: Context, path: Path, *, virtual: bool) -> None:
    """Make a blank card in software, kept in a file."""
    if not virtual or path.exists():
        raise click.UsageError("Name a new file, and say --virtual.")
    card = VirtualCard.blank(path=path)
    said.tell({"uid": card.uid.hex()}, f"A blank card {card.uid.hex()} is in {path}.")


@cardctl.group()
def terminal() -> None:
    """The user terminal: at home, or in public."""


@terminal.command()
@click.pass_obj
def tickets(said: Context) -> None:
    """List the tickets of who is signed in."""
    for ticket in said.terminal().tickets():
        where = ticket["form"]["kind"].replace("_", " ")
        sentence = f"{ticket['ticket_id']}  {ticket['title']}, {ticket['right']}"
        said.tell(ticket, f"{sentence}  ({ticket['life'].lower()}, {where})")


@terminal.command()
@click.argument("ticket_id", type=click.UUID)
@click.pass_obj
def download(said: Context, ticket_id: UUID) -> None:
    """Have a ticket sent here sealed, open it, and show it."""
    claims = said.terminal().download(ticket_id)
    facts = {
        "ticket_id": claims.ticket_id,
        "epoch": claims.epoch,
        "right": claims.right,
        "not_before": claims.not_before.isoformat(),
        "not_after": claims.not_after.isoformat(),
    }
    said.tell(facts, f"{claims.right}, signed by its issuer, at epoch {claims.epoch}.")


@terminal.command()
@click.argument("ticket_id", type=click.UUID)
@click.pass_obj
def record(said: Context, ticket_id: UUID) -> None:
    """Record a ticket on the card."""
    with said.card() as card:
        done = said.terminal().record(card, ticket_id)
    _told_of(said, done.write is not None, "The ticket is on the card.")


@terminal.command()
@click.argument("ticket_id", type=click.UUID)
@click.pass_obj
def unload(said: Context, ticket_id: UUID) -> None:
    """Take a ticket off the card."""
    with said.card() as card:
        done = said.terminal().unload(card, ticket_id)
    _told_of(said, done.write is not None, "The ticket is off the card.")


@terminal.command()
@click.pass_obj
def sync(said: Context) -> None:
    """Bring the card in line with the ledger."""
    with said.card() as card:
        done = said.terminal().sync(card)
    _told_of(said, done.write is not None, "The card is in line.")


@terminal.command("show-card")
@click.pass_obj
def show_card(said: Context) -> None:
    """Read the card and say what the ledger thinks of it."""
    with said.card() as card:
        tapped = said.terminal().show(card)
    said.tell(asdict(tapped), f"{tapped.verdict}: {tapped.says}")
    for slot in () if said.as_json else tapped.slots:
        click.echo(f"  slot {slot.slot}: {slot.title}, {slot.right}. {slot.says}")


@cardctl.command("personalise")
@click.argument("device_id", type=click.UUID)
@click.argument("holder_id", type=click.UUID)
@click.pass_obj
def personalise_card(said: Context, device_id: UUID, holder_id: UUID) -> None:
    """Make the card on the reader a ticket card of a holder; may be run again."""
    gateway, key = said.gateway(), DeviceKey.at(said.home / "device.key")
    with said.card() as card:
        uid = card.find()
        sealed = gateway.personalisation(
            uid, holder_id=holder_id, profile=layout.PROFILE
        )
        plain = open_bundle(sealed, key=key.private, device_id=device_id)
        keys = CardKeys.read(plain)
        personalise(card, keys)
    gateway.register_medium(
        uid, holder_id=holder_id, profile=layout.PROFILE, key_version=keys.version
    )
    said.tell({"uid": uid.hex()}, f"The card {uid.hex()} is a ticket card now.")


@cardctl.command()
@click.argument("device_id", type=click.UUID)
@click.option("--receipt", required=True, help="The shop's own number of the purchase.")
@click.option("--amount-minor", type=click.IntRange(min=0), required=True)
@click.option("--currency", required=True, help="ISO 4217, such as EUR.")
@click.option(
    "--ticket", "ticket_id", type=click.UUID, help="Which coupon, if several."
)
@click.pass_obj
def redeem(
    said: Context,
    device_id: UUID,
    receipt: str,
    amount_minor: int,
    currency: str,
    ticket_id: UUID | None,
) -> None:
    """Redeem a coupon from the card with a purchase, as a point of sale."""
    gateway, key = said.gateway(), DeviceKey.at(said.home / "device.key")
    bundle = KeyBundle.fetch(gateway, device_id=device_id, key=key)
    till = PointOfSale(
        gateway, CardReader(gateway, bundle), Journal(said.home / "journal")
    )
    with said.card() as card:
        used = till.redeem(
            card,
            receipt=receipt,
            amount_minor=amount_minor,
            currency=currency,
            at=datetime.now(UTC),
            ticket_id=ticket_id,
        )
    said.tell(asdict(used), f"Redeemed: {used.right}. Uses left: {used.uses_left}.")


@cardctl.command("device-key")
@click.pass_obj
def device_key(said: Context) -> None:
    """Print this machine's public key, for the centre to enrol; made if missing."""
    public = DeviceKey.at(said.home / "device.key").public_hex
    said.tell({"public_key": public}, public)


def _told_of(said: Context, written: bool, sentence: str) -> None:  # noqa: FBT001
    done = sentence if written else "There was nothing to write."
    said.tell({"written": written}, done)


def main() -> None:
    """Run `cardctl`."""
    try:
        cardctl(prog_name="cardctl")
    except _SAID_IN_A_SENTENCE as error:
        code = getattr(error, "code", "incomplete")
        click.echo(f"{error} ({code})", err=True)
        sys.exit(FAILED)
