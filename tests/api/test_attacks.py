"""What somebody tried, one try a test, and what he got for it."""

from dataclasses import replace
from uuid import UUID

import pytest

from ledger.application import Cause
from ledger.usecases import parties
from ledger.vocabulary.codes import Role
from ledger.vocabulary.medium_record import SLOT_ENTRY_LENGTH, Stamp
from tests.api.cards import personalised

OTHER_UID = "04bbbbbbbbbbbb"


@pytest.fixture
def laid(callers):
    """Ada's ticket on her card, through her terminal."""
    ticket_id = callers.ticket(callers.ada)
    card = personalised(callers, callers.ada)
    terminal_id = terminal(callers, callers.ada)
    load(callers.ada, card, ticket_id, terminal_id)
    return ticket_id, card, terminal_id


def terminal(callers, who):
    return str(callers.device("terminal", Role.TERMINAL, by=who).device_id)


def prepare(who, card, terminal_id, **what):
    path = f"/v1/media/{card.uid.hex()}/writes"
    return who.post(path, reading=card.reading(), terminal_id=terminal_id, **what).json


def settle(who, card, write, **outcome):
    path = f"/v1/media/{card.uid.hex()}/writes/{write['write_id']}"
    return who.put(path, **outcome)


def load(who, card, ticket_id, terminal_id):
    write = prepare(who, card, terminal_id, load=[ticket_id])
    assert settle(who, card, write, **card.commit(write)).status == 200
    return write


def invented(card, write):
    """A reading of the state that was prepared; no card has been near."""
    slots = card.slots
    for change in write["changes"]:
        start = change["slot"] * SLOT_ENTRY_LENGTH
        entry = bytes.fromhex(change["entry"])
        slots = slots[:start] + entry + slots[start + SLOT_ENTRY_LENGTH :]
    return {"uid": card.uid.hex(), "stamp": write["stamp"], "slots": slots.hex()}


def offer(who, ticket_id, to):
    path = f"/v1/tickets/{ticket_id}/gift-offers"
    said = who.post(path, to_party_id=str(to.party_id)).json
    return f"{path}/{said['offer_id']}", said["terms_hash"]


def start_dispense(dispenser, ticket_id, card):
    return dispenser.post(
        f"/v1/tickets/{ticket_id}/dispenses",
        reading=card.reading(),
        slot=0,
        epoch=2,
        answered=False,
    ).json


def test_a_holder_who_invents_a_reading_does_not_take_the_ticket_off_the_card(
    callers, laid
):
    ticket_id, card, terminal_id = laid
    write = prepare(callers.ada, card, terminal_id, unload=[ticket_id])
    tapped = callers.ada.post("/v1/taps", **invented(card, write))
    assert tapped.json["code"] == "in_doubt"
    ticket = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert ticket["form"]["kind"] == "on_medium"
    # A machine that has read the card is believed.
    dispenser = callers.device("dispenser", Role.DISPENSER)
    card.commit(write)
    assert dispenser.post("/v1/taps", **card.reading()).json["verdict"] == "FRESH"
    ticket = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert ticket["form"]["kind"] == "electronic"


def test_a_write_that_is_called_off_though_it_happened_leaves_no_current_credential(
    callers,
):
    ada, terminal_id = callers.ada, terminal(callers, callers.ada)
    ticket_id, card = callers.ticket(ada), personalised(callers, ada)
    write = prepare(ada, card, terminal_id, load=[ticket_id])
    card.commit(write)
    lied = settle(ada, card, write, outcome="aborted", reason="it did not happen")
    assert lied.status == 200
    kept_epoch = write["changes"][0]["epoch"]
    assert ada.get(f"/v1/tickets/{ticket_id}").json["epoch"] > kept_epoch
    path, terms_hash = offer(ada, ticket_id, callers.ben)
    accepted = callers.ben.post(f"{path}/acceptance", terms_hash=terms_hash)
    assert accepted.json["epoch"] > kept_epoch


def test_a_holder_cannot_settle_what_a_machine_has_begun(callers, laid):
    ticket_id, card, _ = laid
    dispenser = callers.device("dispenser", Role.DISPENSER)
    lease = start_dispense(dispenser, ticket_id, card)
    history = callers.ada.get(f"/v1/tickets/{ticket_id}/history").json["events"]
    assert all("write_id" not in line["facts"] for line in history)
    tried = settle(callers.ada, card, lease["write"], outcome="aborted", reason="mine")
    assert (tried.status, tried.json["code"]) == (403, "device_not_authorised")
    marked = dispenser.put(
        f"/v1/tickets/{ticket_id}/dispenses/{lease['job_id']}/mark",
        **card.commit(lease["write"]),
        serial="D1-000001",
    )
    assert marked.status == 200


def test_a_mark_that_a_reading_has_settled_still_needs_its_proof(callers, laid):
    ticket_id, card, _ = laid
    dispenser = callers.device("dispenser", Role.DISPENSER)
    lease = start_dispense(dispenser, ticket_id, card)
    dispenser.post("/v1/taps", **invented(card, lease["write"]))
    marked = dispenser.put(
        f"/v1/tickets/{ticket_id}/dispenses/{lease['job_id']}/mark",
        outcome="committed",
        tmc=9,
        tmv="00" * 8,
        operations=[],
        serial="D1-000001",
    )
    assert (marked.status, marked.json["code"]) == (409, "counterfeit")


def test_a_shop_cannot_call_off_somebody_elses_card_write(callers):
    ada, ben = callers.ada, callers.ben
    coupon, card = callers.ticket(ada, kind="coupon"), personalised(callers, ada)
    load(ada, card, coupon, terminal(callers, ada))
    ticket_id, bens = callers.ticket(ben), personalised(callers, ben, uid=OTHER_UID)
    write = prepare(ben, bens, terminal(callers, ben), load=[ticket_id])
    shop = callers.device("point_of_sale", Role.SHOP)
    session = shop.post(
        f"/v1/tickets/{coupon}/redemptions",
        reading=card.reading(),
        slot=0,
        epoch=2,
        receipt="r1",
        purchase={"amount_minor": 1, "currency": "EUR"},
    ).json
    tried = shop.put(
        f"/v1/tickets/{coupon}/redemptions/{session['session_id']}",
        outcome="aborted",
        reason="-",
        uid=OTHER_UID,
        write_id=write["write_id"],
    )
    assert (tried.status, tried.json["code"]) == (409, "in_doubt")
    assert settle(ben, bens, write, **bens.commit(write)).status == 200


def test_what_is_valid_no_longer_is_neither_given_nor_sold(callers, clock):
    ada, ben = callers.ada, callers.ben
    listed, kept = callers.ticket(ada), callers.ticket(ada)
    listing = ada.post(f"/v1/tickets/{listed}/listings", price_minor=100).json
    clock.passes(days=3)
    for who in (ada, ben):
        who.token = callers.caller(Role.BUYER, party_id=who.party_id).token
    path = f"/v1/tickets/{listed}/listings/{listing['listing_id']}/purchase"
    for said in (
        ben.post(path),
        ada.post(f"/v1/tickets/{kept}/gift-offers", to_party_id=str(ben.party_id)),
        ada.post(f"/v1/tickets/{kept}/listings", price_minor=100),
    ):
        assert (said.status, said.json["code"]) == (409, "no_longer_valid")


def test_a_stranger_learns_neither_the_question_nor_what_holds_the_ticket(callers):
    ticket_id = callers.ticket(callers.ada, question=1)
    path, terms_hash = offer(callers.ada, ticket_id, callers.ben)
    for said in (
        callers.cleo.post(f"{path}/acceptance", terms_hash=terms_hash),
        callers.cleo.post(
            f"/v1/tickets/{ticket_id}/gift-offers",
            to_party_id=str(callers.ben.party_id),
        ),
        callers.cleo.post(f"/v1/tickets/{ticket_id}/listings", price_minor=9),
    ):
        assert (said.status, said.json["code"]) == (403, "not_owner")


def test_who_declined_a_gift_reads_nothing_newer(callers):
    ticket_id = callers.ticket(callers.ada)
    path, _ = offer(callers.ada, ticket_id, callers.ben)
    was = callers.ben.get(path).json["right"]
    assert callers.ben.post(f"{path}/decline").status == 200
    callers.issuer.post(
        f"/v1/tickets/{ticket_id}/modifications", right="Royal box", reason="moved"
    )
    assert callers.ben.get(path).json["right"] == was


def test_a_card_is_registered_once_and_not_for_somebody_else(callers):
    card = personalised(callers, callers.ada)
    maker = callers.device("personaliser", Role.PERSONALISER)
    said = maker.put(
        f"/v1/media/{card.uid.hex()}",
        holder_id=str(callers.ben.party_id),
        profile="desfire-8k",
        key_version=1,
    )
    assert (said.status, said.json["code"]) == (409, "limit")


def test_a_forged_stamp_is_a_fork_while_a_write_is_pending_too(callers):
    ada, ticket_id = callers.ada, callers.ticket(callers.ada)
    card = personalised(callers, ada)
    prepare(ada, card, terminal(callers, ada), load=[ticket_id])
    stamp = replace(Stamp.decode(card.stamp), digest=bytes(16))
    dispenser = callers.device("dispenser", Role.DISPENSER)
    said = dispenser.post(
        "/v1/taps",
        uid=card.uid.hex(),
        stamp=stamp.encode().hex(),
        slots=card.slots.hex(),
    )
    assert said.json["verdict"] == "FORK"


def test_a_revoked_machine_accuses_no_card(callers, installation):
    card = personalised(callers, callers.ada)
    dispenser = callers.device("dispenser", Role.DISPENSER)
    # As after a crash between the two commits of a revocation: its token still lives.
    parties.revoke(
        installation.ledger,
        device_id=dispenser.device_id,
        by=UUID(int=0),
        as_operator=True,
        reason="stolen",
        at=installation.clock.now(),
        cause=Cause(actor="test"),
    )
    stamp = replace(Stamp.decode(card.stamp), uid=bytes(7))
    said = dispenser.post(
        "/v1/taps",
        uid=card.uid.hex(),
        stamp=stamp.encode().hex(),
        slots=card.slots.hex(),
    )
    assert (said.status, said.json["code"]) == (403, "device_not_authorised")
    medium = callers.operator.get(f"/v1/media/{card.uid.hex()}").json
    assert medium["status"] == "PERSONALISED"


def test_a_resale_for_nothing_names_no_entry(callers):
    ticket_id = callers.ticket(callers.ada)
    listing = callers.ada.post(f"/v1/tickets/{ticket_id}/listings", price_minor=0).json
    path = f"/v1/tickets/{ticket_id}/listings/{listing['listing_id']}/purchase"
    assert callers.ben.post(path).status == 201
    history = callers.ben.get(f"/v1/tickets/{ticket_id}/history").json["events"]
    assert history[-1]["facts"]["entry_id"] is None
