"""The outbox is sent: each thing at least once, by whoever is there, or given up.

Bugs planted to see this fail: a lease that is not asked for its id when it is settled,
or not respected; attempts not counted when they begin; an erased party written to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from ledger.adapters.outbox import EMAIL, WEBHOOK, NotificationKind
from ledger.adapters.smtp import Mail, MailServer
from ledger.adapters.subscriptions import Subscription, Subscriptions
from ledger.adapters.webhooks import Webhooks
from ledger.aggregates.party import Party
from ledger.application import Ledger
from ledger.clock import new_id
from ledger.errors import Unknown
from ledger.log.cipher import SubjectCipher
from ledger.policies import sending
from ledger.policies.sending import ATTEMPTS_MAX, LEASE_S, Sender, backoff_s
from ledger.ports import Channel, Destination, Message, Undelivered
from ledger.usecases import parties, webhooks
from ledger.usecases.gifts import Recipient
from ledger.usecases.webhooks import SUBSCRIPTIONS_MAX, BadWebhook, TooManyWebhooks
from tests.domain.examples import ALICE, BOB, NOON
from tests.log.keys import local_keys
from tests.policies.receivers import mailbox, receiving
from tests.policies.telling import change, follower, outbox, rows
from tests.usecases.giving import CAUSE, Giving, fresh

ORIGIN = "tickets.example/log"
KEY = bytes(32)
NAME, CONTACT = "Dora Duck", "dora@example.org"
DORA = UUID(int=777)


class Reached(Channel):
    """A channel that notes what it is given, or fails as it is told to."""

    def __init__(self, failure: Undelivered | None = None) -> None:
        self.failure = failure
        self.taken: list[tuple[Message, Destination, datetime]] = []

    def deliver(self, message: Message, to: Destination, *, at: datetime) -> None:
        self.taken.append((message, to, at))
        if self.failure is not None:
            raise self.failure


def cipher(ledger: Ledger) -> SubjectCipher:
    return SubjectCipher(ledger.recorder.datastore, key_encryption=local_keys(KEY))


def subscriptions(ledger: Ledger) -> Subscriptions:
    return Subscriptions(ledger.recorder.datastore, key_encryption=KEY)


def sender(ledger: Ledger, **channels: Channel) -> Sender:
    return Sender(
        ledger,
        outbox(ledger),
        subscriptions(ledger),
        cipher(ledger),
        channels,
        origin=ORIGIN,
        new_id=new_id,
        chance=lambda: 1.0,
    )


def gift_to_dora(ledger: Ledger, contact: str | None = CONTACT) -> UUID:
    """Offer a ticket to Dora, and note that she is to be told; return its id."""
    giving = Giving(ledger)
    parties.register(
        ledger,
        cipher(ledger),
        party_id=DORA,
        kind="person",
        name=NAME,
        contact=contact,
        at=NOON,
        cause=CAUSE,
    )
    (ticket_id,) = giving.issue()
    giving.offer(ticket_id, recipient=Recipient(DORA))
    follower(ledger).catch_up()
    return ticket_id


def all_states(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    found = rows(ledger, "SELECT channel, state, said FROM outbox ORDER BY channel")
    return [(row["channel"], row["state"], row["said"]) for row in found]


def clock(at: datetime = NOON) -> Any:
    return lambda: at


def test_a_gift_is_told_by_mail_and_by_webhook_with_nothing_of_the_person_in_a_row(
    ledger,
):
    with mailbox() as box, receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        Giving(ledger)
        parties.register(
            ledger,
            cipher(ledger),
            party_id=DORA,
            kind="person",
            name=NAME,
            contact=CONTACT,
            at=NOON,
            cause=CAUSE,
        )
        made = webhooks.create(
            ledger,
            subscriptions(ledger),
            subscription_id=fresh(),
            party_id=DORA,
            url=url,
            kinds=None,
            at=NOON,
            loopback=True,
        )
        now = datetime.now(NOON.tzinfo)
        ticket_id = offer_to(ledger, DORA)
        follower(ledger).catch_up()
        everything = str(rows(ledger, "SELECT o::text FROM outbox o"))
        assert NAME not in everything
        assert CONTACT not in everything
        mail = Mail(
            MailServer.parse(f"smtp+plain://127.0.0.1:{box.port}"),
            sender="tickets@example.org",
        )
        hooks = Webhooks(user_agent="eticket-ledger", loopback=True)
        its = sender(ledger, email=mail, webhook=hooks)
        assert [its.send_next(lambda: now) for _ in range(3)] == ["sent", "sent", None]
    ((_, recipients, content),) = box.letters
    assert recipients == [CONTACT]
    assert NAME.encode() in content
    ((_, headers, body),) = receiver.taken
    assert Webhook(made.secret).verify(body, headers)
    said = json.loads(body)
    assert said["type"] == "gift_offered"
    assert said["data"]["about_id"] == str(ticket_id)
    assert NAME.encode() not in body
    assert f"<{headers['webhook-id']}@example.org>".encode() in content
    assert all_states(ledger) == [(EMAIL, "sent", None), (WEBHOOK, "sent", None)]


def offer_to(ledger: Ledger, party_id: UUID) -> UUID:
    giving = object.__new__(Giving)  # Everybody is registered already.
    giving.ledger, giving.personal = ledger, cipher(ledger)
    (ticket_id,) = giving.issue()
    giving.offer(ticket_id, recipient=Recipient(party_id))
    return ticket_id


def test_an_erased_person_is_not_told_by_any_way_and_the_rows_say_so(ledger):
    gift_to_dora(ledger)
    subscribe(ledger, DORA)
    offer_to(ledger, DORA)
    follower(ledger).catch_up()
    cipher(ledger).destroy(DORA)
    channel = Reached()
    its = sender(ledger, email=channel, webhook=channel)
    came = [its.send_next(clock()) for _ in range(4)]
    assert came == ["dropped", "dropped", "dropped", None]
    assert channel.taken == []
    erased = "the recipient was erased"
    assert all_states(ledger) == [
        (EMAIL, "dropped", erased),
        (EMAIL, "dropped", erased),
        (WEBHOOK, "dropped", erased),
    ]


def test_without_a_contact_or_without_mail_set_up_a_letter_is_dropped(ledger):
    gift_to_dora(ledger, contact=None)
    assert sender(ledger, email=Reached()).send_next(clock()) == "dropped"
    change(ledger, "UPDATE outbox SET state = 'waiting', settled_at = NULL")
    assert sender(ledger).send_next(clock()) == "dropped"
    assert all_states(ledger) == [(EMAIL, "dropped", "no email is set up")]


def test_what_fails_is_tried_again_later_and_later_and_given_up_at_last(ledger):
    gift_to_dora(ledger)
    channel = Reached(Undelivered("nobody answered"))
    its = sender(ledger, email=channel)
    at, waits = NOON, []
    while True:
        came = its.send_next(clock(at))
        if came == "dead":
            break
        assert came == "waiting"
        assert its.send_next(clock(at)) is None
        due = rows(ledger, "SELECT due_at FROM outbox")[0]["due_at"]
        waits.append((due - at).total_seconds())
        at = due
    assert len(channel.taken) == ATTEMPTS_MAX
    assert waits[:4] == [5, 20, 80, 320]
    assert waits == sorted(waits)
    assert waits[-1] == sending.BACKOFF_MAX_S
    assert timedelta(days=1) < at - NOON < timedelta(days=2)
    ((position, party_id, said),) = [
        (each.position, each.party_id, each.said) for each in outbox(ledger).dead()
    ]
    assert (party_id, said) == (DORA, "nobody answered")
    assert outbox(ledger).revive(at=at) == 1
    channel.failure = None
    assert its.send_next(clock(at)) == "sent"
    ids = {message.message_id for message, _, _ in channel.taken}
    assert len(ids) == 1
    assert position > 0


@given(attempts=st.integers(1, 40), chance=st.floats(0, 1))
def test_the_pause_is_at_least_half_and_at_most_the_whole(attempts, chance):
    most = backoff_s(attempts, 1.0)
    assert most / 2 <= backoff_s(attempts, chance) <= most <= sending.BACKOFF_MAX_S


def test_what_is_refused_for_good_is_given_up_at_once(ledger):
    gift_to_dora(ledger)
    channel = Reached(Undelivered("no such mailbox", for_good=True))
    assert sender(ledger, email=channel).send_next(clock()) == "dead"
    assert all_states(ledger) == [(EMAIL, "dead", "no such mailbox")]


def test_who_dies_with_a_lease_leaves_it_to_another_when_it_is_over(ledger):
    gift_to_dora(ledger)
    lost = outbox(ledger).claim(lease_id=new_id(), lease_s=LEASE_S, at=NOON)
    assert lost is not None
    channel = Reached()
    its = sender(ledger, email=channel)
    late = NOON + timedelta(seconds=LEASE_S)
    assert its.send_next(clock(late - timedelta(seconds=1))) is None
    assert its.send_next(clock(late)) == "sent"
    # Back from the dead, it changes nothing any more.
    assert not outbox(ledger).settle(lost, "dead", said="late", at=late)
    assert not outbox(ledger).put_off(lost, until=NOON, said="late")
    assert all_states(ledger) == [(EMAIL, "sent", None)]


def test_a_slow_receiver_is_sent_one_thing_at_a_time_and_holds_up_nobody_else(ledger):
    giving = Giving(ledger)
    slow, other = subscribe(ledger), subscribe(ledger)
    for ticket_id in giving.issue(3):
        giving.decline(giving.offer(ticket_id))
    follower(ledger).catch_up()
    its = outbox(ledger)
    taken = [its.claim(lease_id=new_id(), lease_s=60, at=NOON) for _ in range(9)]
    targets = [each.target_id for each in taken if each and each.channel == WEBHOOK]
    assert sorted(targets) == sorted([slow.subscription_id, other.subscription_id])
    for each in taken:
        if each and each.target_id == other.subscription_id:
            assert its.settle(each, "sent", at=NOON)
    again = its.claim(lease_id=new_id(), lease_s=60, at=NOON)
    assert again is not None
    assert again.target_id == other.subscription_id


def test_a_receiver_that_fails_long_is_asked_seldom_whatever_waits_for_it(ledger):
    giving = Giving(ledger)
    made = subscribe(ledger)
    for ticket_id in giving.issue(12):
        giving.decline(giving.offer(ticket_id))
    follower(ledger).catch_up()
    change(ledger, "DELETE FROM outbox WHERE channel = 'email'")
    all_to_dora(ledger)
    channel = Reached(Undelivered("500"))
    post, at = sender(ledger, webhook=channel), NOON
    while at < NOON + timedelta(hours=1):
        post.send_next(clock(at))
        quiet_until = found(ledger, made.subscription_id).quiet_until
        assert quiet_until is not None
        at = max(quiet_until, at + timedelta(seconds=1))
    assert len(channel.taken) < 20


def test_a_message_that_kills_its_senders_is_given_up_too(ledger):
    gift_to_dora(ledger)
    at = NOON
    for _ in range(ATTEMPTS_MAX):
        assert outbox(ledger).claim(lease_id=new_id(), lease_s=LEASE_S, at=at)
        at += timedelta(seconds=LEASE_S)
    channel = Reached()
    assert sender(ledger, email=channel).send_next(clock(at)) == "dead"
    assert channel.taken == []


def test_many_senders_at_once_send_each_thing_once(ledger):
    giving = Giving(ledger)
    for ticket_id in giving.issue(40):
        giving.offer(ticket_id)
    follower(ledger).catch_up()
    all_to_dora(ledger)
    change(ledger, "UPDATE outbox SET target_id = about_id")
    channel = Reached()
    threads = [
        threading.Thread(target=drain, args=(sender(ledger, email=channel),))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [message.message_id for message, _, _ in channel.taken]
    assert len(ids) == len(set(ids)) == 40


def all_to_dora(ledger: Ledger) -> None:
    """Who else is told here has no name: let it be Dora who is told."""
    if ledger.find(Party, DORA) is None:
        parties.register(
            ledger,
            cipher(ledger),
            party_id=DORA,
            kind="person",
            name=NAME,
            contact=CONTACT,
            at=NOON,
            cause=CAUSE,
        )
    change(ledger, "UPDATE outbox SET party_id = %s", DORA)


def drain(its: Sender) -> None:
    while its.send_next(clock()) is not None:
        pass


def test_a_sender_that_is_killed_within_a_delivery_has_it_sent_again(ledger, database):
    """Killed after the receiver has it: it arrives twice, with the same id."""
    gift_to_dora(ledger)
    with mailbox() as box:
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.policies.postman"),
                *(database.server_url, database.schema, str(box.port)),
            ],
            stdout=subprocess.PIPE,
        ) as postman:
            assert postman.stdout is not None
            assert postman.stdout.readline() == b"delivered\n"
            postman.kill()
        assert all_states(ledger) == [(EMAIL, "waiting", None)]
        mail = Mail(
            MailServer.parse(f"smtp+plain://127.0.0.1:{box.port}"),
            sender="tickets@example.org",
        )
        its = sender(ledger, email=mail)
        assert its.send_next(clock()) is None
        assert its.send_next(clock(NOON + timedelta(seconds=LEASE_S))) == "sent"
    first, second = (line_of(content) for _, _, content in box.letters)
    assert first == second


def line_of(content: bytes) -> bytes:
    return next(x for x in content.splitlines() if x.startswith(b"Message-ID"))


# Subscriptions.


def subscribe(ledger: Ledger, party_id: UUID = ALICE, **given: Any) -> Any:
    said: dict[str, Any] = {
        "subscription_id": fresh(),
        "party_id": party_id,
        "url": "https://hooks.example.org/",
        "kinds": None,
        "at": NOON,
    }
    return webhooks.create(ledger, subscriptions(ledger), **(said | given))


def found(ledger: Ledger, subscription_id: UUID) -> Subscription:
    its = subscriptions(ledger).find(subscription_id)
    assert its is not None
    return its


def test_a_subscription_is_told_of_the_kinds_it_names_from_then_on(ledger):
    giving = Giving(ledger)
    (ticket_id,) = giving.issue()
    giving.decline(giving.offer(ticket_id))
    every = subscribe(ledger).subscription_id
    only = subscribe(ledger, kinds=["gift_accepted"]).subscription_id
    subscribe(ledger, BOB, kinds=["gift_accepted"])
    giving.decline(giving.offer(ticket_id))
    giving.accept(giving.offer(ticket_id))
    follower(ledger).catch_up()
    noted = rows(
        ledger,
        "SELECT kind, target_id FROM outbox WHERE channel = 'webhook'"
        " ORDER BY position, target_id",
    )
    assert [(row["kind"], row["target_id"]) for row in noted] == [
        ("gift_declined", every),
        ("gift_accepted", every),
        ("gift_accepted", only),
    ]


def test_a_secret_is_kept_wrapped_and_rotated_with_both_signing_for_a_day(ledger):
    Giving(ledger)
    made = subscribe(ledger)
    its = subscriptions(ledger)
    (first,) = its.keys(made.subscription_id, at=NOON)
    kept = bytes(rows(ledger, "SELECT secret FROM webhook_subscriptions")[0]["secret"])
    assert first not in kept
    again = webhooks.rotate(
        its, subscription_id=made.subscription_id, by=ALICE, at=NOON
    )
    assert again.secret != made.secret
    second, old = its.keys(made.subscription_id, at=NOON + timedelta(hours=23))
    assert old == first != second
    assert its.keys(made.subscription_id, at=NOON + timedelta(hours=24)) == (second,)


def test_somebody_elses_subscription_is_not_there(ledger):
    Giving(ledger)
    made, its = subscribe(ledger), subscriptions(ledger)
    for command in (webhooks.rotate, webhooks.delete):
        for by, which in ((BOB, made.subscription_id), (ALICE, fresh())):
            with pytest.raises(Unknown):
                command(its, subscription_id=which, by=by, at=NOON)
    assert len(webhooks.of_party(its, party_id=ALICE)) == 1
    assert webhooks.of_party(its, party_id=BOB) == []


def test_a_deleted_subscription_is_sent_nothing_not_even_what_waited(ledger):
    giving = Giving(ledger)
    made, its = subscribe(ledger), subscriptions(ledger)
    giving.decline(giving.offer(*giving.issue()))
    follower(ledger).catch_up()
    webhooks.delete(its, subscription_id=made.subscription_id, by=ALICE, at=NOON)
    assert (WEBHOOK, "dropped", "the subscription was deleted") in all_states(ledger)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://hooks.example.org/"},
        {"url": "https://10.0.0.1/"},
        {"url": "https://[::ffff:169.254.169.254]/"},
        {"url": "https://0x7f000001/"},
        {"url": "http://localhost:1/"},
        {"kinds": ["gift_offered", "nonsense"]},
        {"kinds": []},
    ],
)
def test_a_subscription_to_what_is_not_sent_is_refused(ledger, given):
    Giving(ledger)
    with pytest.raises(BadWebhook):
        subscribe(ledger, **given)
    assert webhooks.of_party(subscriptions(ledger), party_id=ALICE) == []


def test_a_party_has_so_many_subscriptions_and_no_more(ledger):
    Giving(ledger)
    for _ in range(SUBSCRIPTIONS_MAX):
        subscribe(ledger, kinds=list(NotificationKind))
    with pytest.raises(TooManyWebhooks):
        subscribe(ledger)
    with pytest.raises(Unknown):
        subscribe(ledger, fresh())


def test_a_receiver_that_fails_holds_up_what_else_goes_there_for_a_while(ledger):
    giving = Giving(ledger)
    made = subscribe(ledger)
    for ticket_id in giving.issue(2):
        giving.decline(giving.offer(ticket_id))
    follower(ledger).catch_up()
    change(ledger, "DELETE FROM outbox WHERE channel = 'email'")
    all_to_dora(ledger)
    channel = Reached(Undelivered("500"))
    post = sender(ledger, webhook=channel)
    assert post.send_next(clock()) == "waiting"
    assert post.send_next(clock()) is None
    assert found(ledger, made.subscription_id).failures == 1
    channel.failure = None
    later = NOON + timedelta(seconds=sending.BACKOFF_S)
    assert [post.send_next(clock(later)) for _ in range(3)] == ["sent", "sent", None]
    assert found(ledger, made.subscription_id).failures == 0


def test_a_receiver_that_is_gone_is_sent_nothing_more(ledger):
    giving = Giving(ledger)
    made = subscribe(ledger)
    first, second, third = giving.issue(3)
    for ticket_id in (first, second):
        giving.decline(giving.offer(ticket_id))
    follower(ledger).catch_up()
    change(ledger, "DELETE FROM outbox WHERE channel = 'email'")
    all_to_dora(ledger)
    channel = Reached(Undelivered("410", gone=True))
    post = sender(ledger, webhook=channel)
    assert post.send_next(clock()) == "dead"
    later = NOON + timedelta(hours=1)
    assert post.send_next(clock(later)) == "dropped"
    assert len(channel.taken) == 1
    assert found(ledger, made.subscription_id).ended_at == NOON
    giving.decline(giving.offer(third))
    follower(ledger).catch_up()
    change(ledger, "DELETE FROM outbox WHERE channel = 'email'")
    all_to_dora(ledger)
    assert post.send_next(clock(later)) is None


def test_what_was_settled_long_ago_is_forgotten(ledger):
    gift_to_dora(ledger)
    its = outbox(ledger)
    assert its.clean(before=NOON + timedelta(days=99), limit=10) == 0
    assert sender(ledger, email=Reached()).send_next(clock()) == "sent"
    assert its.clean(before=NOON, limit=10) == 0
    assert its.clean(before=NOON + timedelta(seconds=1), limit=10) == 1
    assert all_states(ledger) == []
