"""The tree of a stored log, derived anew from the bytes of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from psycopg import Connection
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from ledger.errors import Conflict
from ledger.log.leaf import leaf
from ledger.log.merkle import Tree, leaf_hash

BATCH_MAX = 2_000

Tell: TypeAlias = Callable[[int, int], None]
"""Is told now and then how many leaves of how many are hashed."""

_IN_ORDER = """
SELECT l.position, l.originator_id, l.originator_version, l.leaf_hash, e.topic, e.state
FROM {schema}.ledger_log l LEFT JOIN {schema}.ledger_events e
    USING (originator_id, originator_version)
WHERE l.position > %s AND l.position <= %s ORDER BY l.position
"""


class LogDamaged(Conflict):
    code = "log_damaged"
    says = "The log is damaged at position {position}: {what}."


def derive(
    connection: Connection[Any],
    schema: str,
    *,
    size: int,
    after: int = 0,
    tell: Tell | None = None,
) -> Tree:
    """Return the tree over the events after `after` up to `size`, leaves hashed anew.

    In constant memory, within the caller's transaction. Raises `LogDamaged` at a
    position that is missing, has no event, or has another leaf hash stored.
    """
    tree = Tree()
    with connection.cursor("leaves", row_factory=tuple_row) as cursor:
        cursor.itersize = BATCH_MAX
        query = SQL(_IN_ORDER).format(schema=Identifier(schema))
        for position, stream_id, version, stored, topic, state in cursor.execute(
            query, (after, size)
        ):
            due = after + tree.size + 1
            if position != due:
                raise LogDamaged(position=due, what="there is no such position")
            if state is None:
                raise LogDamaged(position=position, what="its event is missing")
            hashed = leaf_hash(
                leaf(originator_id=stream_id, version=version, topic=topic, state=state)
            )
            if hashed != stored:
                what = "its event is not the one that was appended"
                raise LogDamaged(position=position, what=what)
            tree.append(hashed)
            if tell is not None and tree.size % BATCH_MAX == 0:
                tell(tree.size, size - after)
    if after + tree.size != size:
        due = after + tree.size + 1
        raise LogDamaged(position=due, what="there is no such position")
    return tree
