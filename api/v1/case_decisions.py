"""Judging disputes, as operators who have no part in them.

review ─► decision ─► plan, previewed ─► execution, of that plan alone ─► closure
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Choice, Hex, Id, Strict, Text, Whole, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.cases import REASON_MAX, StateOut, state_of
from api.v1.schemas import CURRENCY
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.case import Decision, DecisionKind
from ledger.aggregates.case.plan import Plan
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import disputes, unwinding

EVENTS_MAX = 100
PARTIES_MAX = 100
SERIALS_MAX = 100
SERIAL_MAX = 40
_HASH_LENGTH = 32


class SerialsIn(Strict):
    serials = fields.List(
        Text(most=SERIAL_MAX),
        required=True,
        validate=validate.Length(min=1, max=SERIALS_MAX),
    )


class CaseDecisionIn(Strict):
    kind = Choice(*words(DecisionKind), required=True)
    events = fields.List(
        Text(most=80),
        load_default=list,
        validate=validate.Length(max=EVENTS_MAX),
        metadata=about(
            "Title events, as ticket id/version: back to whom it was after each."
        ),
    )
    bad_faith = fields.List(
        Id(), load_default=list, validate=validate.Length(max=PARTIES_MAX)
    )
    payer_id = Id(load_default=None, allow_none=True)
    payee_id = Id(load_default=None, allow_none=True)
    amount_minor = Whole(most=AMOUNT_MAX_MINOR, load_default=0)
    currency = fields.String(load_default=None, allow_none=True, validate=CURRENCY)
    grounds = Text(most=REASON_MAX, required=True, metadata=about("Sealed."))


class PostingOut(Strict):
    account = fields.String()
    amount_minor = fields.Integer()


class StepOut(Strict):
    kind = fields.String()
    says = fields.String()
    ticket_id = fields.UUID(allow_none=True)
    version = fields.Integer(allow_none=True)
    to_id = fields.UUID(allow_none=True)
    ref = fields.String(allow_none=True)
    currency = fields.String(allow_none=True)
    postings = fields.List(fields.Nested(PostingOut))


class PlanOut(Strict):
    """What an execution would do, in its order."""

    plan_hash = fields.String(metadata=about("Execute by it: no other plan is."))
    value_minor = fields.Integer(metadata=about("What is at stake."))
    steps = fields.List(fields.Nested(StepOut))


class ExecutionIn(Strict):
    plan_hash = Hex(size=_HASH_LENGTH, required=True)


class MergerIn(Strict):
    into_case_id = Id(required=True)


def blueprint(
    ledger: Ledger, desk: StockDesk, personal: PersonalData, clock: Clock
) -> Blueprint:
    routes = Routes("case_decisions", "/v1/cases", "Judging disputes.")

    @routes.post(
        "/<uuid:case_id>/unused-papers",
        takes=SerialsIn,
        gives=StateOut,
        matches="case_id",
    )
    def note_unused(body: Json, case_id: UUID) -> Answer:
        """Note that papers were found unused, as who watches the doors."""
        position = attempt(
            lambda: disputes.note_unused(
                ledger,
                case_id=case_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        return state_of(ledger, case_id), recorded(position)

    @routes.post(
        "/<uuid:case_id>/review", gives=StateOut, status=200, matches="case_id"
    )
    def start_review(case_id: UUID) -> Answer:
        """Take a dispute to judge it, as an operator who has no part in it."""
        position = attempt(
            lambda: disputes.start_review(
                ledger, case_id=case_id, by=party(), at=clock.now(), cause=cause()
            )
        )
        return state_of(ledger, case_id), recorded(position)

    @routes.post(
        "/<uuid:case_id>/decision",
        takes=CaseDecisionIn,
        gives=StateOut,
        status=200,
        matches="case_id",
        previewed=True,
    )
    def decide(body: Json, case_id: UUID) -> Answer:
        """Decide as the reviewer. Nothing moves before the plan is executed."""
        decision = Decision(
            **{name: value for name, value in body.items() if name != "grounds"}
        )
        position = attempt(
            lambda: disputes.decide(
                ledger,
                personal,
                case_id=case_id,
                by=party(),
                decision=decision,
                grounds=body["grounds"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return state_of(ledger, case_id), recorded(position)

    @routes.get("/<uuid:case_id>/plan", gives=PlanOut)
    def preview(case_id: UUID) -> Any:
        """Show what executing the decision would do, as things are now."""
        return _plan_out(unwinding.preview(ledger, case_id=case_id))

    @routes.post(
        "/<uuid:case_id>/execution",
        takes=ExecutionIn,
        gives=PlanOut,
        status=200,
        matches="case_id",
    )
    def execute(body: Json, case_id: UUID) -> Answer:
        """Carry the plan out that was shown, as one commit."""
        done = attempt(
            lambda: unwinding.execute(
                ledger,
                desk,
                case_id=case_id,
                by=party(),
                plan_hash=body["plan_hash"].hex(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return _plan_out(done.plan), recorded(done.position)

    @routes.post(
        "/<uuid:case_id>/closure", gives=StateOut, status=200, matches="case_id"
    )
    def close(case_id: UUID) -> Answer:
        """Close an executed dispute; what it held comes free."""
        position = attempt(
            lambda: disputes.close(
                ledger, case_id=case_id, by=party(), at=clock.now(), cause=cause()
            )
        )
        return state_of(ledger, case_id), recorded(position)

    @routes.post(
        "/<uuid:case_id>/merger",
        takes=MergerIn,
        gives=StateOut,
        status=200,
        matches="case_id",
    )
    def merge(body: Json, case_id: UUID) -> Answer:
        """Let another dispute go on with this one."""
        position = attempt(
            lambda: disputes.merge(
                ledger,
                case_id=case_id,
                into_id=body["into_case_id"],
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return state_of(ledger, case_id), recorded(position)

    return routes.blueprint


def _plan_out(plan: Plan) -> dict[str, Any]:
    return {
        "plan_hash": plan.hash,
        "value_minor": plan.value_minor,
        "steps": plan.steps,
    }
