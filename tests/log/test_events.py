"""What is stored stays readable: topics are written down, and old events still read."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from ledger.aggregates.base import Recorded
from ledger.application import AGGREGATES
from ledger.log.export import ExportedEvent
from ledger.log.replay import BadHistory, Replay
from tests.log.event_catalogue import MEANS, PATH, catalogue, events_of

GOLDEN = Path(__file__).parent.parent / "vectors" / "events.jsonl"


def golden() -> list[ExportedEvent]:
    lines = GOLDEN.read_text("utf-8").splitlines()
    return [
        ExportedEvent(
            **(json.loads(line) | _bytes(json.loads(line))), index=index, position=index
        )
        for index, line in enumerate(lines, 1)
    ]


def golden_aggregates() -> list[Recorded]:
    """What the golden events make, as of their last event."""
    replay = Replay()
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
    """The file only grows: it holds one event of each topic, as it was first stored."""
    replay = Replay()
    for event in golden():
        replay.apply(event)
    assert {event.topic for event in golden()} == set(MEANS)


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
