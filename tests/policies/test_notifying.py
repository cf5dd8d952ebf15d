"""What follows from events: the same whoever follows, however often, in any portions.

Bugs planted to see this fail: the bookmark moved before the rows, in a commit of its
own; the owner asked as he is now.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.adapters.migrator import migrate
from ledger.adapters.outbox import Notification, NotificationKind
from ledger.aggregates.case import Case
from ledger.application import Ledger
from ledger.log.recorder import environment
from ledger.projections.intake import TopicUnknown
from ledger.usecases.gifts import Recipient
from tests.domain.examples import ALICE, BOB, CAROL, NOON
from tests.log.opened import short_story
from tests.policies.telling import change, follower, forget, outbox, rows, told
from tests.projections.following import catch_up
from tests.projections.whims import stories
from tests.usecases.giving import Giving, a_claim, fresh


def test_what_is_told_is_what_the_view_of_notices_tells(ledger):
    """The view keeps rows up to date, the policy reads the past: two ways, one truth.

    Of cases there is another notice: of each ticket that one freezes.
    """
    for seed in range(3):
        stories(ledger, seed)
    short_story(ledger)
    catch_up(ledger, "notices")
    follower(ledger).catch_up()
    kinds = [kind for kind in NotificationKind if kind != NotificationKind.CASE_OPENED]
    expected = rows(
        ledger,
        "SELECT position, party_id, kind, ticket_id AS about_id FROM notices"
        " WHERE kind = ANY (%s) ORDER BY 1, 2, 3",
        list(kinds),
    )
    found = rows(
        ledger,
        "SELECT position, party_id, kind, about_id FROM outbox"
        " WHERE kind = ANY (%s) ORDER BY 1, 2, 3",
        list(kinds),
    )
    assert found == expected
    assert {row["kind"] for row in found} == set(kinds)


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_following_again_in_other_portions_gives_the_same_outbox(ledger, seed):
    chance = Random(seed)
    stories(ledger, seed)
    follower(ledger).catch_up()
    once = told(ledger)
    forget(ledger)
    while follower(ledger, chance.randint(1, 40)).step():
        if chance.random() < 0.1:
            forget(ledger)
    assert told(ledger) == once
    change(ledger, "DELETE FROM outbox")
    forget(ledger)
    follower(ledger, chance.randint(1, 40)).catch_up()
    assert told(ledger) == once


def test_who_follows_is_killed_again_and_again_and_nothing_is_doubled_or_lost(
    ledger, database
):
    stories(ledger, 5)
    follower(ledger).catch_up()
    quiet = told(ledger)
    change(ledger, "DELETE FROM outbox")
    forget(ledger)
    killed = 0
    for lines in (1, 4, 2):
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.policies.teller"),
                *(database.server_url, database.schema),
            ],
            stdout=subprocess.PIPE,
        ) as teller:
            assert teller.stdout is not None
            for _ in range(lines):
                assert teller.stdout.readline()
            teller.kill()
        killed += teller.returncode < 0
    assert killed == 3
    assert follower(ledger).step() > 0  # They had not come to the end.
    follower(ledger).catch_up()
    assert told(ledger) == quiet


def test_of_two_who_follow_at_once_one_passes_and_nothing_is_doubled(ledger):
    stories(ledger, 2)
    first, second = follower(ledger, 7), follower(ledger, 11)
    policy = second._policy
    keep = policy.keep

    def late(found: Sequence[Notification], *, after: int, upto: int) -> bool:
        first.step()
        return keep(found, after=after, upto=upto)

    policy.keep = late  # type: ignore[method-assign]
    assert second.step() == 0
    assert first.step() > 0
    follower(ledger).catch_up()
    passed = told(ledger)
    forget(ledger)
    follower(ledger).catch_up()
    assert told(ledger) == passed


def test_those_who_own_the_tickets_of_a_case_are_told_each_once(ledger):
    giving = Giving(ledger)
    first, second, third, fourth = giving.issue(4)
    giving.accept(giving.offer(third, fourth), by=BOB)
    case_id = giving.freeze(fresh(), first, second, third)
    giving.freeze(case_id, fourth)
    assert ledger.find(Case, case_id)
    follower(ledger).catch_up()
    found = rows(
        ledger,
        "SELECT party_id, about_id, detail->'ticket_ids' AS ids FROM outbox"
        " WHERE kind = 'case_opened' ORDER BY position, party_id",
    )
    assert {row["about_id"] for row in found} == {case_id}
    assert [(row["party_id"], row["ids"]) for row in found] == [
        (ALICE, [str(first), str(second)]),
        (BOB, [str(third)]),
        (BOB, [str(fourth)]),
    ]


def test_whoever_owned_it_then_is_told_even_if_the_log_has_gone_on(ledger):
    giving = Giving(ledger)
    (ticket_id,) = giving.issue()
    giving.decline(giving.offer(ticket_id))
    giving.freeze(fresh(), ticket_id, effects=("no_refund",))
    giving.accept(giving.offer(ticket_id))
    giving.accept(giving.offer(ticket_id, by=BOB, recipient=Recipient(CAROL)), by=CAROL)
    follower(ledger).catch_up()
    found = rows(ledger, "SELECT kind, party_id FROM outbox ORDER BY position, kind")
    assert [(row["kind"], row["party_id"]) for row in found] == [
        ("gift_offered", BOB),
        ("gift_declined", ALICE),
        ("case_opened", ALICE),
        ("gift_offered", BOB),
        ("gift_accepted", ALICE),
        ("gift_offered", CAROL),
        ("gift_accepted", BOB),
    ]


def test_of_a_mere_flag_a_claim_and_a_direct_offer_nobody_is_told(ledger):
    giving = Giving(ledger)
    first, second, third = giving.issue(3)
    giving.freeze(fresh(), first, effects=("flag_only",))
    giving.offer(second, recipient=Recipient(BOB, via="direct", claim=a_claim()))
    to_contact = Recipient(contact="dora@example.org", claim=a_claim("d"))
    giving.offer(third, recipient=to_contact)
    assert follower(ledger).catch_up() > 0
    assert told(ledger) == []


def test_nobody_is_told_of_what_happened_before_there_was_an_outbox(database):
    migrate(database.server_url, schema=database.schema)
    old = Ledger(environment(database.server_url, database.schema, 4))
    try:
        stories(old)
        outbox_made_now(old)
        assert follower(old).catch_up() == 0
        stories(old, 2)
        follower(old).catch_up()
        assert told(old)
    finally:
        old.close()


def outbox_made_now(ledger: Ledger) -> None:
    """Run the migration's own words again."""
    change(ledger, "DELETE FROM policy_tracking")
    change(
        ledger,
        "INSERT INTO policy_tracking (name, position)"
        " SELECT 'notifications', size FROM ledger_head",
    )


def test_an_event_of_a_newer_version_stops_the_policy_behind_what_it_knows(ledger):
    stories(ledger, 3)
    its = follower(ledger)
    unknown = rows(
        ledger,
        "SELECT position, topic FROM ledger_log JOIN ledger_events USING"
        " (originator_id, originator_version) ORDER BY position OFFSET 9 LIMIT 1",
    )[0]
    del its._takes[unknown["topic"]]
    first = rows(
        ledger,
        "SELECT min(position) AS at FROM ledger_log JOIN ledger_events USING"
        " (originator_id, originator_version) WHERE topic = %s",
        unknown["topic"],
    )[0]["at"]
    for _ in range(2):
        with pytest.raises(TopicUnknown):
            its.step()
        assert its._tracking.position("notifications") == first - 1
    follower(ledger).catch_up()
    assert its._tracking.position("notifications") == ledger.position()


def test_the_outbox_counts_what_it_holds(ledger):
    stories(ledger)
    follower(ledger).catch_up()
    state = outbox(ledger).state(at=NOON)
    assert state.waiting == len(told(ledger)) > 0
    assert (state.sent, state.dead, state.dropped) == (0, 0, 0)
