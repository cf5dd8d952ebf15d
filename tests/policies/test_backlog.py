"""However many deliveries wait, the next one is found at once.

Planted and caught: an index without the position; a lease looked for among all rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg

from ledger.adapters import outbox
from ledger.clock import new_id
from tests.databases import Database
from tests.domain.examples import NOON

WAITING = """
INSERT INTO outbox (position, party_id, kind, channel, target_id, about_id, detail, at,
    due_at, lease_id, leased_until)
SELECT n, gen_random_uuid(), 'sold', 'webhook',
    CASE WHEN n < 10 THEN gen_random_uuid() ELSE %(target)s END,
    gen_random_uuid(), '{}', %(at)s, %(at)s,
    CASE WHEN n < 10 THEN gen_random_uuid() END,
    CASE WHEN n < 10 THEN %(at)s + interval '1 minute' END
FROM generate_series(1, 5000) n
"""


def test_the_next_delivery_is_found_without_looking_at_all_that_wait(
    ledger, database: Database
):
    asked: dict[str, Any] = {
        "at": NOON,
        "target": new_id(),
        "channels": list(outbox.CHANNELS),
        "lease_id": new_id(),
        "leased_until": NOON + timedelta(minutes=1),
    }
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(WAITING, asked)
        connection.execute("ANALYZE outbox")  # As the server does by itself.
        explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
        row = connection.execute(explain + outbox._CLAIM, asked).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        taken = connection.execute(
            "SELECT position FROM outbox WHERE lease_id = %s", (asked["lease_id"],)
        ).fetchall()
    assert taken == [(10,)]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert pages < 100, f"{pages} pages were looked at"
