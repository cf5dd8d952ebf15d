"""The nine steps. Each asserts what it tells, at the door, on the card, on paper.

A step may be run alone: what it needs of the others is then done first, silently.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from card_bridge.point_of_sale import NotRedeemed, Receipt
from ledger.vocabulary.codes import Question, Verdict
from ledger.vocabulary.medium_record import SlotStatus
from tests.story import dispensing
from tests.story.door import Refused
from tests.story.telling import Tell, silently
from tests.story.world import CURRENCY, Person, World, in_hours

PRICE_MINOR = 4_500
ANSWER = "17 Rose Lane, AB1 2CD"


@dataclass(frozen=True, slots=True)
class Step:
    number: int
    title: str
    needs: tuple[int, ...]
    run: Callable[[World, Tell], None]


STEPS: dict[int, Step] = {}


def step(number: int, title: str, *needs: int) -> Callable[..., Callable[..., None]]:
    def register(run: Callable[[World, Tell], None]) -> Callable[[World, Tell], None]:
        STEPS[number] = Step(number, title, needs, run)
        return run

    return register


def run(world: World, number: int, tell: Tell) -> None:
    """Run one step, after the steps it stands on."""
    for needed in STEPS[number].needs:
        ensure(world, needed)
    STEPS[number].run(world, tell)
    world.done.add(number)


def ensure(world: World, number: int) -> None:
    if number not in world.done:
        run(world, number, silently)


@step(1, "An issuer opens an offering; a buyer reserves a place and buys it")
def reserve_and_buy(world: World, tell: Tell) -> None:
    theatre = world.person("Globe Theatre", "issuer")
    ada = world.rich("Ada", 10_000)
    offering = theatre.door.post(
        "/v1/offerings",
        title="The Tempest",
        kind="admission",
        currency=CURRENCY,
        price_minor=PRICE_MINOR,
        places=[f"Row {row} Seat {seat}" for row in "ABCD" for seat in range(1, 6)],
        sale_from=in_hours(-1),
        sale_until=in_hours(24),
        valid_from=in_hours(-1),
        valid_until=in_hours(48),
        purchase_limit=4,
        question=int(Question.POSTCODE),
        terms={
            "giftable": True,
            "resellable": True,
            "resale_cap_percent": 110,
            "royalty_percent": 5,
            # A sender's card is not asked for first: it becomes stale instead.
            "on_medium": "exposure",
        },
    )
    path = f"/v1/offerings/{offering['offering_id']}"
    tell("Globe Theatre offers “The Tempest”: 20 places at 45.00 EUR.")
    order = ada.door.post("/v1/orders", offering_id=offering["offering_id"])
    stock = ada.door.get(path)
    assert (stock["available"], stock["held"], stock["sold"]) == (19, 1, 0)
    tell(f"Ada reserves {order['place']}: 19 places are left, 1 is held for her.")
    bought = ada.door.post(
        f"/v1/orders/{order['order_id']}/payment", tender="e-money", answer=ANSWER
    )
    stock = ada.door.get(path)
    assert (stock["available"], stock["held"], stock["sold"]) == (19, 0, 1)
    ticket_path = f"/v1/tickets/{bought['ticket_id']}"
    ticket = ada.door.get(ticket_path)
    assert (ticket["owner_id"], ticket["epoch"]) == (str(ada.party_id), 1)
    assert world.purse(ada) == 10_000 - PRICE_MINOR
    history = ada.door.get(f"{ticket_path}/history")["events"]
    assert [line["event"] for line in history] == ["Issued"]
    tell("She pays in e-money. [green]Issued[/green] makes her the owner, at epoch 1.")
    world.notes |= {"ticket": UUID(bought["ticket_id"]), "place": order["place"]}


@step(2, "Sealed to her terminal, opened, sealed again, recorded on her card", 1)
def record(world: World, tell: Tell) -> None:
    ada, ticket_id = world.people["Ada"], world.notes["ticket"]
    terminal = world.terminal_of(ada)
    sent = terminal.gateway.transmission(ticket_id, terminal_id=terminal.device_id)
    sealed = base64.b64decode(sent["sealed"])
    bridge = world.bridge_of(ada)
    opened = bridge.terminal.open(sealed, ticket_id=ticket_id, epoch=sent["epoch"])
    claims = bridge.terminal.claims(opened)
    assert claims.right == world.notes["place"]
    assert claims.right.encode() not in sealed
    tell(
        f"The ticket arrives as {len(sealed)} sealed bytes; only her terminal opens it,"
        " and finds the issuer's signature."
    )
    card = world.card_of(ada)
    tell(
        f"A blank card, {card.uid.hex()}, is personalised; it lies {world.field.says}."
    )
    with world.laid(card) as laid:
        done = bridge.bring_in_line(laid, load=[ticket_id])
        cost = laid.picc.exchanges
    assert done.write is not None
    ticket = ada.door.get(f"/v1/tickets/{ticket_id}")
    assert ticket["form"]["kind"] == "on_medium"
    assert (ticket["form"]["medium_uid"], ticket["epoch"]) == (card.uid.hex(), 2)
    with world.laid(card) as laid:
        tapped = bridge.tap(laid)
    assert tapped.verdict == Verdict.FRESH
    tell(
        f"Sealed again for this card and slot {ticket['form']['slot']}, written in"
        f" {cost.count} exchanges, committed, and proven by the card's own MAC."
    )
    tell("[green]WrittenToMedium[/green]: epoch 2, the card is FRESH.")


@step(3, "She gives it to a friend, through the transaction centre", 2)
def give(world: World, tell: Tell) -> None:
    ada, ben = world.people["Ada"], world.person("Ben")
    ticket_id = world.notes["ticket"]
    offers = f"/v1/tickets/{ticket_id}/gift-offers"
    offer = ada.door.post(offers, to_party_id=str(ben.party_id))
    notices = ben.door.get("/v1/me/notices", after=ada.door.position)["notices"]
    assert [notice["kind"] for notice in notices] == ["gift_offered"]
    tell("Ben is notified: [green]GiftOffered[/green]. Until he accepts it is Ada's.")
    seen = ben.door.get(f"{offers}/{offer['offer_id']}")
    ben.door.post(
        f"{offers}/{offer['offer_id']}/acceptance",
        terms_hash=seen["terms_hash"],
        answer=ANSWER,
    )
    ticket = ben.door.get(f"/v1/tickets/{ticket_id}")
    assert (ticket["owner_id"], ticket["epoch"]) == (str(ben.party_id), 3)
    tell("He accepts: [green]GiftAccepted[/green], epoch 3. Ada's card is stale now.")
    with world.laid(world.cards["Ada"]) as laid:
        bridge = world.bridge_of(ada)
        assert bridge.tap(laid).verdict == Verdict.STALE
    with world.laid(world.cards["Ada"]) as laid:
        bridge.bring_in_line(laid)
    with world.laid(world.cards["Ada"]) as laid:
        assert bridge.tap(laid).slots == ()
    tell("The first card is tapped: its slot is cleared.")
    _record_on_own_card(world, ben, epoch=4)
    tell("The second card is recorded, at epoch 4.")


@step(4, "The friend resells it: money and title move in one commit", 3)
def resell(world: World, tell: Tell) -> None:
    ben, cleo = world.people["Ben"], world.rich("Cleo", 20_000)
    ticket_id = world.notes["ticket"]
    listings = f"/v1/tickets/{ticket_id}/listings"
    with pytest.raises(Refused, match="cap"):
        ben.door.post(listings, price_minor=PRICE_MINOR * 2)
    tell("Ben asks for twice the price: refused, the cap is 49.50 EUR.")
    listing = ben.door.post(listings, price_minor=4_800, to_party_id=str(cleo.party_id))
    before = world.purse(ben), world.purse(cleo)
    sale = cleo.door.post(f"{listings}/{listing['listing_id']}/purchase", answer=ANSWER)
    after = world.purse(ben), world.purse(cleo)
    assert (after[0] - before[0], after[1] - before[1]) == (4_560, -4_800)
    assert sale["split"] == {"seller_minor": 4_560, "royalty_minor": 240}
    ticket = cleo.door.get(f"/v1/tickets/{ticket_id}")
    assert ticket["owner_id"] == str(cleo.party_id)
    events = cleo.door.get(f"/v1/tickets/{ticket_id}/history")["events"]
    assert events[-1]["event"] == "Resold"
    tell(
        "Cleo pays 48.00 EUR: 45.60 to Ben, 2.40 to the theatre, and the title to her:"
        " [green]Resold[/green], one commit."
    )
    _record_on_own_card(world, cleo, epoch=ticket["epoch"] + 1)
    with world.laid(world.cards["Ben"]) as laid:
        assert world.bridge_of(ben).tap(laid).verdict == Verdict.STALE
    tell("The third card is recorded; Ben's card is stale.")


@step(5, "The issuer changes the seat: the card is stale until it is refreshed", 4)
def modify(world: World, tell: Tell) -> None:
    theatre, cleo = world.people["Globe Theatre"], world.people["Cleo"]
    ticket_id, card = world.notes["ticket"], world.cards["Cleo"]
    theatre.door.post(
        f"/v1/tickets/{ticket_id}/modifications",
        right="Row A Seat 9",
        reason="the stage was extended",
    )
    tell("The theatre moves her to Row A Seat 9: [green]Modified[/green].")
    refused = dispensing.present(world, card, answer=ANSWER)
    assert refused.code == "medium_stale"
    tell(f"The dispenser refuses: [yellow]{refused.says}[/yellow]")
    with world.laid(card) as laid:
        world.bridge_of(cleo).bring_in_line(laid)
    with world.laid(card) as laid:
        tapped = world.bridge_of(cleo).tap(laid)
    assert (tapped.verdict, tapped.slots[0].right) == (Verdict.FRESH, "Row A Seat 9")
    tell("A tap at her terminal refreshes the card: FRESH, Row A Seat 9.")


@step(6, "At the dispenser: compared, asked, printed once, and refused again", 5)
def dispense(world: World, tell: Tell) -> None:
    cleo, ticket_id = world.people["Cleo"], world.notes["ticket"]
    card = world.cards["Cleo"]
    wrong = dispensing.present(world, card, answer="somewhere else")
    assert wrong.code == "name_mismatch"
    tell(f"A wrong answer: [yellow]{wrong.says}[/yellow]")
    printed = dispensing.present(world, card, answer=ANSWER)
    assert printed.serial is not None
    tell("The card is read, its UID compared, the postcode asked and compared.")
    ticket = cleo.door.get(f"/v1/tickets/{ticket_id}")
    assert (ticket["life"], ticket["form"]["serial"]) == ("DISPENSED", printed.serial)
    papers = [path for path in printed.files if path.stat().st_size]
    assert {path.suffix for path in papers} >= {".pdf", ".escpos"}
    tell(
        f"Printed as {printed.serial} with the code {printed.print_code}:"
        " [green]Dispensed[/green]."
    )
    for path in papers:
        tell(f"[dim]{path.relative_to(world.folder)}[/dim]")
    with world.laid(card) as laid:
        laid.find()
        reading = world.reader_of(world.machine("dispenser")).present(laid)
    entry = reading.reading.entries()[reading.tapped.slots[0].slot]
    assert entry.status == SlotStatus.DISPENSED
    tell("The card's slot says DISPENSED; it was marked before the printer moved.")
    again = dispensing.present(world, card, answer=ANSWER)
    assert again.code == "already_dispensed"
    tell(f"Presented again: [yellow]{again.says}[/yellow]")


@step(7, "A copy on another card is a clone; an old image put back is a rollback", 2)
def attack(world: World, tell: Tell) -> None:
    dora = world.rich("Dora", 10_000)
    ticket_id = _buy_another(world, dora)
    _record_on_own_card(world, dora, ticket_id=ticket_id, epoch=2)
    genuine = world.cards["Dora"]
    thief = world.person("Mallory")
    other = world.card_of(thief)
    other.copy_contents_from(genuine)
    cloned = dispensing.present(world, other, answer=ANSWER)
    assert (cloned.code, cloned.verdict) == ("clone", Verdict.CLONE)
    tell(
        f"Every byte of {genuine.uid.hex()} copied to {other.uid.hex()}:"
        f" [red]{cloned.verdict}[/red]. [yellow]{cloned.says}[/yellow]"
    )
    image = genuine.snapshot()
    world.people["Globe Theatre"].door.post(
        f"/v1/tickets/{ticket_id}/modifications",
        right="Row B Seat 9",
        reason="the stage was extended",
    )
    with world.laid(genuine) as laid:
        world.bridge_of(dora).bring_in_line(laid)
    genuine.restore(image)
    rolled = dispensing.present(world, genuine, answer=ANSWER)
    assert (rolled.code, rolled.verdict) == ("rollback", Verdict.ROLLBACK)
    tell(
        f"An old image put back, counters and all: [red]{rolled.verdict}[/red]."
        f" [yellow]{rolled.says}[/yellow]"
    )
    door = world.operator.door
    status = door.get(f"/v1/media/{genuine.uid.hex()}", after=world.position())[
        "status"
    ]
    assert status == "SUSPECT"
    tell("The card is SUSPECT now; what it showed is kept. Dora still owns her ticket.")
    owner = dora.door.get(f"/v1/tickets/{ticket_id}")["owner_id"]
    assert owner == str(dora.party_id)


@step(
    8, "An e-coupon is downloaded, redeemed at a till, and refused the second time", 1
)
def coupon(world: World, tell: Tell) -> None:
    theatre, eve = world.people["Globe Theatre"], world.person("Eve")
    offering = theatre.door.post(
        "/v1/offerings",
        title="Interval drink",
        kind="coupon",
        currency=CURRENCY,
        price_minor=0,
        places=[f"One drink, no. {number}" for number in range(1, 4)],
        sale_from=in_hours(-1),
        sale_until=in_hours(24),
        valid_from=in_hours(-1),
        valid_until=in_hours(48),
        purchase_limit=1,
        uses_limit=1,
        terms={},
    )
    order = eve.door.post("/v1/orders", offering_id=offering["offering_id"])
    bought = eve.door.post(f"/v1/orders/{order['order_id']}/payment", tender="e-money")
    ticket_id = UUID(bought["ticket_id"])
    _record_on_own_card(world, eve, ticket_id=ticket_id, epoch=2)
    card = world.cards["Eve"]
    tell(f"Eve asks for the coupon “{order['place']}” and downloads it onto her card.")
    till, _ = world.till()

    def redeem(receipt: str) -> Receipt:
        with world.laid(card) as laid:
            return till.redeem(
                laid,
                receipt=receipt,
                amount_minor=890,
                currency=CURRENCY,
                at=datetime.now(UTC),
            )

    receipt = redeem("till-1/0001")
    assert (receipt.ticket_id, receipt.uses_left) == (ticket_id, 0)
    ticket = eve.door.get(f"/v1/tickets/{ticket_id}")
    assert (ticket["life"], ticket["uses"]["redeemed"]) == ("SPENT", 1)
    tell("Redeemed with a purchase of 8.90 EUR: [green]CouponRedeemed[/green].")
    with pytest.raises(NotRedeemed) as refused:
        redeem("till-1/0002")
    assert refused.value.code == "already_used"
    tell(f"The second time: [yellow]{refused.value}[/yellow]")


@step(9, "An auditor replays the history, and finds one flipped byte", 6, 7, 8)
def audit(world: World, tell: Tell) -> None:
    ticket_id, server = world.notes["ticket"], world.server
    owners = world.operator.door.get(
        f"/v1/tickets/{ticket_id}/owners", after=world.position()
    )["owners"]
    names = {str(person.party_id): name for name, person in world.people.items()}
    told = [(names[line["owner_id"]], line["event"]) for line in owners]
    assert told == [("Ada", "Issued"), ("Ben", "GiftAccepted"), ("Cleo", "Resold")]
    for name, event in told:
        tell(f"{name:<5} owned it by [green]{event}[/green]")
    replayed = server.ctl("audit", "owners", str(ticket_id), "--json")
    assert replayed.returncode == 0, replayed.stderr
    assert [json.loads(line)["owner_id"] for line in replayed.stdout.splitlines()] == [
        line["owner_id"] for line in owners
    ]
    export = world.folder / "log.jsonl"
    made = server.ctl("log", "export", "--output", str(export))
    assert made.returncode == 0, made.stderr
    whole = server.ctl("log", "verify", str(export))
    assert whole.returncode == 0, whole.stdout + whole.stderr
    tell(f"{whole.stdout.strip().splitlines()[0]}")
    flipped = world.folder / "log-with-one-byte-flipped.jsonl"
    line = _flip_one_byte(export, flipped)
    found = server.ctl("log", "verify", str(flipped))
    assert found.returncode == 1, found.stdout
    said = (found.stdout + found.stderr).strip().splitlines()[-1]
    assert f"line {line}" in said.lower(), said
    tell(f"One byte flipped: [yellow]{said}[/yellow]")


def _record_on_own_card(
    world: World, person: Person, *, epoch: int, ticket_id: UUID | None = None
) -> None:
    ticket_id = ticket_id or world.notes["ticket"]
    card = world.card_of(person)
    with world.laid(card) as laid:
        world.bridge_of(person).bring_in_line(laid, load=[ticket_id])
    ticket = person.door.get(f"/v1/tickets/{ticket_id}")
    assert ticket["form"]["medium_uid"] == card.uid.hex()
    assert ticket["epoch"] == epoch


def _buy_another(world: World, person: Person) -> UUID:
    """Buy a place of the same offering; return the ticket's id."""
    first = world.operator.door.get(f"/v1/tickets/{world.notes['ticket']}")
    order = person.door.post("/v1/orders", offering_id=first["offering_id"])
    bought = person.door.post(
        f"/v1/orders/{order['order_id']}/payment", tender="e-money", answer=ANSWER
    )
    return UUID(bought["ticket_id"])


def _flip_one_byte(whole: Path, flipped: Path) -> int:
    """Copy an export with one bit of one byte changed; return its line's number."""
    raw = bytearray(whole.read_bytes())
    at = len(raw) // 2
    raw[at] ^= 1
    flipped.write_bytes(raw)
    return raw[:at].count(b"\n") + 1
