"""The same key, the same command: one effect and one answer, whatever happens.

Planted and caught: keys of two actors mixed up; the body left out of the hash; a
refusal not stored; a second attempt begun while the first is in flight; the key not
taken into the log; an answer stored in clear; the answer of an attempt that was
overtaken stored over the newer one's; a refusal stored though an earlier attempt had
committed meanwhile.
"""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from eventsourcing.persistence import OperationalError

from ledger.adapters import answers
from ledger.adapters.answers import LEASE_S, AnswerStore, Asked, InFlight, Kept, New
from ledger.application import Ledger
from ledger.errors import Overtaken
from ledger.usecases import accounts
from ledger.vocabulary.codes import Role
from tests.api.callers import NOON

KEY = "6f1f7a52-0d6b-4a71-9d0e-5a4a4a1e1f3d"
TRIES_MAX = 500


def top_up(callers, *, key=KEY, amount_minor=500, by=None):
    return (by or callers.operator).call(
        "POST",
        "/v1/accounts/top-ups",
        json={
            "party_id": str(callers.ada.party_id),
            "amount_minor": amount_minor,
            "currency": "EUR",
            "reference": "counter 3",
        },
        headers={"Idempotency-Key": key} if key else {},
    )


def balance(callers):
    ref = accounts.purse_ref(callers.ada.party_id, "EUR")
    return callers.its.ledger.account(ref.id).balance_minor


def reserve(callers, offering_id, *, key=KEY, by=None, **more):
    return (by or callers.ada).call(
        "POST",
        "/v1/orders",
        json={"offering_id": offering_id, **more},
        headers={"Idempotency-Key": key},
    )


def test_a_command_said_again_gets_the_same_answer_and_nothing_happens(callers):
    first = top_up(callers)
    position = callers.its.ledger.position()
    again = top_up(callers)
    assert (again.status, again.json) == (first.status, first.json) == (201, first.json)
    assert again.position == first.position
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert callers.its.ledger.position() == position


def test_a_command_of_several_commits_has_one_key(callers):
    callers.rich(callers.ada)
    order_id = reserve(callers, callers.offering()).json["order_id"]

    def pay():
        return callers.ada.call(
            "POST",
            f"/v1/orders/{order_id}/payment",
            json={
                "tenders": [
                    {"tender": "card", "amount_minor": 30_00, "instrument": "tok-ok"},
                    {"tender": "e-money", "amount_minor": 10_00},
                ]
            },
            headers={"Idempotency-Key": KEY + "/payment"},
        )

    paid = pay()
    assert (paid.status, paid.json.get("state", paid.json)) == (201, "CONFIRMED")
    assert pay().json == paid.json


def test_without_a_key_it_is_another_command(callers):
    first, second = top_up(callers, key=None), top_up(callers, key=None)
    assert second.position > first.position


def test_a_key_stands_for_one_request(callers):
    top_up(callers)
    assert top_up(callers, amount_minor=600).refusal == (422, "idempotency")
    other = callers.operator.call(
        "POST", "/v1/parties", json={}, headers={"Idempotency-Key": KEY}
    )
    assert other.refusal == (422, "idempotency")


def test_two_actors_may_have_the_same_key(callers):
    offering_id = callers.offering()
    mine = reserve(callers, offering_id)
    his = reserve(callers, offering_id, by=callers.ben)
    assert (mine.status, his.status) == (201, 201)
    assert mine.json["order_id"] != his.json["order_id"]


def test_a_refusal_is_an_answer_and_stays_it(callers):
    offering_id = callers.offering(places=["A1"])
    taken = reserve(callers, offering_id, by=callers.ben)
    refused = reserve(callers, offering_id)
    assert refused.status == 409
    released = callers.ben.delete(f"/v1/orders/{taken.json['order_id']}")
    assert released.status == 204
    again = reserve(callers, offering_id)
    assert (again.status, again.json) == (409, refused.json)
    assert reserve(callers, offering_id, key="another").status == 201


@pytest.mark.parametrize("key", ["", "a,b c", "with space", "x" * 256, "tab\t"])
def test_a_key_of_another_form_is_refused_before_anything_is_done(callers, key):
    position = callers.its.ledger.position()
    refused = callers.operator.call(
        "POST", "/v1/accounts/top-ups", json={}, headers={"Idempotency-Key": key}
    )
    assert refused.refusal == (422, "malformed")
    assert "Idempotency-Key" in refused.json["detail"]
    assert callers.its.ledger.position() == position


def test_while_a_command_is_in_flight_the_same_one_waits(callers, monkeypatch):
    began, go_on = Event(), Event()
    real = Ledger.record

    def slowly(*given, **said):
        began.set()
        assert go_on.wait(20)
        return real(*given, **said)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(Ledger, "record", slowly)
        first = pool.submit(top_up, callers)
        assert began.wait(20)
        monkeypatch.setattr(Ledger, "record", real)
        second = top_up(callers)
        go_on.set()
        assert first.result().status == 201
    assert second.refusal == (409, "in_flight")
    assert 0 < int(second.headers["Retry-After"]) <= LEASE_S
    assert top_up(callers).json == first.result().json


def test_a_process_that_died_after_the_commit_left_one_effect(
    callers, clock, monkeypatch
):
    with monkeypatch.context() as dying:
        dying.setattr(AnswerStore, "keep", lambda *_: None)
        first = top_up(callers)
    assert top_up(callers).refusal == (409, "in_flight")
    position = callers.its.ledger.position()
    clock.passes(seconds=LEASE_S)
    for _ in range(2):
        told = top_up(callers)
        assert told.refusal == (409, "carried_out")
        assert told.json["facts"]["position"] == first.position
        assert told.json["because"]
    assert callers.its.ledger.position() == position


def test_a_process_that_died_before_the_commit_left_none(callers, clock, monkeypatch):
    def dies(*_given, **_said):
        raise OperationalError("the server went away")

    with monkeypatch.context() as dying:
        dying.setattr(Ledger, "record", dies)
        dying.setattr(AnswerStore, "let_go", lambda *_: None)
        assert top_up(callers).refusal == (503, "unavailable")
    assert top_up(callers).refusal == (409, "in_flight")
    clock.passes(seconds=LEASE_S)
    assert top_up(callers).status == 201


def test_what_came_to_nothing_may_be_tried_again_at_once(callers, monkeypatch):
    def dies(*_given, **_said):
        raise OperationalError("the server went away")

    with monkeypatch.context() as failing:
        failing.setattr(Ledger, "record", dies)
        assert top_up(callers).refusal == (503, "unavailable")
    assert top_up(callers).status == 201


def test_an_answer_that_is_not_kept_any_more_is_no_licence_to_do_it_twice(
    callers, clock
):
    top_up(callers)
    clock.passes(seconds=answers.KEPT_S + 1)
    callers.operator = callers.caller(Role.OPERATOR, party_id=callers.operator.party_id)
    assert callers.its.answers.clean(at=clock.now()) == 1
    position = callers.its.ledger.position()
    assert top_up(callers).refusal == (409, "carried_out")
    assert top_up(callers, amount_minor=1).refusal == (422, "idempotency")
    assert callers.its.ledger.position() == position


def test_who_reads_the_table_learns_neither_keys_nor_answers(callers):
    made = callers.operator.call(
        "POST",
        "/v1/tokens",
        json={
            "party_id": str(callers.ada.party_id),
            "roles": ["buyer"],
            "lifetime_s": 60,
        },
        headers={"Idempotency-Key": KEY},
    )
    token = made.json["token"]
    with callers.its.datastore.get_connection() as connection:
        rows = connection.execute("SELECT * FROM stored_answers").fetchall()
        (commands,) = connection.execute(
            "SELECT coalesce(string_agg(key, ' '), '') AS keys FROM ledger_commands"
        ).fetchall()
    (row,) = rows
    everything = b"".join(str(value).encode() for value in row.values())
    everything += bytes(row["sealed"]) + commands["keys"].encode()
    assert token.encode() not in everything
    assert KEY.encode() not in everything


def test_an_attempt_that_took_too_long_does_not_overwrite_the_newer_answer(
    installation,
):
    store = installation.answers
    asked = Asked("ada", KEY, bytes(32))
    late = store.begin(asked, at=NOON)
    assert isinstance(late, New)
    assert isinstance(store.begin(asked, at=NOON), InFlight)
    newer = store.begin(asked, at=NOON.replace(hour=13))
    assert isinstance(newer, New)
    store.keep(newer, b"newer")
    store.keep(late, b"late")
    store.let_go(late)
    assert store.begin(asked, at=NOON) == Kept(b"newer")


def test_an_attempt_from_before_the_key_was_free_again_does_not_answer_for_it(
    installation,
):
    store = installation.answers
    asked = Asked("ada", KEY, bytes(32))
    late = store.begin(asked, at=NOON)
    second = store.begin(asked, at=NOON.replace(hour=13))
    assert isinstance(late, New)
    assert isinstance(second, New)
    store.let_go(second)
    third_at = NOON.replace(hour=14)
    assert isinstance(store.begin(asked, at=third_at), New)
    store.let_go(late)
    store.keep(late, b"late")
    assert isinstance(store.begin(asked, at=third_at), InFlight)


def test_many_commands_repeated_reordered_and_at_once_have_one_effect_for_each_key(
    callers,
):
    keys = {f"key-{number}": 100 + number for number in range(60)}
    said = [each for each in keys for _ in range(5)]
    random.Random(7).shuffle(said)
    barrier = Barrier(4)

    def say(mine):
        barrier.wait()
        return [(key, insist(key)) for key in mine]

    def insist(key):
        for _ in range(TRIES_MAX):
            answer = top_up(callers, key=key, amount_minor=keys[key])
            if answer.status == 201:
                return str(answer.json)
            assert answer.refusal in [(409, "in_flight"), (409, "overtaken")]
        raise AssertionError(key)

    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(say, [said[n::4] for n in range(4)])
        told = [each for part in parts for each in part]
    # One body for each key, whoever asked and when; and its money came once.
    assert len(set(told)) == len(keys)
    assert balance(callers) == sum(keys.values())


def test_an_overtaken_command_is_begun_anew_by_the_same_key(callers, monkeypatch):
    def overtaken(*_given, **_said):
        raise Overtaken

    with monkeypatch.context() as busy:
        busy.setattr(Ledger, "record", overtaken)
        assert top_up(callers).refusal == (409, "overtaken")
    assert top_up(callers).status == 201


def test_who_was_given_up_too_early_is_not_contradicted_by_the_next_attempt(
    callers, clock, monkeypatch
):
    """The first attempt commits while the second is deciding."""
    offering_id = callers.offering(places=["A1"])
    began, go_on = Event(), Event()
    real = Ledger.record

    def slowly(*given, **said):
        began.set()
        assert go_on.wait(20)
        return real(*given, **said)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(Ledger, "record", slowly)
        first = pool.submit(reserve, callers, offering_id)
        assert began.wait(20)
        monkeypatch.setattr(Ledger, "record", real)
        clock.passes(seconds=LEASE_S)
        begin = AnswerStore.begin

        def first_commits(*given, **said):
            begun = begin(*given, **said)
            go_on.set()
            assert first.result(20).status == 201
            return begun

        monkeypatch.setattr(AnswerStore, "begin", first_commits)
        second = reserve(callers, offering_id)
        monkeypatch.setattr(AnswerStore, "begin", begin)
    assert second.refusal == (409, "carried_out")
    assert reserve(callers, offering_id).refusal == (409, "carried_out")


def test_a_key_that_is_none_is_refused_in_a_preview_as_well(callers):
    said = callers.operator.call(
        "POST",
        f"/v1/parties/{callers.ada.party_id}/erasure?dry_run=true",
        headers={"Idempotency-Key": "x" * 1_000},
    )
    assert said.refusal == (422, "malformed")
