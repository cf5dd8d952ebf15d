"""Changes of a ticket that its owner asks for, and its issuer's answer.

What the terms let an owner change is changed at once; the rest waits for an answer.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Strict, Text, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.schemas import ChangesIn, changes_of
from api.v1.tickets import readable
from ledger.aggregates.e_ticket.content import REQUESTS_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.usecases import modification
from ledger.usecases.modification import Modification


class RequestIn(Strict):
    changes = fields.Nested(ChangesIn, required=True)
    reason = Text(required=True, metadata=about("", "We would like to sit together."))


class AnsweredOut(Strict):
    granted = fields.Boolean(metadata=about("false: it was refused, or it waits."))
    epoch = fields.Integer(metadata=about("Copies of an earlier epoch are stale now."))


class RequestMade(AnsweredOut):
    request_id = fields.UUID()


class RequestOut(Strict):
    request_id = fields.UUID()
    by_party_id = fields.UUID()
    changes = fields.Dict(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        metadata=about("As they will be stored.", {"right": "Row 5 seat 1"}),
    )


class RequestsOut(Strict):
    requests = fields.List(
        fields.Nested(RequestOut),
        metadata=about(f"Those that wait, {REQUESTS_MAX} at most; the oldest first."),
    )
    version = fields.Integer(metadata=about("The ticket's."))


class AnswerIn(Strict):
    reason = Text(required=True, metadata=about("", "The row is free."))


def blueprint(ledger: Ledger, clock: Clock) -> Blueprint:
    routes = Routes(
        "modification_requests",
        "/v1/tickets/<uuid:ticket_id>/modification-requests",
        "Changes that an owner asks for.",
    )

    @routes.post(
        "", takes=RequestIn, gives=RequestMade, matches="ticket_id", previewed=True
    )
    def ask(body: Json, ticket_id: UUID) -> Answer:
        """Ask for a change of my ticket; what the terms allow is changed at once."""
        request_id = new_id()
        done = attempt(
            lambda: modification.request_modification(
                ledger,
                ticket_id=ticket_id,
                request_id=request_id,
                by=party(),
                changes=changes_of(body["changes"]),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        answer = {
            "request_id": request_id,
            "granted": done.granted,
            "epoch": done.epoch,
        }
        return answer, recorded(done.position)

    @routes.get("", gives=RequestsOut, versioned=True)
    def list_waiting(ticket_id: UUID) -> Any:
        """List the requests about a ticket that wait for an answer."""
        ticket = readable(ledger, ticket_id)
        requests = [
            {
                "request_id": each.request_id,
                "by_party_id": each.by_party_id,
                "changes": dict(each.changes),
            }
            for each in ticket.requests.values()
        ]
        return {"requests": requests, "version": ticket.version}

    @routes.post(
        "/<uuid:request_id>/grant",
        takes=AnswerIn,
        gives=AnsweredOut,
        matches="ticket_id",
        previewed=True,
    )
    def grant(body: Json, ticket_id: UUID, request_id: UUID) -> Answer:
        """Grant a request as the issuer, if the ticket still lets it."""
        done = attempt(
            lambda: modification.grant_modification(
                ledger,
                ticket_id=ticket_id,
                request_id=request_id,
                by=party(),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return done, recorded(done.position)

    @routes.post(
        "/<uuid:request_id>/refusal",
        takes=AnswerIn,
        gives=AnsweredOut,
        matches="ticket_id",
    )
    def refuse(body: Json, ticket_id: UUID, request_id: UUID) -> Answer:
        """Refuse a request as the issuer."""
        readable(ledger, ticket_id)
        done = _end(ticket_id, request_id, body["reason"])
        return done, recorded(done.position)

    @routes.delete("/<uuid:request_id>", matches="ticket_id")
    def take_back(ticket_id: UUID, request_id: UUID) -> Response:
        """Take a request of mine back."""
        done = _end(ticket_id, request_id, "taken back")
        return Response(status=204, headers=recorded(done.position))

    def _end(ticket_id: UUID, request_id: UUID, reason: str) -> Modification:
        return attempt(
            lambda: modification.refuse_modification(
                ledger,
                ticket_id=ticket_id,
                request_id=request_id,
                by=party(),
                reason=reason,
                at=clock.now(),
                cause=cause(),
            )
        )

    return routes.blueprint
