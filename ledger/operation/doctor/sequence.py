"""Is every event in the log once, at one position, in its stream's order?"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.operation.doctor.findings import Finding, Patient, fail, ok

CHECK = "sequence"
KEEP = (
    "Stop writing, keep the database as it is, and compare `ledgerctl log export` of"
    " the last backup with this one's."
)

_COUNTS = """
SELECT h.size, l.entries, l.last, e.events, i.waiting FROM ledger_head h,
    (SELECT count(*) AS entries,
        COALESCE(max(position), 0) AS last FROM ledger_log) l,
    (SELECT count(*) AS events FROM ledger_events) e,
    (SELECT COALESCE(sum(cardinality(versions)), 0) AS waiting FROM ledger_inbox) i
"""
_GAP = """
SELECT position FROM (SELECT position, lag(position, 1, 0::bigint)
    OVER (ORDER BY position) AS before FROM ledger_log) AS walked
WHERE position <> before + 1 ORDER BY position LIMIT 1
"""
_UNPLACED = """
SELECT e.originator_id, e.originator_version FROM ledger_events e
LEFT JOIN ledger_log l USING (originator_id, originator_version)
LEFT JOIN (SELECT unnest(originator_ids) AS originator_id,
    unnest(versions) AS originator_version FROM ledger_inbox) i
    USING (originator_id, originator_version)
WHERE l.position IS NULL AND i.originator_id IS NULL LIMIT 1
"""
_EMPTY = """
SELECT position FROM ledger_log l WHERE NOT EXISTS (SELECT FROM ledger_events e
    WHERE e.originator_id = l.originator_id
        AND e.originator_version = l.originator_version)
ORDER BY position LIMIT 1
"""
_VERSIONS = """
SELECT originator_id, max(originator_version), count(*) FROM ledger_events
GROUP BY originator_id HAVING count(*) <> max(originator_version) LIMIT 1
"""
_ORDER = """
SELECT originator_id, position FROM (SELECT originator_id, position, lag(position)
    OVER (PARTITION BY originator_id ORDER BY originator_version) AS before
    FROM ledger_log) AS walked
WHERE position < before LIMIT 1
"""


def examine(patient: Patient) -> Iterator[Finding]:
    """Count, then look for what does not fit; all within one moment of the log."""
    found = list(_wrong(patient))
    yield from found
    if not found:
        ((size,),) = patient.ask("SELECT size FROM ledger_head")
        yield ok(CHECK, f"{size} events at positions without a gap")


def _wrong(patient: Patient) -> Iterator[Finding]:
    counts = patient.ask_one(_COUNTS)
    if counts is None:
        yield fail(CHECK, "the log has no head row, so nothing is sequenced", KEEP)
        return
    size, entries, last, events, waiting = counts
    if (entries, last) != (size, size):
        gap = patient.ask_one(_GAP)
        where = f", the first gap before {gap[0]}" if gap else ""
        said = f"{entries} positions up to {last} where the head says {size}{where}"
        yield fail(CHECK, said, KEEP)
    for said, query in (
        ("an event has neither a position nor a place in the inbox", _UNPLACED),
        ("a stream lacks a version", _VERSIONS),
        ("a stream's events are not in its own order", _ORDER),
        ("a position has no event", _EMPTY),
    ):
        if row := patient.ask_one(query):
            what = " ".join(str(each) for each in row)
            yield fail(CHECK, f"{said}: {what}", KEEP)
    if events > entries + waiting:
        said = f"{events} events, {entries} positions and {waiting} waiting"
        yield fail(CHECK, said, KEEP)
