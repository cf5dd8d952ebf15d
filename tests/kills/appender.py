"""A writer that does one step a line: it stands still between any two of them.

A program: `python -m tests.kills.appender URL`. It answers each line with `done`.

    append STREAM VERSION   within a transaction, which stays open
    commit                  and hears that it is done
    send-commit             and does not listen: it is killed before it hears
"""

from __future__ import annotations

import sys
from uuid import UUID

import psycopg

APPEND = "SELECT ledger_append_one(%s, %s, 'test.happened', '{}')"


def main(url: str) -> None:
    connection = psycopg.connect(url)
    for line in sys.stdin:
        word, *more = line.split()
        if word == "append":
            stream, version = more
            connection.execute(APPEND, (UUID(stream), int(version)))
        elif word == "commit":
            connection.commit()
        else:
            connection.pgconn.send_query(b"COMMIT")
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
