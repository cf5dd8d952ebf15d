"""The baseline of the doors: a Flask view with its SQL and nothing else.

It runs under the same web server, with the same settings and as many workers and
threads, as the ledger does.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from psycopg_pool import ConnectionPool

URL_NAME = "BENCH_DATABASE_URL"
THREADS_NAME = "BENCH_THREADS"
START_S, STOP_S = 30.0, 15.0
STATE_BYTES = 300
TABLE = (
    "CREATE TABLE bare_events (originator_id uuid NOT NULL,"
    " originator_version bigint NOT NULL, topic text, state bytea,"
    " notification_id bigserial UNIQUE,"
    " PRIMARY KEY (originator_id, originator_version))"
)
_INSERT = (
    "INSERT INTO bare_events (originator_id, originator_version, topic, state)"
    " VALUES (%s, 1, 'e-ticket.dispensed', %s)"
)


def application() -> Flask:
    """Make the application; gunicorn calls this in each worker."""
    app = Flask("bare")
    threads = int(os.environ[THREADS_NAME])
    pool = ConnectionPool(
        os.environ[URL_NAME],
        min_size=threads,
        max_size=threads,
        kwargs={"autocommit": True},
        open=True,
    )

    @app.post("/one-select")
    def one_select() -> ResponseReturnValue:
        uid = request.get_json()["uid"]
        with pool.connection() as connection:
            row = connection.execute(
                "SELECT seq, digest FROM freshness_media WHERE uid = %s", (uid,)
            ).fetchone()
        assert row is not None
        return jsonify({"seq": row[0], "digest": row[1]})

    @app.post("/inserts/<int:count>")
    def inserts(count: int) -> ResponseReturnValue:
        request.get_json()
        state = os.urandom(STATE_BYTES)
        with pool.connection() as connection, connection.transaction():
            for _ in range(count):
                connection.execute(_INSERT, (uuid4(), state))
        return jsonify({"inserted": count}), 201

    return app


@contextmanager
def served(database_url: str, *, workers: int, threads: int) -> Iterator[int]:
    """Serve it; yield the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--config=python:api.cli.web"),
                f"--bind=fd://{listener.fileno()}",
                f"--workers={workers}",
                f"--threads={threads}",
                "tests.benchmarks.bare:application()",
            ],
            env=os.environ | {URL_NAME: database_url, THREADS_NAME: str(threads)},
            stdin=subprocess.PIPE,  # The web server's settings end it with this.
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        try:
            _await(port)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_S)
            assert process.stdin is not None
            process.stdin.close()


def _await(port: int) -> None:
    """Wait until a worker answers: the socket itself takes callers from the start."""
    with socket.create_connection(("127.0.0.1", port), timeout=START_S) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert caller.recv(1), "the bare server closed the connection"
