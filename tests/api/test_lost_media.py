"""A card is lost, found, blocked, replaced or handed in: no right is lost with it.

Planted and caught: anybody may block a card; another's card told as not his; a found
card still refused; clearing a suspicion open to holders.
"""

import pytest

from ledger.vocabulary.codes import Role
from tests.api.cards import personalised
from tests.api.test_cards import load, on_card


@pytest.fixture
def terminal(callers):
    return callers.device("terminal", Role.TERMINAL, by=callers.ada)


@pytest.fixture
def held(callers, terminal):
    """A ticket on Ada's card, and where the card is."""
    ticket_id, card = on_card(callers, terminal)
    return ticket_id, card, f"/v1/media/{card.uid.hex()}"


def form(callers, ticket_id):
    return callers.ada.get(f"/v1/tickets/{ticket_id}").json["form"]["kind"]


def test_a_lost_card_is_refused_and_its_exposure_told_until_it_is_found(callers, held):
    ticket_id, _, medium = held
    lost = callers.ada.post(f"{medium}/loss")
    assert lost.status == 201, lost.json
    (exposed,) = lost.json["exposed"]
    assert exposed["ticket_id"] == ticket_id
    assert exposed["until"].endswith("Z")
    assert callers.ada.get(medium).json["status"] == "SUSPENDED"
    found = callers.ada.delete(f"{medium}/loss")
    assert (found.status, found.json) == (204, None)
    assert found.position > lost.position
    assert callers.ada.get(medium).json["status"] == "ACTIVE"


def test_a_blocked_cards_tickets_come_back_to_their_owner(callers, held):
    ticket_id, _, medium = held
    blocked = callers.ada.post(f"{medium}/block", reason="stolen")
    assert (blocked.status, blocked.json) == (
        201,
        {"ticket_ids": [ticket_id], "printing": []},
    )
    assert form(callers, ticket_id) == "electronic"
    assert callers.ada.delete(f"{medium}/loss").status == 409


def test_what_was_on_a_replaced_card_is_recorded_on_the_new_one(
    callers, held, terminal
):
    ticket_id, _, medium = held
    other = personalised(callers, callers.ada, uid="04998877665544")
    replaced = callers.ada.post(f"{medium}/replacement", new_uid=other.uid.hex())
    assert (replaced.status, replaced.json["ticket_ids"]) == (201, [ticket_id])
    load(callers, other, terminal, ticket_id)
    assert form(callers, ticket_id) == "on_medium"


def test_a_card_that_is_handed_in_gives_its_tickets_back(callers, held):
    ticket_id, _, medium = held
    returned = callers.ada.post(f"{medium}/return")
    assert (returned.status, returned.json["ticket_ids"]) == (201, [ticket_id])


def test_a_preview_is_not_offered_where_a_card_is_at_stake(callers, held):
    _, _, medium = held
    assert callers.ada.call(
        "POST", f"{medium}/block?dry_run=true", json={"reason": "stolen"}
    ).refusal == (422, "malformed")
    assert callers.ada.get(medium).json["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("loss", {}),
        ("block", {"reason": "envy"}),
        ("replacement", {"new_uid": "04" + "00" * 6}),
        ("return", {}),
    ],
)
def test_anothers_card_is_not_there(callers, held, command, body):
    _, _, medium = held
    position = callers.its.ledger.position()
    assert callers.ben.post(f"{medium}/{command}", **body).refusal == (404, "unknown")
    assert callers.its.ledger.position() == position


def test_an_operator_acts_for_the_holder_and_alone_clears_a_suspicion(callers, held):
    _, _, medium = held
    assert callers.operator.post(f"{medium}/loss").status == 201
    assert callers.ada.post(f"{medium}/clearance").refusal == (403, "role_missing")
    assert callers.operator.post(f"{medium}/clearance").status == 409


def test_what_was_read_of_a_card_is_what_is_blocked(callers, held):
    _, _, medium = held
    tag = callers.ada.get(medium).headers["ETag"]
    callers.ada.post(f"{medium}/loss")
    refused = callers.ada.call(
        "POST",
        f"{medium}/block",
        json={"reason": "stolen"},
        headers={"If-Match": tag},
    )
    assert refused.refusal == (412, "precondition_failed")
