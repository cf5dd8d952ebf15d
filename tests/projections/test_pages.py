"""All views of a process read the log together.

Planted and caught: a page that begins one event late; the newest end kept with a gap in
it; an event of a line that was forgotten; every view's own reading of the log.
"""

from __future__ import annotations

from random import Random

from ledger.log.recorder import connect
from ledger.projections import pages
from ledger.projections.follower import Follower
from ledger.projections.pages import Pages
from ledger.projections.registry import NAMES, projection
from tests.api.statements import listening
from tests.log.opened import short_story


def test_readers_at_any_place_are_given_what_the_log_holds(ledger, monkeypatch):
    monkeypatch.setattr(pages, "KEPT_MAX", 10)
    short_story(ledger)
    size = ledger.position()
    assert size > 30
    whole = ledger.recorder.select_notifications(1, size)
    shared, chance = Pages(ledger), Random(20261123)
    for _ in range(400):
        place, limit = chance.randrange(size + 1), chance.randrange(1, 20)
        found = shared.after(place, limit)
        # What is kept may end before the log does; then it is asked for again.
        assert found or place == size
        assert list(found) == list(whole[place : place + len(found)])
        assert len(found) <= limit
        for each in found:
            assert shared.event(each) == ledger.mapper.to_domain_event(each)
    assert 0 < len(shared._kept) <= 10
    assert len(shared._decoded) <= 10


def test_what_is_new_is_found_after_what_is_kept(ledger):
    shared = Pages(ledger)
    assert shared.after(0, 100) == []
    short_story(ledger)
    assert shared.after(0, 10)[-1].id == 10
    assert [each.id for each in shared.after(10, 5)] == [11, 12, 13, 14, 15]
    assert [each.id for each in shared.after(2, 5)] == [3, 4, 5, 6, 7]


def test_what_was_kept_of_a_database_that_is_gone_is_forgotten(ledger):
    shared = Pages(ledger)
    short_story(ledger)
    (before,) = shared.after(0, 1)
    event = shared.event(before)
    assert shared.event(before) is event
    shared.forget()
    (again,) = shared.after(0, 1)
    assert again is not before
    assert shared.event(before) is not event


def test_all_views_of_a_process_read_a_line_of_the_log_once(ledger, monkeypatch):
    shared, asked = Pages(ledger), "FROM ledger_log l, LATERAL"
    short_story(ledger)
    all_of_them = [
        Follower(ledger, projection(name, ledger.recorder.datastore), pages=shared)
        for name in NAMES
    ]
    with connect(ledger.recorder.datastore) as connection:
        with listening(monkeypatch) as said:
            for each in all_of_them:
                assert each.step(connection) == ledger.position()
        assert len([text for text in said if asked in text]) == 1
        assert {each.view.position() for each in all_of_them} == {ledger.position()}
