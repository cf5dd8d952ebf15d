"""Disputes, as those whom they concern open and follow them.

opened ─► evidence ─► review ─► decision ─► plan, previewed ─► execution ─► closure
                         └◄── appeal, once ◄──┘
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party
from api.openapi.fields import (
    Base64,
    Choice,
    Id,
    Strict,
    Text,
    Time,
    about,
    words,
)
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from ledger.adapters.evidence import EvidenceStore
from ledger.aggregates.case import (
    Case,
    CaseState,
    CaseUnknown,
)
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.errors import Missing, Unknown
from ledger.ports import PersonalData
from ledger.projections.cases import CasesView
from ledger.usecases import disputes, stories
from ledger.vocabulary.codes import Role

REASON_MAX = 1_000
EVIDENCE_MAX = 2 * 1024 * 1024
OCTETS = "application/octet-stream"
_MEDIA_TYPE = validate.Regexp(
    r"^[a-z]{1,40}/[a-z0-9.+-]{1,80}\Z", error="This is no media type."
)


class EvidenceGone(Missing):
    code = "unknown"
    says = "The content is not here any more; its hash is."


class CasesAsked(PageAsked):
    state = Choice(*words(CaseState), load_default=None)
    ticket_id = Id(load_default=None)


class CaseLineOut(Strict):
    case_id = fields.UUID()
    position = fields.Integer(metadata=about("Of its opening."))
    type = fields.String(metadata=about("", "wrong_recipient"))
    state = fields.String(metadata=about("", "REVIEW"))
    opened_by = fields.String(metadata=about("A party; else what opened it of itself."))
    opened_at = Time()
    reviewer = fields.String(allow_none=True)
    changed_at = Time()
    ticket_ids = fields.List(fields.UUID())


class CasesOut(Paged):
    cases = fields.List(fields.Nested(CaseLineOut))


class ComplaintIn(Strict):
    case_type = Choice(*(str(each) for each in disputes.COMPLAINTS), required=True)
    ticket_ids = fields.List(
        Id(),
        required=True,
        validate=validate.Length(min=1, max=disputes.TICKETS_MAX),
    )


class OpenedOut(Strict):
    case_id = fields.UUID()


class EvidenceOut(Strict):
    evidence_id = fields.UUID()
    by = fields.String()
    description = fields.String(allow_none=True, metadata=about("null: erased."))
    sha256 = fields.String(metadata=about("Of the content, recorded for ever."))
    size = fields.Integer()
    media_type = fields.String()


class JudgementOut(Strict):
    decision = fields.Dict(metadata=about("Its kind and what it needs."))
    by = fields.String()
    judged_at_position = fields.Integer(metadata=about("What was looked at."))


class CaseOut(Strict):
    """A dispute as it is now."""

    case_id = fields.UUID()
    type = fields.String()
    state = fields.String()
    version = fields.Integer()
    opened_by = fields.String()
    ticket_ids = fields.List(fields.UUID())
    medium_uid = fields.String(allow_none=True)
    payment_id = fields.UUID(allow_none=True)
    order_id = fields.UUID(allow_none=True)
    facts = fields.List(fields.Dict())
    effects = fields.List(fields.String(), metadata=about("What is forbidden."))
    evidence = fields.List(fields.Nested(EvidenceOut))
    judgements = fields.List(fields.Nested(JudgementOut))
    reviewer = fields.String(allow_none=True)
    merged_into = fields.UUID(allow_none=True)
    plan_hash = fields.String(allow_none=True, metadata=about("What was executed."))


class EvidenceIn(Strict):
    description = Text(most=REASON_MAX, required=True, metadata=about("Sealed."))
    content = Base64(most=EVIDENCE_MAX, required=True, metadata=about("Sealed, too."))
    media_type = fields.String(required=True, validate=_MEDIA_TYPE)


class CommittedOut(Strict):
    evidence_id = fields.UUID()
    sha256 = fields.String()


class ReasonIn(Strict):
    reason = Text(most=REASON_MAX, required=True)


class StateOut(Strict):
    state = fields.String()


def blueprint(
    ledger: Ledger,
    personal: PersonalData,
    evidence: EvidenceStore,
    cases: CasesView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("cases", "/v1/cases", "Disputes.", waiting=waiting)

    @routes.get("", gives=CasesOut, asks=CasesAsked, view="cases")
    def list_cases(asked: Json) -> Any:
        """List disputes, newest first; others than operators see those they opened."""
        opened_by = None if _sees_all() else str(party())
        return page(
            asked,
            "cases",
            cases.newest,
            state=asked["state"],
            ticket_id=asked["ticket_id"],
            opened_by=opened_by,
        )

    @routes.post("", takes=ComplaintIn, gives=OpenedOut)
    def complain(body: Json) -> Answer:
        """Dispute what became of tickets: they are frozen until it is settled."""
        case_id = new_id()
        opened = attempt(
            lambda: disputes.complain(
                ledger,
                case_id=case_id,
                by=party(),
                as_operator=has(Role.OPERATOR),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        return opened, recorded(opened.position)

    @routes.get("/<uuid:case_id>", gives=CaseOut, versioned=True)
    def look_at(case_id: UUID) -> Any:
        """Tell a dispute as it is now."""
        return _told(_readable(ledger, case_id), personal)

    @routes.post(
        "/<uuid:case_id>/evidence",
        takes=EvidenceIn,
        gives=CommittedOut,
        matches="case_id",
    )
    def give_evidence(body: Json, case_id: UUID) -> Answer:
        """Show something: its hash is recorded, the content kept sealed."""
        evidence_id, by = new_id(), party()
        _readable(ledger, case_id)
        evidence.keep(
            case_id=case_id,
            evidence_id=evidence_id,
            subject_id=by,
            content=body["content"],
        )
        given = attempt(
            lambda: disputes.give_evidence(
                ledger,
                personal,
                case_id=case_id,
                evidence_id=evidence_id,
                by=by,
                as_operator=has(Role.OPERATOR),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        answer = {"evidence_id": evidence_id, "sha256": given.sha256}
        return answer, recorded(given.position)

    @routes.text("/<uuid:case_id>/evidence/<uuid:evidence_id>", OCTETS)
    def read_evidence(case_id: UUID, evidence_id: UUID) -> Response:
        """Send a piece of evidence as it was given."""
        case = _readable(ledger, case_id)
        if evidence_id not in {each.evidence_id for each in case.evidence}:
            raise Unknown(what="piece of evidence")
        content = evidence.find(case_id=case_id, evidence_id=evidence_id)
        if content is None:
            raise EvidenceGone
        # Never shown by a browser as what it says it is.
        return Response(
            content,
            mimetype=OCTETS,
            headers={"Content-Disposition": "attachment"},
        )

    @routes.post(
        "/<uuid:case_id>/appeal",
        takes=ReasonIn,
        gives=StateOut,
        status=200,
        matches="case_id",
    )
    def appeal(body: Json, case_id: UUID) -> Answer:
        """Ask, as a party, that another operator judges; once."""
        _readable(ledger, case_id)
        position = attempt(
            lambda: disputes.appeal(
                ledger,
                personal,
                case_id=case_id,
                by=party(),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return state_of(ledger, case_id), recorded(position)

    @routes.post(
        "/<uuid:case_id>/withdrawal",
        takes=ReasonIn,
        gives=StateOut,
        status=200,
        matches="case_id",
    )
    def withdraw(body: Json, case_id: UUID) -> Answer:
        """End a dispute without doing anything; what it held comes free."""
        _readable(ledger, case_id)
        position = attempt(
            lambda: disputes.withdraw(
                ledger,
                case_id=case_id,
                by=party(),
                as_operator=has(Role.OPERATOR),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return state_of(ledger, case_id), recorded(position)

    return routes.blueprint


def state_of(ledger: Ledger, case_id: UUID) -> dict[str, str]:
    """Return the answer to a command that moved a case."""
    return {"state": str(_case(ledger, case_id).state)}


def _sees_all() -> bool:
    return has(Role.OPERATOR) or has(Role.AUDITOR)


def _case(ledger: Ledger, case_id: UUID) -> Case:
    case = ledger.find(Case, case_id)
    if case is None:
        raise CaseUnknown
    return case


def _readable(ledger: Ledger, case_id: UUID) -> Case:
    """Return a case that concerns the caller; any other answers like not there."""
    case = _case(ledger, case_id)
    if _sees_all() or str(party()) in stories.parties_of(ledger.work(), case):
        return case
    raise CaseUnknown


def _told(case: Case, personal: PersonalData) -> dict[str, Any]:
    given = [
        {
            "evidence_id": each.evidence_id,
            "by": each.by,
            "description": personal.open(UUID(each.by), each.description_sealed),
            "sha256": each.sha256,
            "size": each.size,
            "media_type": each.media_type,
        }
        for each in case.evidence
    ]
    judged = [
        {
            "decision": each.decision.as_dict(),
            "by": each.by,
            "judged_at_position": each.judged_at_position,
        }
        for each in case.judgements
    ]
    return {
        **vars(case),
        "case_id": case.id,
        "version": case.version,
        "evidence": given,
        "judgements": judged,
    }
