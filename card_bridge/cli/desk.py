"""The commands of machines with an id of their own: personalising desk and till."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from card_bridge.cli.context import Context
from card_bridge.folder.medium import laid
from card_bridge.folder.prepare import FLASH_CARD, prepare
from card_bridge.folder.prepare import PROFILES as FOLDER_PROFILES
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle
from card_bridge.point_of_sale import PointOfSale
from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, personalise, uid_of_blank
from card_bridge.purse import PurseTill, TopUpDesk
from card_bridge.reader import CardReader
from card_bridge.signing import SigningKey
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.device_keys import open_bundle

KEY_FILE = "device.key"
PURSE_JOURNAL = "purse-journal"


@click.command("personalise")
@click.argument("device_id", type=click.UUID)
@click.argument("holder_id", type=click.UUID)
@click.option(
    "--as",
    "profile",
    type=click.Choice(FOLDER_PROFILES),
    help="What the folder of --medium is on: flash-card, unless said.",
)
@click.option(
    "--hide-uid",
    is_flag=True,
    help="Let the card show a random UID from now on. There is no way back.",
)
@click.pass_obj
def personalise_card(
    said: Context,
    device_id: UUID,
    holder_id: UUID,
    profile: str | None,
    *,
    hide_uid: bool,
) -> None:
    """Make the card on the reader a ticket card of a holder; may be run again.

    Or the flash card or disk that --medium names.
    """
    if said.folder is not None:
        if hide_uid:
            raise click.UsageError("--hide-uid is for a card.")
        _prepare_folder(said, said.folder, device_id, holder_id, profile or FLASH_CARD)
        return
    if profile is not None:
        raise click.UsageError("--as is for the folder that --medium names.")
    with said.card() as card:
        uid = uid_of_blank(card)
        keys = _keys_of(said, device_id, holder_id, uid, layout.PROFILE)
        personalise(card, keys, hide_uid=hide_uid)
    said.gateway(device_id).register_medium(
        uid, holder_id=holder_id, profile=layout.PROFILE, key_version=keys.version
    )
    said.tell({"uid": uid.hex()}, f"The card {uid.hex()} is a ticket card now.")


def _prepare_folder(
    said: Context, folder: Path, device_id: UUID, holder_id: UUID, profile: str
) -> None:
    def version_of(uid: bytes) -> int:
        return _keys_of(said, device_id, holder_id, uid, profile).version

    with laid(folder) as medium:
        version = prepare(medium, key_version_of=version_of)
        uid = medium.uid
    said.gateway(device_id).register_medium(
        uid, holder_id=holder_id, profile=profile, key_version=version
    )
    facts = {"uid": uid.hex(), "volume": medium.volume}
    said.tell(facts, f"{folder} is the ticket medium {uid.hex()} now.")


def _keys_of(
    said: Context, device_id: UUID, holder_id: UUID, uid: bytes, profile: str
) -> CardKeys:
    """Fetch one medium's own keys, sealed for this desk."""
    key = DeviceKey.at(said.home / KEY_FILE)
    gateway = said.gateway(device_id)
    sealed = gateway.personalisation(uid, holder_id=holder_id, profile=profile)
    return CardKeys.read(open_bundle(sealed, key=key.private, device_id=device_id))


@click.command()
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
    """Redeem a coupon from the card with a purchase, as a point of sale.

    After a failure run it again with the same receipt: a use is taken once.
    """
    coupons, purses = _tills(said, device_id)
    with said.medium() as card:
        if isinstance(card, TicketCard):
            purses.settle(card)  # Before the card's proof of it is overwritten.
        used = coupons.redeem(
            card,
            receipt=receipt,
            amount_minor=amount_minor,
            currency=currency,
            at=datetime.now(UTC),  # noqa: TID251 - a program reads the time.
            ticket_id=ticket_id,
        )
    said.tell(asdict(used), f"Redeemed: {used.right}. Uses left: {used.uses_left}.")


def _tills(said: Context, device_id: UUID) -> tuple[PointOfSale, PurseTill]:
    """Return the two sides of a point of sale: for coupons, and for purses."""
    gateway, key = said.gateway(device_id), DeviceKey.at(said.home / KEY_FILE)
    bundle = KeyBundle.fetch(gateway, device_id=device_id, key=key)
    reader = CardReader(gateway, bundle)
    return (
        PointOfSale(gateway, reader, Journal(said.home / "journal")),
        PurseTill(gateway, reader, Journal(said.home / PURSE_JOURNAL)),
    )


@click.command()
@click.argument("device_id", type=click.UUID)
@click.option("--receipt", required=True, help="The shop's own number of the purchase.")
@click.option("--amount-minor", type=click.IntRange(min=1), required=True)
@click.pass_obj
def pay(said: Context, device_id: UUID, receipt: str, amount_minor: int) -> None:
    """Take a purchase's price from the purse on the card, as a point of sale.

    After a failure run it again with the same receipt: it is taken once.
    """
    coupons, purses = _tills(said, device_id)
    with said.card() as card:
        coupons.settle(card)  # Before the card's proof of it is overwritten.
        paid = purses.pay(card, amount_minor=amount_minor, receipt=receipt)
    said.tell(asdict(paid), f"Paid: {paid.amount_minor} minor units.")


@click.command("top-up")
@click.argument("device_id", type=click.UUID)
@click.argument("holder_id", type=click.UUID)
@click.option("--receipt", required=True, help="The desk's own number of the top-up.")
@click.option("--amount-minor", type=click.IntRange(min=1), required=True)
@click.pass_obj
def top_up(
    said: Context, device_id: UUID, holder_id: UUID, receipt: str, amount_minor: int
) -> None:
    """Put money of the holder's account into the purse on the card.

    After a failure run it again with the same receipt: it is put in once.
    """
    with said.card() as card:
        uid = uid_of_blank(card)
        keys = _keys_of(said, device_id, holder_id, uid, layout.PROFILE)
        desk = TopUpDesk(
            said.gateway(device_id), keys, Journal(said.home / PURSE_JOURNAL)
        )
        done = desk.top_up(card, amount_minor=amount_minor, receipt=receipt)
    said.tell(asdict(done), f"Topped up by {done.amount_minor} minor units.")


@click.command("device-key")
@click.pass_obj
def device_key(said: Context) -> None:
    """Print this machine's public key, for the centre to enrol; made if missing."""
    public = DeviceKey.at(said.home / KEY_FILE).public_hex
    said.tell({"public_key": public}, public)


@click.command("signing-key")
@click.pass_obj
def signing_key(said: Context) -> None:
    """Print the key that this machine signs who it is with; made if missing.

    It is the body of POST /v1/devices/{id}/signing-keys. Then no token is needed.
    """
    told = {"jwk": SigningKey.made(said.home).jwk}
    said.tell(told, json.dumps(told))


@click.command("blank-card")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--virtual", is_flag=True, required=True, help="It is one in software.")
@click.pass_obj
def blank_card(said: Context, path: Path, *, virtual: bool) -> None:
    """Make a blank card in software, kept in a file."""
    if not virtual or path.exists():
        raise click.UsageError("Name a new file, and say --virtual.")
    card = VirtualCard.blank(path=path)
    said.tell({"uid": card.uid.hex()}, f"A blank card {card.uid.hex()} is in {path}.")
