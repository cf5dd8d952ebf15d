"""Cards become known to the ledger, and are spoken with at terminals without keys."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from ledger.aggregates.device import Device
from ledger.aggregates.medium import Medium, MediumUnknown
from ledger.application import Cause, Ledger
from ledger.errors import Conflict
from ledger.ports import CardAuthority, SessionKeys
from ledger.usecases.parties import public_key_of
from ledger.vocabulary.device_keys import seal_bundle
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import ANY_UID, FIND_KEY, INSPECT_KEY, ISSUE_KEY


class RegisteredOtherwise(Conflict):
    code = "limit"
    says = "The card is registered already, with another holder, profile or key."


class KeyNotForTerminals(Conflict):
    code = "device_not_authorised"
    says = "A terminal may authenticate with the keys 1 and 3, and find cards by 4."


def personalisation_keys(
    ledger: Ledger, cards: CardAuthority, *, device_id: UUID, uid: bytes
) -> bytes:
    """Return one card's own keys, sealed for the personalising device."""
    device = ledger.device(device_id)
    device.require("personaliser")
    plain = json.dumps(cards.card_keys(uid)).encode()
    return seal_bundle(plain, to=public_key_of(device), device_id=device_id)


def register(
    ledger: Ledger,
    *,
    device_id: UUID,
    uid: bytes,
    holder_id: UUID,
    profile: str,
    key_version: int,
    at: datetime,
    cause: Cause,
    kind: str = "ic_card",
) -> int:
    """Register a personalised card with its holder; said twice, recorded once."""
    ledger.device(device_id).require("personaliser")
    ledger.party(holder_id)
    known = ledger.find(Medium, medium_id(uid))
    if known is not None:
        said = (holder_id, profile, key_version, kind)
        if (known.holder_id, known.profile, known.key_version, known.kind) != said:
            raise RegisteredOtherwise(because=known.names(1))
        return ledger.position()
    medium = Medium.personalise(
        medium_id=medium_id(uid),
        uid=uid.hex(),
        holder_id=holder_id,
        profile=profile,
        key_version=key_version,
        kind=kind,
        at=at,
    )
    return ledger.record(medium, cause=cause)


def begin_authentication(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    key_no: int,
    challenge: bytes,
    terminal_id: UUID,
    by: UUID,
    at: datetime,
) -> tuple[bytes, bytes]:
    """Answer a card's challenge on behalf of a terminal that holds no card keys.

    The key to write with is for a card that may be written; any card of one's own may
    be read, and judged by what it shows. A card that hides its UID is found first, as
    nobody's in particular (`ANY_UID`); that session tells its UID and no more.
    """
    if (uid == ANY_UID) != (key_no == FIND_KEY):
        raise KeyNotForTerminals
    at_terminal(ledger, uid=uid, terminal_id=terminal_id, by=by)
    if key_no not in (ISSUE_KEY, INSPECT_KEY, FIND_KEY):
        raise KeyNotForTerminals
    if key_no == ISSUE_KEY:
        ledger.medium(uid).require_in_use()
    return cards.answer_challenge(uid=uid, key_no=key_no, challenge=challenge, at=at)


def finish_authentication(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    continuation: bytes,
    response: bytes,
    terminal_id: UUID,
    by: UUID,
    at: datetime,
) -> SessionKeys:
    """Check the card's answer; return the keys of this one session."""
    at_terminal(ledger, uid=uid, terminal_id=terminal_id, by=by)
    return cards.finish(uid=uid, continuation=continuation, response=response, at=at)


def at_terminal(ledger: Ledger, *, uid: bytes, terminal_id: UUID, by: UUID) -> Device:
    """A holder's own card at an enrolled terminal, or it reads as not there."""
    terminal = ledger.device(terminal_id)
    terminal.require("terminal")
    if uid != ANY_UID and ledger.medium(uid).holder_id != by:
        raise MediumUnknown
    return terminal
