"""The embedded server: shared while used, gone afterwards, whole after any crash."""

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.adapters.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

# Adds a row, says so, and goes on until its input ends or it is killed.
USER = """
import sys
from pathlib import Path
import psycopg
from ledger.adapters.embedded_postgres import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1])) as server:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (id serial)")
        connection.execute("INSERT INTO rows DEFAULT VALUES")
        connection.execute("SELECT pg_advisory_unlock(1)")
        print("added", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user can reach, for the server does not run as root."""
    with tempfile.TemporaryDirectory(prefix="eticket-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """One that only its owner can enter; what root keeps elsewhere for it goes too."""
    tmp_path.chmod(0o700)
    yield tmp_path
    for stands_in in tmp_path.rglob("stands-in"):
        shutil.rmtree(stands_in.read_text().strip())


def user(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def rows(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT count(*) FROM rows").fetchone()
    assert found
    return int(found[0])


def server_pid(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.url) as connection:
        pid_file = connection.execute(
            "SELECT pg_read_file('postmaster.pid')"
        ).fetchone()
    assert pid_file
    return int(pid_file[0].split()[0])


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def test_it_answers_and_is_gone_when_the_last_user_left(folder):
    with EmbeddedPostgres(folder / "pg") as server:
        pid = server_pid(server)
        with psycopg.connect(server.url) as connection:
            row = connection.execute(
                "SELECT current_setting('max_connections'),"
                " current_setting('server_encoding'),"
                " current_setting('timezone'),"
                " current_setting('listen_addresses')"
            ).fetchone()
        assert row == ("200", "UTF8", "UTC", "")
    assert not lives(pid)
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        _ = server.url


def test_users_share_one_server_and_the_first_to_leave_leaves_it_to_the_others(
    folder,
):
    first = EmbeddedPostgres(folder).start()
    second = EmbeddedPostgres(folder).start()
    pid = server_pid(first)
    assert first.url == second.url
    first.stop()
    assert server_pid(second) == pid
    second.stop()
    second.stop()
    assert not lives(pid)


def test_what_is_waited_for_is_gone_when_the_waiting_is_over(folder):
    left = user(folder)
    assert left.stdout
    assert left.stdout.readline() == b"added\n"
    with EmbeddedPostgres(folder) as server:
        pid = server_pid(server)
    left.kill()
    EmbeddedPostgres(folder).await_end()
    assert not lives(pid)
    left.communicate()


def test_users_that_come_at_once_to_an_empty_folder_get_one_server(folder):
    users = [user(folder) for _ in range(4)]
    for each in users:
        assert each.stdout
        assert each.stdout.readline() == b"added\n"
    with EmbeddedPostgres(folder) as server:
        assert rows(server) == 4
        for each in users:
            each.communicate(timeout=30)
            assert each.returncode == 0


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.25, 0.35, 0.5])
def test_a_user_killed_at_any_moment_of_the_first_start_does_no_harm(folder, after_s):
    killed = user(folder)
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(after_s)
    os.killpg(killed.pid, signal.SIGKILL)
    said, _ = killed.communicate()
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS rows (id serial)")
        found = connection.execute("SELECT count(*) FROM rows").fetchone()
    assert found
    assert found[0] >= said.count(b"added")


def kill(pid: int) -> None:
    """Kill a process that is not our child, and wait until it is gone."""
    gone = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        assert select.select([gone], [], [], 10)[0]
    finally:
        os.close(gone)


@pytest.mark.parametrize("victim", ["keeper", "server"])
def test_a_killed_keeper_or_server_is_replaced_and_nothing_is_lost(folder, victim):
    each = user(folder)
    assert each.stdout
    assert each.stdout.readline() == b"added\n"
    with EmbeddedPostgres(folder) as server:
        pid = server_pid(server)
    if victim == "keeper":
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    kill(pid)
    each.kill()
    each.communicate()
    with EmbeddedPostgres(folder) as server:
        assert rows(server) == 1


def test_a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting(folder):
    with EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.url) as connection:
            found = connection.execute("SHOW data_directory").fetchone()
        assert found
        data = Path(found[0])
    # A process of the same user has the old server's number by now.
    stranger = subprocess.Popen(
        ["/bin/cat"],
        cwd="/",
        stdin=subprocess.PIPE,
        user=data.stat().st_uid if os.geteuid() == 0 else None,
    )
    pid_file = data / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{data}\n1\n5432\n\n\n\nready\n")
    with EmbeddedPostgres(folder) as server:
        assert server_pid(server) != stranger.pid
        assert stranger.poll() is None
    stranger.communicate()


def test_a_folder_that_only_its_user_can_enter_is_left_as_it_is(private):
    for _ in range(2):
        with EmbeddedPostgres(private / "pg") as server:
            assert server_pid(server)
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_what_was_kept_for_a_deleted_folder_is_not_handed_to_its_successor(private):
    with (
        EmbeddedPostgres(private / "pg") as server,
        psycopg.connect(server.url) as connection,
    ):
        connection.execute("CREATE TABLE old (id int)")
    shutil.rmtree(private / "pg")
    with (
        EmbeddedPostgres(private / "pg") as server,
        psycopg.connect(server.url) as connection,
    ):
        assert connection.execute("SELECT to_regclass('old')").fetchone() == (None,)


def test_a_folder_with_a_long_name_works(folder):
    long = folder / ("a" * 100) / ("b" * 100)
    with EmbeddedPostgres(long) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_what_postgresql_refuses_is_told_in_one_sentence(folder):
    wrong = EmbeddedPostgres(folder, server_settings={"nonsense": "1"})
    with pytest.raises(EmbeddedPostgresError, match="nonsense") as refused:
        wrong.start()
    assert "\n" not in str(refused.value)
    with EmbeddedPostgres(folder) as server:
        assert server_pid(server)


def test_a_folder_that_is_a_file_is_refused(folder):
    (folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match="cannot be used"):
        EmbeddedPostgres(folder / "file").start()
