"""An event that cannot be taken in stops the views that may need it, and no other.

Bugs planted to see this fail: an unknown topic walked past; every event decoded by
every view; an error of the event taken for one of the moment, and tried for ever.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import Notification, StoredEvent

from ledger.application import AGGREGATES, Ledger
from ledger.log.recorder import connect
from ledger.projections import intake
from ledger.projections.base import Skipped
from ledger.projections.intake import Stopped, TopicUnknown
from ledger.projections.registry import NAMES
from tests.log.event_catalogue import events_of
from tests.log.opened import short_story
from tests.projections.following import catch_up, follower
from tests.projections.whims import stories

NEEDS: dict[str, set[str]] = {
    "e-ticket.issued": {
        *("ownership", "freshness", "wallet", "notices", "market", "redemptions"),
    },
    "medium.personalised": {"freshness", "media"},
    "entry.made": {"accounts", "entries"},
    "gift.offered": {"gifts"},
    "party.registered": set(),
}


def append(ledger: Ledger, topic: str, state: bytes = b"no JSON") -> int:
    given = StoredEvent(UUID(int=77), 1, topic, state)
    (position,) = ledger.recorder.insert_events([given])
    return position


def stopped(ledger: Ledger, position: int) -> dict[str, BaseException | None]:
    """Have all views follow; return which stopped at the position, and why."""
    found: dict[str, BaseException | None] = {}
    for name in NAMES:
        try:
            catch_up(ledger, name)
        except Stopped as each:
            found[name] = each.__cause__
        reached = position - 1 if name in found else ledger.position()
        assert follower(ledger, name).view.position() == reached, name
    return found


@pytest.mark.parametrize("topic", NEEDS)
def test_an_event_that_cannot_be_read_stops_the_views_that_take_such_events(
    ledger, topic
):
    short_story(ledger)
    position = append(ledger, topic)
    stories(ledger)
    assert set(stopped(ledger, position)) == NEEDS[topic]


def test_an_event_of_a_newer_version_stops_every_view_until_that_version_follows(
    ledger, monkeypatch
):
    short_story(ledger)
    position = append(ledger, "e-ticket.lent", b"{}")
    stories(ledger)
    why = stopped(ledger, position)
    assert set(why) == set(NAMES)
    assert all(isinstance(each, TopicUnknown) for each in why.values())
    assert "is called e-ticket.lent" in str(why["gifts"])

    newer = {**intake.events_by_topic(), "e-ticket.lent": type(Ellipsis)}
    monkeypatch.setattr(intake, "events_by_topic", lambda: newer)
    assert stopped(ledger, position) == {}


def test_a_topic_is_never_looked_for_among_the_modules_of_the_system(ledger):
    position = append(ledger, "this", b"{}")
    assert set(stopped(ledger, position)) == set(NAMES)
    assert "this" not in sys.modules


def test_all_events_that_are_recorded_are_known():
    topics = {each.TOPIC for kind in AGGREGATES for each in events_of(kind)}
    assert set(intake.events_by_topic()) == topics


def test_no_position_is_passed_over(ledger):
    short_story(ledger)
    its = follower(ledger, "gifts")
    found = ledger.recorder.select_notifications(1, 10)
    with connect(ledger.recorder.datastore) as connection:
        missing: Sequence[Notification] = []
        for missing in (found[1:], [*found[:2], *found[3:]]):
            with pytest.raises(Stopped) as raised:
                its.intake.take_in(missing, connection)
            assert isinstance(raised.value.__cause__, Skipped)
        its.intake.take_in(found[2:], connection)
    assert its.view.position() == 10


def test_a_row_that_no_index_can_hold_is_an_event_that_does_not_fit(ledger, database):
    """The server calls it an operational error, as it does a lost connection."""
    short_story(ledger)
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "CREATE FUNCTION noise(text) RETURNS text LANGUAGE sql IMMUTABLE AS"
            " 'SELECT string_agg(md5($1 || n), '''') FROM generate_series(1, 999) n'"
        )
        connection.execute("CREATE INDEX ON ownership (noise(event))")
    with pytest.raises(Stopped) as raised:
        catch_up(ledger, "ownership")
    assert isinstance(raised.value.__cause__, psycopg.errors.ProgramLimitExceeded)
