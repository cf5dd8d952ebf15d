"""Wrong input at each door of the story: refused in words, and nothing is changed."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from ledger.vocabulary.sealed_ticket import SealBroken
from tests.story import dispensing, steps
from tests.story.door import Door, Refused

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def recorded(world):
    """Ada's ticket on her card, as after step 2; the log must not move from here."""
    steps.ensure(world, 2)
    return world


def position(world):
    """Return the log's last position, freshly told with a read."""
    door = Door(world.server.url, world.operator.door.token)
    door.get("/v1/offerings/" + offering_of(world))
    return door.position


def offering_of(world):
    path = f"/v1/tickets/{world.notes['ticket']}"
    return world.operator.door.get(path)["offering_id"]


@pytest.fixture
def unmoved(recorded):
    before = position(recorded)
    yield recorded
    assert position(recorded) == before


def refused(call, *, status, code):
    """The problem says its code, one sentence, and the status that fits."""
    with pytest.raises(Refused) as said:
        call()
    assert (said.value.status, said.value.code) == (status, code)
    assert said.value.detail.endswith(".")
    return said.value


def test_an_unknown_ticket(unmoved):
    door = unmoved.people["Ada"].door
    refused(lambda: door.get(f"/v1/tickets/{uuid4()}"), status=404, code="unknown")


def test_somebody_who_is_not_the_owner(unmoved):
    ben, ticket_id = unmoved.person("Ben"), unmoved.notes["ticket"]
    offers = f"/v1/tickets/{ticket_id}/gift-offers"
    ada_id = str(unmoved.people["Ada"].party_id)
    said = refused(
        lambda: ben.door.post(offers, to_party_id=ada_id),
        status=403,
        code="not_owner",
    )
    assert said.problem["because"]
    refused(
        lambda: ben.door.get(f"/v1/tickets/{ticket_id}"), status=404, code="unknown"
    )


def test_an_offer_that_expired_while_nobody_looked(recorded):
    ada, ben = recorded.people["Ada"], recorded.person("Ben")
    offers = f"/v1/tickets/{recorded.notes['ticket']}/gift-offers"
    until = datetime.now(UTC) + timedelta(seconds=0.3)
    offer = ada.door.post(
        offers, to_party_id=str(ben.party_id), until=until.isoformat()
    )
    while datetime.now(UTC) < until:
        continue
    before = position(recorded)
    refused(
        lambda: ben.door.post(
            f"{offers}/{offer['offer_id']}/acceptance",
            terms_hash=offer["terms_hash"],
            answer="anything",
        ),
        status=409,
        code="expired",
    )
    assert position(recorded) == before


def test_a_wrong_answer_at_the_dispenser(unmoved):
    card = unmoved.cards["Ada"]
    said = dispensing.present(unmoved, card, answer="not the postcode")
    assert (said.state, said.code) == ("REFUSED", "name_mismatch")
    assert said.says.endswith(".")
    assert said.serial is None


@pytest.mark.parametrize("garbage", ["", "00", "90", "90ff000000", "ff" * 300])
def test_a_garbage_apdu(unmoved, garbage):
    card = unmoved.cards["Ada"]
    before = card.snapshot()
    with unmoved.laid(card) as laid:
        answer = card.transmit(bytes.fromhex(garbage))
        assert len(answer) == 2  # A status word, and an error.
        assert answer not in (b"\x90\x00", b"\x91\x00")
        assert laid.find() == card.uid
    assert card.snapshot() == before


def test_a_truncated_sealed_ticket(unmoved):
    ada, ticket_id = unmoved.people["Ada"], unmoved.notes["ticket"]
    terminal = unmoved.terminal_of(ada)
    sent = terminal.gateway.transmission(ticket_id, terminal_id=terminal.device_id)
    whole, bridge = base64.b64decode(sent["sealed"]), unmoved.bridge_of(ada)
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(SealBroken) as said:
            bridge.terminal.open(
                whole[:length], ticket_id=ticket_id, epoch=sent["epoch"]
            )
        assert said.value.code in ("malformed", "counterfeit")
        assert str(said.value).endswith(".")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b'{"a":1,"a":1}'])
def test_json_that_is_malformed(unmoved, body):
    door = unmoved.people["Ada"].door
    with pytest.raises(Refused) as said:
        door.call("POST", "/v1/orders", raw=body, headers={"Content-Type": JSON})
    assert said.value.status in (400, 422)
    assert said.value.code in ("malformed_json", "malformed")


JSON = "application/json"


@pytest.mark.parametrize("token", [None, "", "etl_wrong", "Basic x", "x" * 5_000])
def test_a_wrong_token(unmoved, token):
    door = Door(unmoved.server.url, token)
    refused(lambda: door.get("/v1/me"), status=401, code="unauthenticated")
    order = {"offering_id": str(UUID(int=1))}
    refused(
        lambda: door.post("/v1/orders", **order), status=401, code="unauthenticated"
    )
