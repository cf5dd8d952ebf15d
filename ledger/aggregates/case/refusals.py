"""Why something cannot be done in a dispute case. Codes are public and stable."""

from ledger.errors import Conflict, Denied, Malformed, Missing


class CaseUnknown(Missing):
    code = "unknown"
    says = "There is no such case."


class CaseOver(Conflict):
    code = "case_over"
    says = "The case is {state}; nothing more happens in it."


class NotInThisState(Conflict):
    code = "case_state"
    says = "The case is {state}; this needs it to be {needed}."


class BankDecides(Conflict):
    code = "case_state"
    says = "What becomes of a chargeback the bank says first."


class EvidenceTooLate(Conflict):
    code = "case_state"
    says = "The case is decided; further evidence needs an appeal."


class AppealedBefore(Conflict):
    code = "case_state"
    says = "A case is appealed once, and this one was."


class EvidenceDiffers(Conflict):
    code = "evidence_fixed"
    says = "Evidence with this id was given with other content; it cannot be replaced."


class BadEvidence(Malformed):
    code = "malformed"
    says = "Evidence has a SHA-256 in hex, a size in bytes and a media type."


class BadDecision(Malformed):
    code = "malformed"
    says = "A decision {kind} also needs: {missing}."


class PartyToTheCase(Denied):
    code = "party_to_case"
    says = "Whoever is a party to the case may neither judge nor execute it."


class NotTheReviewer(Denied):
    code = "not_reviewer"
    says = "Only the operator who reviews the case may decide it."


class SameOperator(Denied):
    code = "same_operator"
    says = "Another operator than the one who decided is needed for this."


class MayNotAppeal(Denied):
    code = "not_owner"
    says = "Only a party to the case may appeal or withdraw it."


class MergedIntoItself(Malformed):
    code = "malformed"
    says = "A case is merged into another one."


class PlanChanged(Conflict):
    code = "epoch_stale"
    says = "Something moved since the plan was shown; look at it again."


class NotReversible(Conflict):
    code = "already_reversed"
    says = "Event {event} is not in the ticket's chain of title, or was reversed."


class NothingToReissue(Conflict):
    code = "nothing_to_reissue"
    says = "The right is electronic and current, or was paid back: nothing to reissue."


class UsedAlready(Conflict):
    code = "already_used"
    says = "What was used is compensated in money, not taken back."


class NotInTheCase(Conflict):
    code = "unknown"
    says = "The ticket {ticket_id} is not in this case."
