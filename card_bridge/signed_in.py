"""Who is signed in at a terminal at home, kept for its owner alone."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

from card_bridge.keys import KeysError
from card_bridge.private_file import OpenToOthers, read_private, write_private
from ledger_client import PersonSession

SESSION_FILE = "session.json"


def keep(home: Path, server: str, session: PersonSession) -> None:
    """Keep the session, instead of the one before. Raises OSError."""
    said = {
        "server": server,
        "party_id": str(session.party_id),
        "expires_at": session.expires_at.isoformat(),
        "cookie": session.cookie,
        "csrf_token": session.csrf_token,
    }
    write_private(home / SESSION_FILE, json.dumps(said).encode())


def kept(home: Path, server: str) -> PersonSession | None:
    """Return the session with this server; another's is shown to no server.

    Raises `KeysError` for a file that is open to others, or is none of ours.
    """
    path = home / SESSION_FILE
    try:
        said = json.loads(read_private(path))
        if said["server"] != server:
            return None
        return PersonSession(
            party_id=UUID(said["party_id"]),
            expires_at=datetime.fromisoformat(said["expires_at"]),
            cookie=str(said["cookie"]),
            csrf_token=str(said["csrf_token"]),
        )
    except FileNotFoundError:
        return None
    except OpenToOthers as error:
        raise KeysError(str(error)) from None
    except (OSError, LookupError, TypeError, ValueError):
        raise KeysError(f"{path} holds no session; remove it, and sign in.") from None


def forget(home: Path) -> None:
    """Forget who is signed in."""
    (home / SESSION_FILE).unlink(missing_ok=True)
