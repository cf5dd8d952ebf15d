"""What each role may do with each table and function: all that is granted stands here.

A table without a line here is granted to nobody; a test sees to it that none is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias


class DatabaseRole(StrEnum):
    """What a program is to a log; its role in the database is `name_of`."""

    APP = "app"
    VIEWS = "views"
    PUBLISHER = "publisher"
    AUDITOR = "auditor"


Rights: TypeAlias = Mapping[DatabaseRole, frozenset[str]]


def _rights(
    app: str = "", views: str = "", publisher: str = "", auditor: str = ""
) -> Rights:
    given = zip(DatabaseRole, (app, views, publisher, auditor), strict=True)
    return {role: frozenset(words.split()) for role, words in given}


_KEEP = "SELECT INSERT UPDATE DELETE"
_LOG = _rights(app="SELECT", views="SELECT", publisher="SELECT", auditor="SELECT")
_PROOF = _rights(
    app="SELECT", views="SELECT", publisher="SELECT INSERT", auditor="SELECT"
)
_WAITING = _rights(app="SELECT", views="SELECT", publisher="SELECT")
_VIEW = _rights(app="SELECT", views=_KEEP)

MAY: Mapping[str, Rights] = {
    # The log: all writing goes through functions that run as the tables' owner.
    "ledger_events": _LOG,
    "ledger_log": _LOG,
    "ledger_head": _LOG,
    "ledger_inbox": _WAITING,
    "ledger_inbox_0": _WAITING,
    "ledger_inbox_1": _WAITING,
    "ledger_tickets": _rights(),
    "ledger_commands": _WAITING,
    "ledger_stop": _rights(app="SELECT", views="SELECT", publisher="SELECT INSERT"),
    "ledger_resumptions": _rights(publisher="SELECT", auditor="SELECT"),
    # Its proof.
    "ledger_tiles": _PROOF,
    "ledger_checkpoints": _PROOF,
    "ledger_cosignatures": _PROOF,
    # What serving needs beside the log.
    "ledger_snapshots": _rights(app=_KEEP),
    "stored_answers": _rights(app=_KEEP),
    "access_tokens": _rights(app=_KEEP),
    "device_signing_keys": _rights(app=_KEEP),
    "device_assertions": _rights(app=_KEEP),
    "case_evidence": _rights(app="SELECT INSERT DELETE"),
    "people_logins": _rights(app=_KEEP),
    "people_invitations": _rights(app=_KEEP),
    "people_resets": _rights(app=_KEEP),
    "people_sessions": _rights(app=_KEEP),
    "people_attempts": _rights(app=_KEEP),
    "oauth_clients": _rights(app=_KEEP),
    "oauth_consents": _rights(app=_KEEP),
    "oauth_codes": _rights(app=_KEEP),
    "oauth_refresh_tokens": _rights(app=_KEEP),
    "people_links": _rights(app=_KEEP),
    "people_departures": _rights(app=_KEEP),
    "subject_keys": _rights(app="SELECT INSERT UPDATE"),
    # What follows from events, and the jobs' runs.
    "policy_tracking": _rights(app=_KEEP),
    "webhook_subscriptions": _rights(app=_KEEP),
    "outbox": _rights(app=_KEEP),
    "deadlines": _rights(app=_KEEP),
    "job_runs": _rights(app=_KEEP),
    "stock_desk": _rights(app=_KEEP),
    "stock_holds": _rights(app=_KEEP),
    "installation": _LOG,
    "schema_migrations": _WAITING,
    # Views and their bookmarks.
    "projection_tracking": _VIEW,
    "projection_stops": _VIEW,
    "projection_rebuilds": _rights(app="SELECT", views="SELECT UPDATE"),
    # Which tables the owner's functions make anew: nobody else may add one.
    "projection_tables": _rights(app="SELECT", views="SELECT"),
    "ownership": _VIEW,
    "freshness_media": _VIEW,
    "freshness_slots": _VIEW,
    "freshness_tickets": _VIEW,
    "freshness_holds": _VIEW,
    "wallet": _VIEW,
    "wallet_holds": _VIEW,
    "notices": _VIEW,
    "notices_tickets": _VIEW,
    "accounts": _VIEW,
    "gifts": _VIEW,
    "cases": _VIEW,
    "cases_tickets": _VIEW,
    "market": _VIEW,
    "sales": _VIEW,
    "elsewhere_mandates": _VIEW,
    "elsewhere_sales": _VIEW,
    "redemptions": _VIEW,
    "redemptions_coupons": _VIEW,
    "redemptions_tills": _VIEW,
    "devices": _VIEW,
    "devices_facts": _VIEW,
    "media": _VIEW,
    "media_taps": _VIEW,
    "entries": _VIEW,
    "offerings": _VIEW,
    "orders": _VIEW,
}

_CALL = "EXECUTE"
MAY_CALL: Mapping[str, Rights] = {
    "ledger_append": _rights(app=_CALL),
    "ledger_append_one": _rights(app=_CALL),
    "ledger_place": _rights(app=_CALL),
    "ledger_sequence": _rights(app=_CALL, views=_CALL, publisher=_CALL),
    "ledger_resume": _rights(publisher=_CALL),
    "projection_rebuild_begin": _rights(views=_CALL),
    "projection_rebuild_drop": _rights(views=_CALL),
    "projection_rebuild_analyze": _rights(views=_CALL),
    "projection_rebuild_swap": _rights(views=_CALL),
}
"""Functions by name; any other is called by the owner and by triggers alone."""


def name_of(schema: str, role: DatabaseRole) -> str:
    """Return a role's name in the database."""
    return f"{schema}_{role}"


def names_of(schema: str) -> list[str]:
    return [name_of(schema, role) for role in DatabaseRole]
