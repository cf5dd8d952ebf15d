"""Wrong input at every door: a code, a sentence, and nothing changed in the log."""

import json
from contextlib import suppress
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import BODY_MAX
from api.openapi.routes import read_json
from api.problems import MalformedJson
from ledger.vocabulary.codes import Role
from tests.api.callers import Callers, SetClock, offering_body

NOBODY = str(uuid4())


@pytest.fixture
def nothing_recorded(installation, callers: Callers):
    """What a test does after asking this for the position records nothing."""
    marks: list[int] = []
    yield lambda: marks.append(installation.ledger.position())
    assert marks, "the test marks where the log stands before it is refused"
    assert installation.ledger.position() == marks[-1]


def test_no_token_and_wrong_tokens_are_refused_in_the_same_words(
    callers: Callers, clock: SetClock, installation, nothing_recorded
):
    expired = callers.caller(Role.BUYER, party_id=uuid4(), lifetime_s=60)
    clock.passes(seconds=60)
    revoked = callers.caller(Role.BUYER, party_id=uuid4())
    assert installation.tokens.revoke(revoked.token, at=clock.now())
    assert not installation.tokens.revoke(revoked.token, at=clock.now())
    nothing_recorded()
    said = set()
    for token in (
        None,
        "etl_wrong",
        "",
        "x" * 500,
        "etl_é",
        expired.token,
        revoked.token,
    ):
        callers.nobody.token = token
        answer = callers.nobody.post("/v1/orders", offering_id=NOBODY)
        assert answer.refusal == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        said.add(answer.json["detail"])
    assert len(said) == 1


def test_another_scheme_than_bearer_is_refused(callers: Callers):
    answer = callers.nobody.get("/v1/me", Authorization="Basic YTpi")
    assert answer.refusal == (401, "unauthenticated")


def test_a_missing_role_is_refused_with_the_roles_that_would_do(
    callers: Callers, nothing_recorded
):
    nothing_recorded()
    answer = callers.ada.post("/v1/offerings", **offering_body())
    assert answer.refusal == (403, "role_missing")
    assert answer.json["facts"] == {"roles": "issuer"}


def test_a_device_token_cannot_act_for_a_person(callers: Callers, nothing_recorded):
    strange = callers.caller(Role.BUYER, device_id=uuid4())
    nothing_recorded()
    answer = strange.post("/v1/orders", offering_id=NOBODY)
    assert answer.refusal == (403, "role_missing")


def test_what_is_not_there_is_unknown(callers: Callers, nothing_recorded):
    nothing_recorded()
    ada = callers.ada
    for answer in (
        ada.get(f"/v1/tickets/{NOBODY}"),
        ada.get(f"/v1/offerings/{NOBODY}"),
        ada.post("/v1/orders", offering_id=NOBODY),
        ada.post(f"/v1/orders/{NOBODY}/payment", tender="e-money"),
        ada.delete(f"/v1/orders/{NOBODY}"),
        ada.post(f"/v1/tickets/{NOBODY}/gift-offers", to_party_id=NOBODY),
        ada.get(f"/v1/tickets/{NOBODY}/gift-offers/{NOBODY}"),
        ada.post(f"/v1/tickets/{NOBODY}/listings", price_minor=1),
        ada.get("/v1/media/04112233445566"),
        ada.get("/v1/media/04"),
        ada.get("/v1/tickets/not-an-id"),
        ada.get("/v1/tickets/"),
        callers.nobody.get("/v1/anything"),
        callers.operator.delete(f"/v1/devices/{NOBODY}"),
        callers.operator.post(
            "/v1/tokens", party_id=NOBODY, roles=["buyer"], lifetime_s=60
        ),
    ):
        assert answer.refusal == (404, "unknown")


def test_a_wrong_method_names_the_right_ones(callers: Callers):
    answer = callers.ada.delete("/v1/me")
    assert answer.refusal == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_somebody_elses_ticket_reads_as_not_there_and_cannot_be_touched(
    callers: Callers, nothing_recorded
):
    ticket_id = callers.ticket(callers.ada)
    nothing_recorded()
    path = f"/v1/tickets/{ticket_id}"
    other_issuer = callers.person(Role.ISSUER)
    nothing_recorded()
    for reader in (callers.ben, other_issuer):
        for what in ("", "/history", "/owners"):
            assert reader.get(path + what).refusal == (404, "unknown")
    gift = callers.ben.post(
        f"{path}/gift-offers", to_party_id=str(callers.cleo.party_id)
    )
    assert gift.refusal == (403, "not_owner")
    listed = callers.ben.post(f"{path}/listings", price_minor=1)
    assert listed.refusal == (403, "not_owner")
    changed = other_issuer.post(f"{path}/modifications", right="A1", reason="mine")
    assert changed.refusal == (403, "not_owner")


def test_an_expired_offer_and_a_strangers_acceptance_are_refused(
    callers: Callers, clock: SetClock, nothing_recorded
):
    ticket_id = callers.ticket(callers.ada)
    gifts = f"/v1/tickets/{ticket_id}/gift-offers"
    made = callers.ada.post(
        gifts, to_party_id=str(callers.ben.party_id), until="2026-11-22T13:00:00Z"
    )
    acceptance = f"{gifts}/{made.json['offer_id']}/acceptance"
    nothing_recorded()
    terms_hash = made.json["terms_hash"]
    stranger = callers.cleo.post(acceptance, terms_hash=terms_hash)
    assert stranger.refusal == (403, "not_owner")
    other = callers.ben.post(acceptance, terms_hash="0" * 32)
    assert other.refusal == (409, "epoch_stale")
    clock.passes(hours=1)
    late = callers.ben.post(acceptance, terms_hash=terms_hash)
    assert late.refusal == (409, "expired")
    assert late.json["because"] == [f"{ticket_id}/2"]


def test_a_locked_ticket_says_what_holds_it(callers: Callers, nothing_recorded):
    ticket_id = callers.ticket(callers.ada)
    to = str(callers.ben.party_id)
    callers.ada.post(f"/v1/tickets/{ticket_id}/gift-offers", to_party_id=to)
    nothing_recorded()
    answer = callers.ada.post(f"/v1/tickets/{ticket_id}/listings", price_minor=1)
    assert answer.refusal == (409, "in_gift")


def test_an_empty_purse_buys_nothing(callers: Callers, nothing_recorded):
    order = callers.ada.post("/v1/orders", offering_id=callers.offering())
    nothing_recorded()
    answer = callers.ada.post(
        f"/v1/orders/{order.json['order_id']}/payment", tender="e-money"
    )
    assert answer.refusal == (409, "insufficient_funds")


WRONG_BODIES = [
    (b"{", 400, "malformed_json"),
    (b"\xff{}", 400, "malformed_json"),
    (b'{"a": NaN}', 400, "malformed_json"),
    (b'{"a": 1, "a": 2}', 400, "malformed_json"),
    (b"[" * 30_000, 400, "malformed_json"),
    (b"1" * 5_000, 400, "malformed_json"),
    (b"[]", 422, "malformed"),
    (b"null", 422, "malformed"),
    (b'"text"', 422, "malformed"),
    (b"", 422, "malformed"),
]


@pytest.mark.parametrize(("body", "status", "code"), WRONG_BODIES)
def test_a_body_that_is_no_json_object_is_refused(
    callers: Callers, nothing_recorded, body, status, code
):
    nothing_recorded()
    answer = callers.ada.call(
        "POST", "/v1/orders", data=body, content_type="application/json"
    )
    assert answer.refusal == (status, code)


def test_a_body_of_another_kind_and_a_body_too_long_are_refused(
    callers: Callers, nothing_recorded
):
    nothing_recorded()
    form = callers.ada.call("POST", "/v1/orders", data={"offering_id": NOBODY})
    assert form.refusal == (415, "unsupported_media_type")
    long = json.dumps({"offering_id": NOBODY, "place": "x" * BODY_MAX})
    answer = callers.ada.call(
        "POST", "/v1/orders", data=long, content_type="application/json"
    )
    assert answer.refusal == (413, "too_long")


WRONG_FIELDS = [
    ({"colour": "red"}, "colour: "),
    ({"title": ""}, "title: "),
    ({"title": "x" * 121}, "title: "),
    ({"title": "line\nbreak"}, "title: "),
    ({"title": "\ud800"}, "title: "),
    ({"title": "a\x00b"}, "title: "),
    ({"title": 5}, "title: "),
    ({"title": None}, "title: "),
    ({"kind": "opera"}, "kind: "),
    ({"currency": "eur"}, "currency: "),
    ({"currency": "EUR\n"}, "currency: "),
    ({"price_minor": 5.0}, "price_minor: "),
    ({"price_minor": "5"}, "price_minor: "),
    ({"price_minor": True}, "price_minor: "),
    ({"price_minor": -1}, "price_minor: "),
    ({"price_minor": 10**30}, "price_minor: "),
    ({"places": []}, "places: "),
    ({"places": ["A1", 7]}, "places.1: "),
    ({"places": ["A1", "A1"]}, ""),
    ({"places": ["é" * 13]}, ""),
    ({"sale_from": "2026-11-01T00:00:00"}, "sale_from: "),
    ({"sale_from": "0001-01-01T00:00:00+14:00"}, "sale_from: "),
    ({"sale_from": "9999-12-31T23:59:59-14:00"}, "sale_from: "),
    ({"sale_from": "yesterday"}, "sale_from: "),
    ({"sale_from": 12}, "sale_from: "),
    ({"valid_until": "2026-11-01T00:00:00Z"}, ""),
    ({"question": 9}, ""),
    ({"uses_limit": 2}, ""),
    ({"terms": {"royalty_percent": 101}}, "terms.royalty_percent: "),
    ({"terms": {"giftable": "yes"}}, "terms.giftable: "),
    ({"terms": {"loud": True}}, "terms.loud: "),
    ({"terms": []}, "terms"),
]


@pytest.mark.parametrize(("change", "says"), WRONG_FIELDS)
def test_a_wrong_field_is_named_in_one_sentence(
    callers: Callers, nothing_recorded, change, says
):
    nothing_recorded()
    answer = callers.issuer.post("/v1/offerings", **(offering_body() | change))
    assert answer.refusal == (422, "malformed")
    assert answer.json["detail"].startswith(says)


def test_an_id_has_one_way_of_being_written(callers: Callers, nothing_recorded):
    nothing_recorded()
    for wrong in (f"{{{NOBODY}}}", NOBODY.upper(), NOBODY.replace("-", ""), "", [1]):
        answer = callers.ada.post("/v1/orders", offering_id=wrong)
        assert answer.refusal == (422, "malformed")


def test_a_party_and_a_token_need_what_they_are_for(callers: Callers, nothing_recorded):
    nothing_recorded()
    for body in (
        {"roles": ["buyer"], "lifetime_s": 60},
        {"party_id": NOBODY, "roles": [], "lifetime_s": 60},
        {"party_id": NOBODY, "roles": ["king"], "lifetime_s": 60},
        {"party_id": NOBODY, "roles": ["buyer"], "lifetime_s": 0},
        {"party_id": NOBODY, "roles": ["buyer"], "lifetime_s": 10**9},
    ):
        answer = callers.operator.post("/v1/tokens", **body)
        assert answer.refusal == (422, "malformed")
    nobody = callers.operator.post("/v1/parties", kind="ghost", name="Banquo")
    assert nobody.refusal == (422, "malformed")


def test_a_buyer_enrols_terminals_only_and_revokes_only_his_own(
    callers: Callers, nothing_recorded
):
    terminal = callers.device("terminal", Role.TERMINAL, by=callers.ada)
    nothing_recorded()
    key = "00" * 32
    refused = callers.ada.post(
        "/v1/devices", kind="dispenser", public_key=key, label="mine"
    )
    assert refused.refusal == (403, "device_not_authorised")
    path = f"/v1/devices/{terminal.device_id}"
    assert callers.ben.delete(path).refusal == (403, "device_not_authorised")
    assert callers.ben.post(f"{path}/keys").refusal == (404, "unknown")


def test_a_bug_shows_nothing_of_itself(capsys, callers: Callers, client):
    def broken() -> str:
        raise RuntimeError("a secret detail")

    client.application.view_functions["parties.me"] = broken
    answer = callers.ada.get("/v1/me")
    assert answer.refusal == (500, "internal_error")
    assert "secret" not in json.dumps(answer.json)
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in logged] == ["bug"]
    assert logged[0]["exception"].startswith("builtins.RuntimeError\n")
    assert "in broken" in logged[0]["exception"]
    assert logged[0]["request"] == answer.headers["Request-Id"]


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_any_bytes_are_read_as_json_or_refused(raw: bytes):
    with suppress(MalformedJson):
        read_json(raw)
