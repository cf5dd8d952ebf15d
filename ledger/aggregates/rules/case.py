"""What a case's events need: judged by one who is no party, executed once, closed.

OPENED ─► EVIDENCE ─► REVIEW ─► DECIDED ─► EXECUTED ─► CLOSED;  APPEALED once
"""

from __future__ import annotations

from ledger.aggregates.case import Case
from ledger.aggregates.case.deciding import FOUR_EYES_MINOR
from ledger.aggregates.case.states import CaseState, CaseType, Decision
from ledger.aggregates.rules.kernel import check, in_state, require_state, rule

rule(Case.Closed)(in_state(CaseState.EXECUTED))


@rule(Case.Opened)
def opened(_: None, event: Case.Opened) -> None:
    check(event.case_type in set(CaseType), "there is no such case")
    named = event.ticket_ids
    check(len(set(named)) == len(named), "a ticket is named twice")


# ---- what it knows


@rule(Case.FactsAdded, Case.TookIn)
def widened(case: Case, event: Case.FactsAdded | Case.TookIn) -> None:
    case._require_undecided()
    new = event.ticket_ids
    check(case._new_among(dict.fromkeys(new)) == new, "a ticket is named twice")
    if new or isinstance(event, Case.TookIn):
        case._require_not_of_the_bank()
    if isinstance(event, Case.TookIn):
        known = {case.id, *case.merged_cases}
        check(event.case_id not in known, "that case is a part of it")


@rule(Case.EvidenceGiven)
def evidence_given(case: Case, event: Case.EvidenceGiven) -> None:
    """F2: committed to once, and never afterwards."""
    case._require_undecided()
    given = any(each.evidence_id == event.evidence_id for each in case.evidence)
    check(not given, "it was given before")


@rule(Case.Merged)
def merged(case: Case, event: Case.Merged) -> None:
    case._require_undecided()
    case._require_not_of_the_bank()
    check(event.into_case_id != case.id, "it would be merged into itself")


@rule(Case.Withdrawn)
def withdrawn(case: Case, event: Case.Withdrawn) -> None:
    case._require_live()
    check(case.state != CaseState.EXECUTED, "it was executed")
    if event.by != case.opened_by:
        case._require_not_of_the_bank()


# ---- what is decided


@rule(Case.ReviewStarted)
def review_started(case: Case, event: Case.ReviewStarted) -> None:
    case._require_undecided()
    if not case.judgements:
        case._require_not_of_the_bank()
    check(event.by != case.opened_by, "a party would judge")
    case._require_fresh_eyes(event.by)


@rule(Case.Decided)
def decided(case: Case, event: Case.Decided) -> None:
    """By its reviewer, who is no party; or as a bank or an issuer has decided."""
    case._require_undecided()
    missing = Decision.from_dict(event.decision).missing
    check(not missing, f"the decision lacks {', '.join(missing)}")
    check(event.judged_at_position >= 0, "it pins no position")
    if event.parties or event.grounds_sealed is not None:
        require_state(case, CaseState.REVIEW)
        check(event.by == case.reviewer, "another reviews the case")
        check(event.by not in {*event.parties, case.opened_by}, "a party would judge")


@rule(Case.Appealed)
def appealed(case: Case, _: Case.Appealed) -> None:
    require_state(case, CaseState.DECIDED)
    check(not case.appealed_version, "it was appealed before")


@rule(Case.Executed)
def executed(case: Case, event: Case.Executed) -> None:
    """F3: above a value, not by the one who decided; never by who complains."""
    require_state(case, CaseState.DECIDED)
    check(event.by != case.opened_by, "a party would execute")
    alone = event.by == case.judgements[-1].by
    check(not alone or event.value_minor <= FOUR_EYES_MINOR, "it needs another's eyes")
