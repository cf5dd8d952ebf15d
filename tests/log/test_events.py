"""What is stored stays readable: topics are written down, and old events still read."""

from __future__ import annotations

import hashlib
import json
from uuid import UUID

import pytest

from ledger.aggregates.base import Recorded
from ledger.application import AGGREGATES
from ledger.log.export import ExportedEvent
from ledger.log.replay import BadHistory, Replay
from tests.log.event_catalogue import (
    EXAMPLE_TOPIC,
    GOLDEN,
    MEANS,
    PATH,
    catalogue,
    events_of,
    upcasts_of,
)

# So many lines of the golden events were stored when this was last looked at.
STORED_LINES = 260
STORED_SHA256 = "b2e32d5601841fca2d3b1a9b3510d00cc1ffa64f9798df34e8395c02bdb55aaf"


def golden() -> list[ExportedEvent]:
    lines = GOLDEN.read_text("utf-8").splitlines()
    return [
        ExportedEvent(
            **(json.loads(line) | _bytes(json.loads(line))), index=index, position=index
        )
        for index, line in enumerate(lines, 1)
    ]


def shape(topic: str, state: bytes) -> tuple[str, int]:
    """Return topic and version of a stored event."""
    return topic, json.loads(state).get("class_version", 1)


def golden_aggregates() -> list[Recorded]:
    """What the golden events make, as of their last event.

    They are kept for their shapes, and are no history of one log.
    """
    replay = Replay(rules=False)
    for event in golden():
        replay.apply(event)
    return [replay.present(stream) for stream in {e.originator_id for e in golden()}]


def _bytes(said):
    return {
        "originator_id": UUID(said["originator_id"]),
        "state": said["state"].encode(),
    }


def test_the_catalogue_says_what_the_code_records():
    assert PATH.read_text("utf-8") == catalogue()


def test_every_topic_is_written_down_once():
    topics = [event.TOPIC for each in AGGREGATES for event in events_of(each)]
    assert sorted(topics) == sorted(MEANS)


def test_every_event_ever_stored_still_reads():
    replay = Replay(rules=False)
    for event in golden():
        replay.apply(event)


def test_an_event_of_every_topic_and_version_is_kept():
    """`python -m tests.log.golden` adds what stories tell; the file only grows."""
    kept = {shape(event.topic, event.state) for event in golden()}
    assert kept == {
        (event.TOPIC, version)
        for aggregate in AGGREGATES
        for event in events_of(aggregate)
        for version in range(1, event.class_version + 1)
    }


def test_a_line_that_was_stored_never_changes():
    lines = GOLDEN.read_bytes().splitlines(keepends=True)[:STORED_LINES]
    assert hashlib.sha256(b"".join(lines)).hexdigest() == STORED_SHA256


def test_every_upcast_says_what_was_different_then():
    upcasts = [
        upcast
        for aggregate in AGGREGATES
        for event in events_of(aggregate)
        for upcast in upcasts_of(event)
    ]
    assert upcasts
    assert [upcast.__qualname__ for upcast in upcasts if not upcast.__doc__] == []


def test_a_ticket_issued_by_the_first_version_reads_as_one_of_today():
    issued = next(event for event in golden() if event.topic == EXAMPLE_TOPIC)
    assert shape(issued.topic, issued.state) == (EXAMPLE_TOPIC, 1)
    replay = Replay()
    replay.apply(issued)
    ticket = replay.present(issued.originator_id)
    assert (ticket.source, ticket.group_id, ticket.group_size) == ("sale", None, 1)
    assert (ticket.uses.unit, ticket.fees_minor, ticket.category) == ("count", 0, None)
    assert b"group_size" not in issued.state  # What is stored stays as it was.


def test_an_event_of_an_unknown_topic_does_not_replay():
    event = golden()[0]
    other = ExportedEvent(
        index=0,
        position=1,
        originator_id=event.originator_id,
        version=1,
        topic="no.such",
        state=event.state,
    )
    with pytest.raises(BadHistory):
        Replay().apply(other)
