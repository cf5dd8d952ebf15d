"""The doors of the story's second half: cards, machines, paper, coupons."""

from base64 import b64decode
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.vocabulary.codes import Role
from ledger.vocabulary.sealed_ticket import Transmission, unseal, verify
from tests.api.callers import Callers, SetClock
from tests.api.cards import Card, opened, personalised


@pytest.fixture
def terminal(callers: Callers):
    return callers.device("terminal", Role.TERMINAL, by=callers.ada)


@pytest.fixture
def dispenser(callers: Callers):
    return callers.device("dispenser", Role.DISPENSER)


def load(callers: Callers, card: Card, terminal, *tickets: str, by=None):
    """Record tickets on a card at a terminal."""
    who = by or callers.ada
    media = f"/v1/media/{card.uid.hex()}/writes"
    prepared = who.post(
        media,
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
        load=list(tickets),
    )
    assert prepared.status == 201, prepared.json
    write = prepared.json
    settled = who.put(f"{media}/{write['write_id']}", **card.commit(write))
    assert settled.status == 200, settled.json
    return write


def on_card(callers: Callers, terminal, *, uid="04112233445566", **offering):
    """Let Ada buy a ticket and record it; return it and the card."""
    ticket_id = callers.ticket(callers.ada, **offering)
    card = personalised(callers, callers.ada, uid=uid)
    load(callers, card, terminal, ticket_id)
    return ticket_id, card


def test_a_ticket_reaches_the_owners_terminal_sealed_and_signed(
    callers: Callers, terminal
):
    ticket_id = callers.ticket(callers.ada, question=1)
    path = f"/v1/tickets/{ticket_id}/transmissions"
    sent = callers.ada.post(path, terminal_id=str(terminal.device_id))
    assert sent.status == 201
    told = callers.nobody.get("/v1/issuer-keys").json
    context = Transmission(
        told["origin"],
        UUID(ticket_id),
        sent.json["epoch"],
        terminal.device_id,
    )
    signed = unseal(b64decode(sent.json["sealed"]), key=terminal.key, context=context)
    keys = {
        bytes.fromhex(key["kid"]): Ed25519PublicKey.from_public_bytes(
            bytes.fromhex(key["public"])
        )
        for key in told["keys"]
    }
    claims = verify(signed, keys=keys, origin=told["origin"])
    assert claims.right == "Row 4 seat 12"
    assert claims.check is not None
    assert claims.check.accepts(UUID(ticket_id), "12 03 1990")
    stranger = callers.ben.post(path, terminal_id=str(terminal.device_id))
    assert stranger.refusal == (403, "not_owner")


def test_a_ticket_is_recorded_on_a_card_by_the_cards_own_proof(
    callers: Callers, terminal
):
    ticket_id, card = on_card(callers, terminal)
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert told["form"] == {
        "kind": "on_medium",
        "medium_uid": card.uid.hex(),
        "slot": 0,
        "serial": None,
    }
    medium = callers.ada.get(f"/v1/media/{card.uid.hex()}").json
    assert (medium["seq"], medium["status"]) == (1, "ACTIVE")
    assert medium["slots"][0]["ticket_id"] == ticket_id
    assert len(medium["record_public_key"]) == 64
    hidden = callers.ben.get(f"/v1/media/{card.uid.hex()}")
    assert hidden.refusal == (404, "unknown")


def test_a_card_in_line_needs_no_write(callers: Callers, terminal):
    _, card = on_card(callers, terminal)
    again = callers.ada.post(
        f"/v1/media/{card.uid.hex()}/writes",
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
    )
    assert (again.status, again.json) == (200, {"write_id": None})


def test_a_wrong_proof_settles_nothing(callers: Callers, terminal, installation):
    ticket_id = callers.ticket(callers.ada)
    card = personalised(callers, callers.ada)
    media = f"/v1/media/{card.uid.hex()}/writes"
    write = callers.ada.post(
        media,
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
        load=[ticket_id],
    ).json
    path = f"{media}/{write['write_id']}"
    proof = card.commit(write)
    stamped = proof["operations"][-1]
    before = installation.ledger.position()
    wrongs: list[dict[str, Any]] = [
        {"tmv": "00" * 8},
        {"tmc": 7},
        {"operations": []},
        {"operations": [proof["operations"][0] | {"cmd": "ff"}]},
        {"operations": [proof["operations"][-1] | {"file": 2}]},
        {"operations": [{**proof["operations"][0], "cmd": "00"}, stamped]},
    ]
    for wrong in wrongs:
        assert callers.ada.put(path, **(proof | wrong)).refusal == (409, "counterfeit")
    malformeds: list[dict[str, Any]] = [
        {"tmv": "zz" * 8},
        {"tmc": -1},
        {"tmc": None},
        {"outcome": "maybe"},
        {"operations": [{}]},
    ]
    for malformed in malformeds:
        refused = callers.ada.put(path, **(proof | malformed))
        assert refused.refusal == (422, "malformed")
    missing = callers.ada.put(path, outcome="committed")
    assert missing.refusal == (422, "malformed")
    assert callers.ben.put(path, **proof).refusal == (404, "unknown")
    unknown = callers.ada.put(f"{media}/{uuid4()}", **proof)
    assert unknown.refusal == (404, "unknown")
    assert installation.ledger.position() == before
    assert callers.ada.put(path, **proof).json == {"seq": 1, "verdict": "FRESH"}
    assert callers.ada.put(path, **proof).json == {"seq": 1, "verdict": "FRESH"}


def test_a_write_that_did_not_happen_leaves_the_ticket_free(callers, terminal):
    ticket_id = callers.ticket(callers.ada)
    card = personalised(callers, callers.ada)
    media = f"/v1/media/{card.uid.hex()}/writes"
    write = callers.ada.post(
        media,
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
        load=[ticket_id],
    ).json
    aborted = callers.ada.put(
        f"{media}/{write['write_id']}", outcome="aborted", reason="the card went away"
    )
    assert aborted.json["seq"] == 0
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").json["lock"] is None


def test_a_reading_of_another_card_than_the_address_names_is_refused(
    callers: Callers, terminal
):
    card = personalised(callers, callers.ada)
    answer = callers.ada.post(
        "/v1/media/04665544332211/writes",
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
    )
    assert answer.refusal == (422, "malformed")


def test_a_card_is_authenticated_at_a_terminal_without_keys(
    callers: Callers, terminal, clock: SetClock
):
    card = personalised(callers, callers.ada)
    path = f"/v1/media/{card.uid.hex()}/authentications"
    who = {"terminal_id": str(terminal.device_id)}
    for key_no in (1, 3):
        begun = callers.ada.post(
            path, key_no=key_no, challenge=card.challenge(key_no).hex(), **who
        )
        assert begun.status == 200
        response = card.respond(key_no, bytes.fromhex(begun.json["answer"]))
        continuation = begun.json["continuation"]
        done = callers.ada.post(
            f"{path}/answer",
            continuation=continuation,
            response=response.hex(),
            **who,
        )
        assert done.status == 200
        assert done.json["ti"] == "01020304"
        assert {len(done.json["enc"]), len(done.json["mac"])} == {32}
    other = callers.ada.post(
        f"{path}/answer", continuation=continuation, response="00" * 32, **who
    )
    assert other.refusal == (409, "counterfeit")
    nowhere = callers.ada.post(
        f"{path}/answer", continuation=continuation, response=response.hex()
    )
    assert nowhere.refusal == (422, "malformed")
    broken = callers.ada.post(
        f"{path}/answer", continuation="AAAA", response=response.hex(), **who
    )
    assert broken.refusal == (422, "expired")
    clock.passes(minutes=2)
    late = callers.ada.post(
        f"{path}/answer", continuation=continuation, response=response.hex(), **who
    )
    assert late.refusal == (422, "expired")
    operate = callers.ada.post(path, key_no=2, challenge="00" * 16, **who)
    assert operate.refusal == (409, "device_not_authorised")
    stranger = callers.ben.post(path, key_no=1, challenge="00" * 16, **who)
    assert stranger.refusal == (404, "unknown")


def test_a_tap_tells_what_is_on_a_fresh_card(
    callers: Callers, terminal, dispenser, views
):
    ticket_id, card = on_card(callers, terminal, question=3)
    for caller in (callers.ada, dispenser):
        tapped = caller.post("/v1/taps", **card.reading())
        assert tapped.status == 200
        told = tapped.json
        assert (told["verdict"], told["code"], told["refresh_needed"]) == (
            "FRESH",
            None,
            False,
        )
        (slot,) = told["slots"]
        assert slot["ticket_id"] == ticket_id
        assert slot["title"] == "Hamlet, opening night"
        assert (slot["kind"], slot["question"]) == ("admission", 3)


def test_a_changed_ticket_makes_the_card_stale_until_it_is_refreshed(
    callers: Callers, terminal, dispenser
):
    ticket_id, card = on_card(callers, terminal)
    callers.issuer.post(
        f"/v1/tickets/{ticket_id}/modifications", right="Row 5 seat 1", reason="stage"
    )
    stale = dispenser.post("/v1/taps", **card.reading()).json
    assert (stale["verdict"], stale["code"]) == ("STALE", "medium_stale")
    assert stale["refresh_needed"]
    assert "user terminal" in stale["says"]
    refused = dispenser.post(
        f"/v1/tickets/{ticket_id}/dispenses",
        reading=card.reading(),
        slot=0,
        epoch=2,
        answered=True,
    )
    assert refused.refusal == (409, "epoch_stale")
    write = load(callers, card, terminal)
    assert [change["epoch"] for change in write["changes"]] == [3]
    assert dispenser.post("/v1/taps", **card.reading()).json["verdict"] == "FRESH"


def test_copied_and_old_contents_are_refused_each_with_its_verdict(
    callers: Callers, terminal, dispenser
):
    _, card = on_card(callers, terminal)
    other = personalised(callers, callers.ben, uid="04aabbccddeeff")
    clone = card.reading() | {"uid": other.uid.hex()}
    told = dispenser.post("/v1/taps", **clone).json
    assert (told["verdict"], told["code"], told["slots"]) == ("CLONE", "clone", [])
    unknown = dispenser.post("/v1/taps", **(clone | {"uid": "04000000000001"})).json
    assert unknown["verdict"] == "COUNTERFEIT"
    # Somebody else's card is not known to a person's token either.
    assert callers.ben.post("/v1/taps", **card.reading()).json == unknown

    old = card.reading()
    load(callers, card, terminal, callers.ticket(callers.ada))
    back = dispenser.post("/v1/taps", **old).json
    assert (back["verdict"], back["code"]) == ("ROLLBACK", "rollback")
    garbage = dispenser.post("/v1/taps", **(old | {"stamp": "ff" * 32}))
    assert garbage.refusal == (422, "malformed")


def test_a_ticket_is_dispensed_on_paper_once(callers: Callers, terminal, dispenser):
    ticket_id, card = on_card(callers, terminal, question=1)
    dispenses = f"/v1/tickets/{ticket_id}/dispenses"
    body = {"reading": card.reading(), "slot": 0, "epoch": 2}
    unasked = dispenser.post(dispenses, **body, answered=False)
    assert unasked.refusal == (409, "name_mismatch")
    lease = dispenser.post(dispenses, **body, answered=True)
    assert lease.status == 201
    job = f"{dispenses}/{lease.json['job_id']}"
    assert lease.json["lease_until"] == "2026-11-22T12:01:30Z"
    busy = dispenser.post(dispenses, **body, answered=True)
    assert busy.refusal in {(409, "in_dispense"), (409, "in_doubt")}
    early = dispenser.put(f"{job}/printed", serial="D1-000001")
    assert early.refusal == (409, "in_doubt")

    proof = card.commit(lease.json["write"])
    bad_serial = dispenser.put(f"{job}/mark", **proof, serial="d1")
    assert bad_serial.refusal == (422, "malformed")
    marks = [dispenser.put(f"{job}/mark", **proof, serial="D1-000001") for _ in "12"]
    assert [mark.status for mark in marks] == [200, 200]
    assert marks[0].json == marks[1].json
    paper = marks[0].json["print"]
    assert paper["title"] == "Hamlet, opening night"
    assert paper["code"].startswith("ETL1:D1-000001:")
    for _ in "12":
        done = dispenser.put(
            f"{job}/printed", serial="D1-000001", device_time="2026-11-22T12:00:09Z"
        )
        assert (done.status, done.json) == (200, {})
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert (told["life"], told["form"]["serial"]) == ("DISPENSED", "D1-000001")
    again = dispenser.post("/v1/taps", **card.reading()).json
    assert again["slots"][0]["code"] == "already_dispensed"
    body["reading"] = card.reading()
    refused = dispenser.post(dispenses, **body, answered=True)
    assert refused.refusal == (409, "already_dispensed")


def test_a_print_that_failed_gives_the_ticket_back(callers, terminal, dispenser):
    ticket_id, card = on_card(callers, terminal)
    dispenses = f"/v1/tickets/{ticket_id}/dispenses"
    lease = dispenser.post(
        dispenses, reading=card.reading(), slot=0, epoch=2, answered=False
    ).json
    job = f"{dispenses}/{lease['job_id']}"
    dispenser.put(f"{job}/mark", **card.commit(lease["write"]), serial="D1-000001")
    stranger = callers.device("dispenser", Role.DISPENSER)
    stolen = stranger.put(f"{job}/aborted", reason="mine")
    assert stolen.refusal == (403, "device_not_authorised")
    assert dispenser.put(f"{job}/aborted", reason="paper jam").status == 200
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").json["life"] == "OWNED"


def test_a_coupon_is_redeemed_with_a_purchase_and_not_twice(callers, terminal):
    shop = callers.device("point_of_sale", Role.SHOP)
    ticket_id, card = on_card(callers, terminal, kind="coupon", places=["One coffee"])
    redemptions = f"/v1/tickets/{ticket_id}/redemptions"
    body = {
        "reading": card.reading(),
        "slot": 0,
        "epoch": 2,
        "receipt": "R-1",
        "purchase": {"amount_minor": 350, "currency": "EUR"},
    }
    session = shop.post(redemptions, **body)
    assert session.status == 201
    proof = card.commit(session.json["write"])
    path = f"{redemptions}/{session.json['session_id']}"
    for _ in "12":
        used = shop.put(path, **proof)
        assert (used.status, used.json) == (200, {"uses_left": 0})
    body |= {"reading": card.reading(), "receipt": "R-2"}
    assert shop.post(redemptions, **body).refusal == (409, "already_used")


def test_a_device_gets_its_keys_sealed_for_it_alone(
    callers: Callers, terminal, dispenser
):
    bundle = opened(
        dispenser, dispenser.post(f"/v1/devices/{dispenser.device_id}/keys")
    )
    assert set(bundle) == {
        "operate",
        "inspect",
        "record",
        "find",
        "issuer_keys",
        "origin",
    }
    path = f"/v1/devices/{terminal.device_id}/keys"
    for caller in (terminal, callers.ada):
        said = caller.post(path)
        assert set(opened(terminal, said)) == {"issuer_keys", "origin"}
    assert dispenser.post(path).refusal == (404, "unknown")


def test_a_revoked_device_stays_outside(callers: Callers, dispenser):
    path = f"/v1/devices/{dispenser.device_id}"
    assert callers.operator.delete(path).status == 204
    gone = dispenser.post("/v1/taps", uid="04112233445566", stamp="", slots="")
    assert gone.refusal == (401, "unauthenticated")
    anew = callers.operator.post(
        "/v1/tokens",
        device_id=str(dispenser.device_id),
        roles=["dispenser"],
        lifetime_s=60,
    )
    assert anew.refusal == (403, "device_not_authorised")
