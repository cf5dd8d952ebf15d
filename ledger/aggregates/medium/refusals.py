"""Why something cannot be done with a medium. Codes are public and stable."""

from ledger.errors import Conflict, Denied, Malformed, Missing


class MediumUnknown(Missing):
    code = "unknown"
    says = "There is no such medium."


class MediumSuspect(Conflict):
    code = "medium_suspect"
    says = "The medium is suspected of having been copied; the centre must see it."


class MediumLost(Conflict):
    code = "medium_blocked"
    says = "The medium was reported lost; it is not used until it is found."


class MediumBlocked(Conflict):
    code = "medium_blocked"
    says = "The medium is blocked; its tickets can be recorded on another one."


class MediumReplaced(Conflict):
    code = "medium_blocked"
    says = "The medium was replaced by another; use that one."


class MediumReturned(Conflict):
    code = "medium_blocked"
    says = "The medium was handed in and is not in use any more."


class NotLost(Conflict):
    code = "unknown"
    says = "The medium is not reported lost."


class NotSuspect(Conflict):
    code = "unknown"
    says = "The medium is not under suspicion."


class NotItsHolder(Denied):
    code = "not_owner"
    says = "Only the medium's holder or an operator may do this."


class NoReplacement(Conflict):
    code = "medium_blocked"
    says = "Only another medium of the same holder, in use, can replace this one."


class WriteInDoubt(Conflict):
    code = "in_doubt"
    says = "An earlier write of this medium is unsettled; tap it to settle that first."


class WriteUnknown(Missing):
    code = "unknown"
    says = "No such write is pending on this medium."


class ProofMismatch(Conflict):
    code = "counterfeit"
    says = "The card's proof does not fit the write that was prepared."


class NoFreeSlot(Conflict):
    code = "limit"
    says = "The medium has no free slot left."


class BadSlot(Malformed):
    code = "malformed"
    says = "The medium has no slot {slot}."


class BadMediumKind(Malformed):
    code = "malformed"
    says = "A medium is one of these: {kinds}."


class SlotTwice(Malformed):
    code = "malformed"
    says = "A write changes each slot once, and no ticket stands in two slots."
