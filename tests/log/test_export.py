"""An export ends with what was published, in one form, and is whole or not there.

Bugs planted to see this fail: the published root not compared; the events after the
checkpoint written, too; a topic's quote not escaped.
"""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.application import Ledger
from ledger.log.checkpoint import Checkpoint
from ledger.log.export import ExportedEvent, NotAsSigned, encode, export_published
from ledger.log.policy import Policy
from ledger.log.proof_store import Published
from ledger.log.publisher import Round
from ledger.log.verify import Older, exported_events, verify_export
from tests.log.opened import short_story
from tests.log.witnessing import SIGNER, SetClock, Wire, append, publisher, store_of

KEYS = [SIGNER.verifier]


def publish(ledger: Ledger, wire: Wire, *, quorum: str = "none") -> None:
    with closing(publisher(ledger, wire, quorum=quorum)) as its:
        assert its.round() == Round.PUBLISHED


@given(
    index=st.integers(0, 2**63),
    originator_id=st.uuids(),
    version=st.integers(1, 2**63),
    topic=st.text(),
    state=st.binary() | st.text().map(str.encode),
    hashed=st.binary(min_size=32, max_size=32),
)
def test_a_line_is_json_in_its_shortest_form_and_reads_as_the_event(
    index, originator_id, version, topic, state, hashed
):
    event = ExportedEvent(index, index + 1, originator_id, version, topic, state)
    try:
        told = {"state": state.decode()}
    except UnicodeDecodeError:
        told = {"state_base64": base64.b64encode(state).decode()}
    line = event.line(hashed)
    assert line == encode(
        {
            "index": index,
            "position": index + 1,
            "originator_id": str(originator_id),
            "version": version,
            "topic": topic,
            **told,
            "leaf": hashed.hex(),
        }
    )
    assert list(exported_events([line.encode()])) == [event]


def test_it_ends_at_the_checkpoint_that_the_witnesses_cosigned(ledger):
    wire = Wire(SetClock())
    short_story(ledger)
    publish(ledger, wire, quorum="2")
    size = ledger.position()
    append(ledger, 3)
    published = store_of(ledger).published(wire.policy("2"))
    assert published is not None
    lines = [line.encode() for line in export_published(ledger.recorder, published)]
    assert len(lines) == size + 2
    assert json.loads(lines[-1]) == {"checkpoint": published.note}
    report = verify_export(lines, KEYS, policy=wire.policy("2"))
    assert report.sealed is not None
    assert report.sealed.checkpoint == published.checkpoint
    assert set(report.sealed.cosigned) == {"a", "b", "c"}
    assert report.sealed.unknown == ()
    later = Older("later", replace(published.checkpoint, size=size + 1))
    assert not verify_export(lines, KEYS, older=[later]).proven


def test_a_stored_log_that_is_not_what_was_signed_gets_no_checkpoint(ledger):
    append(ledger, 3)
    for checkpoint in (
        Checkpoint("tickets.example/log", 3, bytes(32)),
        Checkpoint("tickets.example/log", 4, bytes(32)),
    ):
        lines = export_published(ledger.recorder, Published(checkpoint, "its note"))
        told: list[str] = []
        with pytest.raises(NotAsSigned, match=f"first {checkpoint.size} events"):
            told += lines
        assert not any("checkpoint" in line for line in told)


def test_an_empty_log_is_exported_and_proven(ledger):
    wire = Wire(SetClock())
    publish(ledger, wire)
    published = store_of(ledger).published(Policy())
    assert published is not None
    lines = [line.encode() for line in export_published(ledger.recorder, published)]
    assert verify_export(lines, KEYS).proven


def test_the_events_of_an_export_are_those_of_the_log(ledger):
    stream: UUID = append(ledger, 3, each=lambda n: bytes([n]))
    publish(ledger, Wire(SetClock()))
    published = store_of(ledger).published(Policy())
    assert published is not None
    lines = [line.encode() for line in export_published(ledger.recorder, published)]
    assert list(exported_events(lines)) == [
        ExportedEvent(n - 1, n, stream, n, "t:x", bytes([n])) for n in (1, 2, 3)
    ]
