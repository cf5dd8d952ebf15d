"""Checkpoints are published whole, one publisher at a time, and never contradict."""

from threading import Event, Thread

import psycopg
import pytest
from psycopg.rows import dict_row

from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import root
from ledger.log.note import Note, Signer, open_note
from ledger.log.policy import Policy
from ledger.log.publisher import Publisher, Round
from ledger.log.recorder import LogStopped, connect
from ledger.log.tiles import WIDTH, Tile
from ledger.log.witness import Witness
from tests.databases import Database
from tests.log.opened import again, opened
from tests.log.witnessing import (
    COSIGNERS,
    ORIGIN,
    SIGNER,
    SetClock,
    Wire,
    append,
    key,
    publisher,
    store_of,
)

BECAUSE = "the newest backup is back"


@pytest.fixture
def wire():
    return Wire(SetClock())


@pytest.fixture
def published(ledger, wire):
    """A log of ten events that three witnesses have cosigned."""
    append(ledger, 10)
    its = publisher(ledger, wire, quorum="all")
    assert its.round() == Round.PUBLISHED
    yield its
    its.close()


def newest(ledger, wire, quorum="none"):
    return store_of(ledger).published(wire.policy(quorum))


def why_stopped(ledger) -> str:
    return store_of(ledger).stopped() or ""


def test_what_is_published_is_the_tree_over_all_events(ledger, wire):
    its = publisher(ledger, wire)
    for count in (0, 1, 255, 1, 400):
        if count:
            append(ledger, count)
        assert its.round() == Round.PUBLISHED
        found = newest(ledger, wire)
        leaves = ledger.recorder.leaf_hashes(1, 1_000)
        assert found.checkpoint == Checkpoint(ORIGIN, len(leaves), root(leaves))
        assert open_note(found.note, [SIGNER.verifier])
        tree = store_of(ledger).tree(len(leaves))
        assert tree.root() == found.checkpoint.root
    assert store_of(ledger).hashes(Tile(0, 1)) == leaves[WIDTH : 2 * WIDTH]
    assert store_of(ledger).hashes(Tile(1, 0, 2)) == [
        root(leaves[:WIDTH]),
        root(leaves[WIDTH : 2 * WIDTH]),
    ]
    its.close()


def test_a_log_that_does_not_grow_is_not_signed_again(ledger, wire, published):
    before = newest(ledger, wire).note
    wire.asked.clear()
    wire.clock.passes(60)
    assert published.round() == Round.PUBLISHED
    assert newest(ledger, wire).note == before
    assert wire.asked == []


def test_witnesses_cosign_what_is_published(ledger, wire, published):
    found = newest(ledger, wire, "all")
    policy = wire.policy("all")
    assert set(policy.cosigned(Note.parse(found.note))) == {"a", "b", "c"}


def test_without_a_quorum_the_older_checkpoint_is_served_and_none_newer_signed(
    ledger, wire, published
):
    wire.down |= {"a"}
    append(ledger, 5)
    assert published.round() == Round.WAITING
    append(ledger, 5)
    wire.clock.passes(600)
    assert published.round() == Round.WAITING
    signed = store_of(ledger).newest()
    assert signed is not None
    assert signed.checkpoint.size == 15
    assert newest(ledger, wire, "all").checkpoint.size == 10
    assert newest(ledger, wire, "2").checkpoint.size == 15
    wire.down.clear()
    wire.clock.passes(600)
    assert published.round() == Round.PUBLISHED
    assert newest(ledger, wire, "all").checkpoint.size == 15
    assert published.round() == Round.PUBLISHED
    assert newest(ledger, wire, "all").checkpoint.size == 20


def test_a_witness_that_is_down_is_left_alone_for_longer_and_longer(ledger, wire):
    its = publisher(ledger, wire, quorum="2")
    wire.down |= {"a"}
    asked = 0
    for _ in range(100):
        append(ledger, 1)
        assert its.round() == Round.PUBLISHED
        wire.clock.passes(1)
        asked += wire.asked.count("a")
        wire.asked.clear()
    assert 3 < asked < 20
    its.close()


def test_only_one_publishes_and_another_takes_over_when_it_is_gone(
    ledger, wire, published
):
    other = publisher(ledger, wire, quorum="all")
    append(ledger, 1)
    assert other.round() == Round.STANDING_BY
    published.close()
    assert other.round() == Round.PUBLISHED
    assert newest(ledger, wire, "all").checkpoint.size == 11
    other.close()


def test_a_publisher_that_is_killed_leaves_nothing_half_done(ledger, wire, database):
    its = publisher(ledger, wire)
    append(ledger, 300)

    def cut(_):
        """End the publisher's connection between its tiles and its checkpoint."""
        with psycopg.connect(database.url, row_factory=dict_row) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                " AND database = (SELECT oid FROM pg_database"
                " WHERE datname = current_database())"
            )
        return [SIGNER]

    dying = publisher(ledger, wire, signers=cut)
    with pytest.raises(psycopg.Error):
        dying.round()
    (tiles,) = store_of(ledger)._rows("SELECT count(*) AS many FROM ledger_tiles")
    assert (tiles["many"], store_of(ledger).newest()) == (0, None)
    assert its.round() == Round.PUBLISHED
    assert newest(ledger, wire).checkpoint.size == 300
    its.close()


def test_a_publisher_that_stood_still_does_not_publish_behind_another(
    ledger, wire, published
):
    """It believes to hold the lock, and finds the witnesses ahead: another's work."""
    append(ledger, 1)

    def meanwhile(url, body):
        if wire.asked.count("a") == asked:
            publish_past_the_lock(ledger, wire)
        return wire.post(url, body)

    asked = wire.asked.count("a")
    slow = publisher(ledger, wire, quorum="all", post=meanwhile)
    published.close()
    assert slow.round() == Round.WAITING
    assert store_of(ledger).stopped() is None
    assert slow.round() == Round.PUBLISHED
    assert newest(ledger, wire, "all").checkpoint.size == 12
    slow.close()


def publish_past_the_lock(ledger, wire):
    """Publish a further event as if the lock were free."""
    append(ledger, 1)
    its = publisher(ledger, wire, quorum="all")
    its._connection = connect(ledger.recorder.datastore)
    its._is_locked = True
    assert its.round() == Round.PUBLISHED  # What the slow one has signed, first.
    assert its.round() == Round.PUBLISHED
    its.close()


def test_an_older_checkpoint_is_not_handed_in_after_a_newer_one(
    ledger, wire, published
):
    """As by a publisher that stood still just after it had signed."""
    store = store_of(ledger)
    older = store.newest()
    assert older is not None
    append(ledger, 1)
    assert published.round() == Round.PUBLISHED
    wire.asked.clear()
    published._have_cosigned(store, older, ask_all=True)
    assert wire.asked == []


def restored(ledger, database: Database, size: int) -> None:
    """Make the database what an old backup would be."""
    with psycopg.connect(database.url, autocommit=True) as owner:
        for table in ("ledger_cosignatures", "ledger_checkpoints", "ledger_log"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_cosignatures WHERE size > %s", (size,))
        owner.execute("DELETE FROM ledger_checkpoints WHERE size > %s", (size,))
        owner.execute("DELETE FROM ledger_log WHERE position > %s", (size,))
        owner.execute("UPDATE ledger_head SET size = %s", (size,))


def test_after_restoring_an_old_backup_a_witness_ahead_stops_all_writing(
    ledger, wire, published, database
):
    append(ledger, 5)
    assert published.round() == Round.PUBLISHED
    restored(ledger, database, 10)
    assert published.round() == Round.PUBLISHED  # Nothing new, nobody asked.
    assert published.round(ask_all=True) == Round.STOPPED
    with pytest.raises(LogStopped) as stopped:
        append(ledger, 1)
    assert str(stopped.value) == (
        "The witness a has cosigned 15 events of this log and only 10 are here, as"
        " after restoring an old backup: restore the newest one, or begin a log with"
        " a new origin."
    )
    assert published.round() == Round.STOPPED


def test_a_stopped_log_goes_on_once_nobody_contradicts_it(
    ledger, wire, published, database
):
    append(ledger, 5)
    assert published.round() == Round.PUBLISHED
    restored(ledger, database, 10)
    assert published.round(ask_all=True) == Round.STOPPED
    assert (
        published.resume(because=BECAUSE) == Round.STOPPED
    )  # The witness says what it said.
    wire.down |= {"a", "b", "c"}
    assert (
        published.resume(because=BECAUSE) == Round.WAITING
    )  # And to be silent is not to agree.
    assert "only 10 are here" in why_stopped(ledger)
    published.close()
    without = publisher(ledger, wire, policy=Policy())
    assert without.resume(because=BECAUSE) == Round.PUBLISHED
    assert store_of(ledger).stopped() is None
    with psycopg.connect(database.url) as owner:
        ((why, because),) = owner.execute(
            "SELECT why, because FROM ledger_resumptions"
        ).fetchall()
        assert ("only 10 are here" in why, because) == (True, BECAUSE)
    append(ledger, 1)
    without.close()


def test_a_log_that_somebody_has_changed_goes_on_when_it_is_as_it_was(
    ledger, wire, published, database
):
    change = "UPDATE ledger_log SET leaf_hash = %s WHERE position = 3"
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger_log DISABLE TRIGGER USER")
        ((true,),) = owner.execute(
            "SELECT leaf_hash FROM ledger_log WHERE position = 3"
        ).fetchall()
        owner.execute(change, (bytes(32),))
        append(ledger, 5)
        assert published.round() == Round.STOPPED
        assert published.resume(because=BECAUSE) == Round.STOPPED
        owner.execute(change, (true,))
    assert published.resume(because=BECAUSE) == Round.PUBLISHED
    append(ledger, 1)


def test_a_log_that_says_it_is_shorter_than_was_signed_stays_stopped(
    ledger, wire, published, database
):
    append(ledger, 5)
    wire.down |= {"a"}
    assert published.round() == Round.WAITING
    store_of(ledger).stop("an operator wants to look")
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("UPDATE ledger_head SET size = 12")
    wire.down.clear()
    assert published.resume(because=BECAUSE) == Round.STOPPED
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("UPDATE ledger_head SET size = 15")
    assert published.resume(because=BECAUSE) == Round.PUBLISHED


def test_a_log_whose_signed_end_is_gone_stays_stopped(
    ledger, wire, published, database
):
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger_log DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_log WHERE position > 8")
        owner.execute("UPDATE ledger_head SET size = 8")
    assert published.round() == Round.STOPPED
    assert published.resume(because=BECAUSE) == Round.STOPPED
    assert "first 10 events" in why_stopped(ledger)


def test_a_log_with_an_event_missing_that_was_not_signed_yet_stops_too(
    ledger, wire, published, database
):
    append(ledger, 10)
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger_log DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_log WHERE position = 15")
    assert published.round() == Round.STOPPED
    assert why_stopped(ledger) == (
        "Some of the first 20 events of the stored log are missing: somebody has"
        " changed the database."
    )
    assert published.resume(because=BECAUSE) == Round.STOPPED


def test_a_clock_that_was_set_back_lets_no_witness_rest_for_longer(
    ledger, wire, published
):
    wire.down |= {"a"}
    append(ledger, 1)
    assert published.round() == Round.WAITING
    wire.down.clear()
    wire.clock.passes(-3_600)
    assert published.round() == Round.PUBLISHED


def test_a_log_with_a_signed_event_taken_out_stops(ledger, wire, published, database):
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger_log DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_log WHERE position = 5")
    append(ledger, 1)
    assert published.round() == Round.STOPPED
    assert published.resume(because=BECAUSE) == Round.STOPPED


def test_a_backup_from_before_the_first_checkpoint_is_noticed_too(
    ledger, wire, published, database
):
    with psycopg.connect(database.url, autocommit=True) as owner:
        for table in ("ledger_cosignatures", "ledger_checkpoints"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            owner.execute(f"DELETE FROM {table}")
    restored(ledger, database, 4)
    assert published.round() == Round.STOPPED
    assert "only 4 are here" in why_stopped(ledger)


def test_another_history_of_the_same_length_stops_all_writing(
    ledger, wire, published, database
):
    """The log went back and grew again: it is longer now, and not the same."""
    append(ledger, 5)
    assert published.round() == Round.PUBLISHED
    restored(ledger, database, 10)
    append(ledger, 20)
    assert published.round() == Round.STOPPED
    assert "not those that the witness a has cosigned" in why_stopped(ledger)


def test_a_root_that_does_not_continue_the_last_one_is_never_signed(
    ledger, wire, published, database
):
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger_log DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE ledger_log SET leaf_hash = %s WHERE position = 3", (bytes(32),)
        )
    append(ledger, 5)
    before = newest(ledger, wire)
    assert published.round() == Round.STOPPED
    assert newest(ledger, wire) == before
    assert "somebody has changed the database" in why_stopped(ledger)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b""),
        (200, b"\xff"),
        (200, "— a.example AAAAAAAAAAAAAAAA\n".encode()),
        (409, b"many\n"),
        (404, b""),
        (403, b""),
        (400, b""),
        (500, b""),
        (302, b""),
    ],
)
def test_a_witness_that_talks_nonsense_is_no_witness_and_stops_nothing(
    ledger, wire, answer
):
    append(ledger, 3)
    wire.answers["a"] = answer
    its = publisher(ledger, wire, quorum="all")
    assert its.round() == Round.WAITING
    assert store_of(ledger).stopped() is None
    its.close()


def test_a_cosignature_of_something_else_is_not_taken(ledger, wire):
    append(ledger, 3)
    other = Checkpoint(ORIGIN, 3, bytes(32))
    line = COSIGNERS["a"].line(other.text(), at=wire.clock.now())
    wire.answers["a"] = (200, line.encode())
    its = publisher(ledger, wire, quorum="all")
    assert its.round() == Round.WAITING
    assert store_of(ledger).last_cosigned("a.example") == 0
    assert store_of(ledger).last_cosigned("b.example") == 3
    its.close()


def test_while_keys_overlap_both_have_signed(ledger, wire):
    new = Signer(ORIGIN, key(2))
    append(ledger, 3)
    its: Publisher = publisher(ledger, wire, signers=lambda _: [new, SIGNER])
    assert its.round() == Round.PUBLISHED
    note = Note.parse(newest(ledger, wire).note)
    for signer in (new, SIGNER):
        assert note.signed_by([signer.verifier])
    its.close()


def trusting(wire, *signers):
    """Tell the witnesses which keys of the log to believe from now on."""
    verifiers = [each.verifier for each in signers]
    for name, shelf in wire.shelves.items():
        wire.witnesses[name] = Witness(COSIGNERS[name], verifiers, shelf)


def test_a_key_that_is_replaced_at_once_does_not_hold_up_what_it_had_signed(
    ledger, wire, published
):
    """Else nothing would ever be published again: no newer one is signed meanwhile."""
    wire.down |= {"a"}
    append(ledger, 5)
    assert published.round() == Round.WAITING
    published.close()
    new = Signer(ORIGIN, key(2))
    trusting(wire, new)
    wire.down.clear()
    its = publisher(ledger, wire, quorum="all", signers=lambda _: [new])
    assert its.round() == Round.PUBLISHED
    found = newest(ledger, wire, "all")
    assert found.checkpoint.size == 15
    assert open_note(found.note, [new.verifier])
    append(ledger, 1)
    assert its.round() == Round.PUBLISHED
    its.close()


def test_a_log_that_does_not_grow_is_signed_by_a_new_key_once(ledger, wire, published):
    new = Signer(ORIGIN, key(2))
    published.close()
    its = publisher(ledger, wire, quorum="all", signers=lambda _: [new, SIGNER])
    assert its.round() == Round.PUBLISHED
    found = newest(ledger, wire, "all")
    assert (found.checkpoint.size, wire.asked) == (10, ["a", "b", "c"])
    for signer in (new, SIGNER):
        assert open_note(found.note, [signer.verifier])
    assert its.round() == Round.PUBLISHED
    assert newest(ledger, wire, "all") == found
    assert store_of(ledger).last_cosigned("a.example") == 10
    its.close()


def test_a_new_key_does_not_sign_what_somebody_has_changed(
    ledger, wire, published, database
):
    published.close()
    with psycopg.connect(database.url, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger_log DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE ledger_log SET leaf_hash = %s WHERE position = 3", (bytes(32),)
        )
    new = Signer(ORIGIN, key(2))
    its = publisher(ledger, wire, quorum="all", signers=lambda _: [new])
    assert its.round() == Round.STOPPED
    note = Note.parse(newest(ledger, wire, "all").note)
    assert not note.signed_by([new.verifier])
    its.close()


def test_it_runs_until_it_is_told_to_stop(ledger, wire, database):
    append(ledger, 3)
    stop = Event()
    with again(database) as other:
        its = publisher(other, wire)
        running = Thread(target=its.run, args=(stop,))
        running.start()
        while newest(ledger, wire) is None:
            stop.wait(0.01)
        stop.set()
        running.join()
    assert newest(ledger, wire).checkpoint.size == 3


@pytest.mark.parametrize(
    "table", ["ledger_tiles", "ledger_checkpoints", "ledger_cosignatures"]
)
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_what_was_proven_is_not_rewritten_even_by_its_owner(
    ledger, wire, published, database, table, change
):
    append(ledger, 300)
    assert published.round() == Round.PUBLISHED
    column = "root" if table == "ledger_tiles" else "size"
    with (
        psycopg.connect(database.url) as owner,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        owner.execute(change.format(table, column, column).encode())


def test_two_logs_in_one_database_are_published_side_by_side(
    ledger, wire, published, postgres_url
):
    """Each has a lock, tiles and checkpoints of its own."""
    with (
        psycopg.connect(postgres_url, autocommit=True) as owner,
        opened(Database(url="", server_url=postgres_url, schema="test_beside")) as two,
    ):
        append(two, 3)
        other = publisher(two, Wire(SetClock()))
        assert other.round() == Round.PUBLISHED
        assert newest(two, wire).checkpoint.size == 3
        assert newest(ledger, wire).checkpoint.size == 10
        other.close()
        two.close()
        owner.execute("DROP SCHEMA test_beside CASCADE")
