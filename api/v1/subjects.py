"""What is known of a party, for whom it concerns, and having it erased."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, has, principal
from api.openapi.fields import Choice, Strict, Time, about
from api.openapi.routes import Answer, Routes
from api.positions import recorded
from ledger.adapters.traces import Traces
from ledger.aggregates.party import Party
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.ports import PersonalData
from ledger.usecases import erasure
from ledger.vocabulary.codes import Role

_NOT_TOLD = "null: none, erased, or not the caller's to know."


class SubjectOut(Strict):
    """A party. Its words are told to itself and to operators."""

    party_id = fields.UUID()
    kind = Choice("person", "organisation")
    name = fields.String(allow_none=True, metadata=about(_NOT_TOLD, "Ada Byron"))
    contact = fields.String(allow_none=True, metadata=about(_NOT_TOLD))
    registered_at = Time()
    erasure = Choice("none", "requested", "erased")
    version = fields.Integer()


class ErasureOut(Strict):
    erasure = Choice("none", "requested", "erased")
    version = fields.Integer()


def blueprint(
    ledger: Ledger, personal: PersonalData, traces: Traces, clock: Clock
) -> Blueprint:
    routes = Routes("subjects", "/v1/parties/<uuid:party_id>", "Parties.")

    @routes.get("", gives=SubjectOut, versioned=True)
    def look_at(party_id: UUID) -> Any:
        """Tell a party to itself, to operators and, without its words, to auditors."""
        return _told(_seen(ledger, party_id), personal)

    @routes.post("/erasure-request", gives=ErasureOut, status=200, matches="party_id")
    def request(party_id: UUID) -> Answer:
        """Ask to be erased; it is kept until no live dispute needs the party."""
        _seen(ledger, party_id)
        position = attempt(
            lambda: erasure.request(
                ledger, party_id=party_id, at=clock.now(), cause=cause()
            )
        )
        return _state(ledger.party(party_id)), recorded(position)

    @routes.post(
        "/erasure",
        gives=ErasureOut,
        status=200,
        matches="party_id",
        previewed=True,
    )
    def erase(party_id: UUID) -> Answer:
        """Destroy the key of what is said of a party, for ever, and end its tokens.

        As an operator, for one who asked for it. A dry run says whether a live dispute
        still needs the party.
        """
        said = cause()
        dry = said.terms.dry
        position = attempt(
            lambda: erasure.request_and_erase(
                ledger, personal, party_id=party_id, at=clock.now(), cause=said
            )
        )
        if not dry:
            traces.forget(party_id)
        return _state(ledger.party(party_id)), recorded(position)

    return routes.blueprint


def _seen(ledger: Ledger, party_id: UUID) -> Party:
    """Return a party; another than oneself answers like one that is not there."""
    sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
    if not sees_all and principal().party_id != party_id:
        raise Unknown(what="party")
    return ledger.party(party_id)


def _told(party: Party, personal: PersonalData) -> dict[str, Any]:
    may_know = has(Role.OPERATOR) or principal().party_id == party.id

    def opened(sealed: str | None) -> str | None:
        return personal.open(party.id, sealed) if sealed and may_know else None

    return {
        "party_id": party.id,
        "kind": party.kind,
        "name": opened(party.name_sealed),
        "contact": opened(party.contact_sealed),
        "registered_at": party.created_on,
        **_state(party),
    }


def _state(party: Party) -> dict[str, Any]:
    state = "requested" if party.erasure_requested_version else "none"
    return {
        "erasure": "erased" if party.erased_version else state,
        "version": party.version,
    }
