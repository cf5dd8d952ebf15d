"""A log from before the sequencer goes on: same order, no gap, views in place."""

from __future__ import annotations

import shutil

import psycopg

from ledger.adapters.migrator import FOLDER, migrate, rollback
from ledger.log.leaf import leaf
from ledger.log.merkle import leaf_hash
from ledger.log.publisher import Round
from tests.log.opened import again
from tests.log.witnessing import SetClock, Wire, append, publisher, store_of

EVENTS = 40
SEEN = 30
"""The notification id of the old log at which a view stands; ids have gaps."""


def test_a_log_of_the_table_lock_s_time_is_sequenced_in_its_order(database, tmp_path):
    for file in FOLDER.glob("000[1-7]_*.sql"):
        shutil.copy(file, tmp_path)
    migrate(database.server_url, schema=database.schema, folder=tmp_path)
    with psycopg.connect(database.url) as owner:
        for number in range(EVENTS):
            owner.execute(
                "INSERT INTO ledger_events VALUES (gen_random_uuid(), 1, 't:x', %s)",
                (bytes([255]) * number,),
            )
            if number % 7 == 0:  # As a writer that was taken back.
                owner.execute("SELECT nextval('ledger_events_notification_id_seq')")
        owner.execute("INSERT INTO projection_tracking VALUES ('wallet', %s)", (SEEN,))
        ((seen,),) = owner.execute(
            "SELECT count(*) FROM ledger_events WHERE notification_id <= %s", (SEEN,)
        ).fetchall()
        assert seen < SEEN

    migrate(database.server_url, schema=database.schema)
    with again(database) as ledger:
        found = ledger.recorder.select_notifications(None, 100)
        assert [each.id for each in found] == list(range(1, EVENTS + 1))
        assert [len(each.state) for each in found] == list(range(EVENTS))
        assert ledger.recorder.leaf_hashes(1, 100) == [
            leaf_hash(
                leaf(
                    originator_id=each.originator_id,
                    version=each.originator_version,
                    topic=each.topic,
                    state=each.state,
                )
            )
            for each in found
        ]
        append(ledger, 3)
        its = publisher(ledger, Wire(SetClock()))
        assert its.round() == Round.PUBLISHED
        its.close()
        newest = store_of(ledger).newest()
        assert newest is not None
        assert newest.checkpoint.size == EVENTS + 3

    while True:
        undone = rollback(database.server_url, schema=database.schema)
        assert undone is not None
        if undone.version == "0008":
            break
    with psycopg.connect(database.url) as owner:
        owner.execute(
            "INSERT INTO ledger_events VALUES (gen_random_uuid(), 1, 't:x', '')"
        )
        told = owner.execute(
            "SELECT max(notification_id), (SELECT notification_id"
            " FROM projection_tracking) FROM ledger_events"
        ).fetchone()
        assert told == (EVENTS + 4, seen)
    migrate(database.server_url, schema=database.schema)
    with again(database) as ledger:
        assert ledger.recorder.size() == EVENTS + 4
