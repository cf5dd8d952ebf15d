"""Answers into values, pages into one list, positions kept and sent.

Planted and caught: a page asked for twice for ever; a position that goes back; a truth
value taken for a number; a time without a zone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from ledger_client import Client, HighWater, Unreachable
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Inner:
    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Outer:
    at: datetime
    many: tuple[Inner, ...]
    uid: bytes | None
    count: int
    sure: bool
    note: str = "none"


ID = UUID(int=7)
SAID = {
    "at": "2026-11-22T12:00:00+00:00",
    "many": [{"ids": [str(ID)]}],
    "uid": "0411",
    "count": 3,
    "sure": True,
}


def test_an_answer_is_read_by_what_its_class_says():
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    value = Outer(at, (Inner((ID,)),), bytes.fromhex("0411"), 3, sure=True)
    assert read(Outer, SAID | {"told later": [1]}) == value
    assert read(Outer, SAID | {"uid": None}).uid is None
    assert read(Outer, SAID | {"note": "some"}).note == "some"


@pytest.mark.parametrize(
    "change",
    [
        {"at": "2026-11-22T12:00:00"},
        {"at": 5},
        {"many": None},
        {"many": [{}]},
        {"many": {"ids": []}},
        {"uid": "no hex"},
        {"count": "3"},
        {"count": True},
        {"count": 1.5},
        {"sure": 1},
        {"note": None},
    ],
)
def test_an_answer_of_another_form_is_none(change):
    with pytest.raises(Unreachable, match="no Outer"):
        read(Outer, SAID | change)


@pytest.mark.parametrize("name", SAID)
def test_an_answer_that_lacks_a_member_is_none(name):
    with pytest.raises(Unreachable):
        read(Outer, {key: value for key, value in SAID.items() if key != name})


def test_a_list_goes_on_over_its_pages_as_it_is_needed(server, client):
    server.says(
        (200, {}, {"orders": [1, 2], "next": 41}),
        (200, {}, {"orders": [3], "next": 12}),
        (200, {}, {"orders": [], "next": None}),
    )
    found = client.pages("/v1/orders", "orders", query={"limit": 2, "state": None})
    assert next(found) == 1
    assert len(server.asked) == 1
    assert list(found) == [2, 3]
    assert [asked.path for asked in server.asked] == [
        "/v1/orders?limit=2",
        "/v1/orders?limit=2&before=41",
        "/v1/orders?limit=2&before=12",
    ]


def test_pages_that_lead_nowhere_are_not_followed_for_ever(server, client):
    server.says((200, {}, {"orders": [1], "next": 41}))
    with pytest.raises(Unreachable, match="back"):
        list(client.pages("/v1/orders", "orders"))
    assert len(server.asked) == 2


def test_a_page_without_its_list_is_no_page(server, client):
    server.says((200, {}, {"next": None}))
    with pytest.raises(Unreachable, match="no list"):
        list(client.pages("/v1/orders", "orders"))


def told(position):
    return (200, {"Ledger-Position": position}, {})


def test_a_read_waits_for_the_furthest_position_that_was_told(server, client):
    server.says(told("9"), told("4"), told("x"), told("9" * 19), (200, {}, {}))
    for _ in range(4):
        client.command("POST", "/v1/orders", {})
    client.get("/v1/orders")
    assert [one.headers.get("At-Least-Position") for one in server.asked] == [
        *[None] * 4,
        "9",
    ]


def test_programs_hand_positions_on(server, url):
    shared = HighWater()
    shared.reach(12)
    with Client(url, positions=shared) as one, Client(url, positions=shared) as other:
        one.get("/v1/orders")
        server.says(told("15"), (200, {}, {}))
        other.command("POST", "/v1/orders", {})
        one.get("/v1/orders")
    assert server.asked[-1].headers["At-Least-Position"] == "15"
    assert shared.position == 15


def test_nothing_was_told_and_nothing_is_asked_for(server, client):
    client.get("/v1/orders")
    assert "At-Least-Position" not in server.asked[0].headers
