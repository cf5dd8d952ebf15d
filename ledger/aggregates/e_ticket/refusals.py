"""Why something cannot be done with an e-ticket. Codes are public and stable."""

from ledger.aggregates.e_ticket.states import LockKind
from ledger.errors import Conflict, Denied, Malformed


class NotTheOwner(Denied):
    code = "not_owner"
    says = "Only the ticket's owner may do this."


class NotTheIssuer(Denied):
    code = "not_owner"
    says = "Only the ticket's issuer may do this."


class NotYours(Denied):
    code = "not_owner"
    says = "This offer is bound to somebody else."


class AlreadyDispensed(Conflict):
    code = "already_dispensed"
    says = "The ticket was dispensed on paper already, with serial {serial}."


class AlreadyUsed(Conflict):
    code = "already_used"
    says = "The coupon has been used up."


class NoCoupon(Conflict):
    code = "unknown"
    says = "The ticket is not a coupon, so nothing can be redeemed with it."


class NoAdmission(Conflict):
    code = "unknown"
    says = "The ticket is a coupon: it is redeemed at a point of sale, not dispensed."


class InGift(Conflict):
    code = "in_gift"
    says = "The ticket is offered as a gift; withdraw the offer first."


class Listed(Conflict):
    code = "listed"
    says = "The ticket is listed for resale; take the listing down first."


class InDispense(Conflict):
    code = "in_dispense"
    says = "A machine is using the ticket at this moment."


class CardWritePending(Conflict):
    code = "card_write_pending"
    says = "The ticket is being recorded on a card; tap that card to finish it."


LOCKED = {
    LockKind.GIFT: InGift,
    LockKind.LISTING: Listed,
    LockKind.DISPENSE: InDispense,
    LockKind.REDEMPTION: InDispense,
    LockKind.CARD_WRITE: CardWritePending,
}


class NotTransferable(Conflict):
    code = "not_transferable"
    says = "The issuer does not allow this ticket to be {moved}."


class CapExceeded(Conflict):
    code = "cap"
    says = "The price {price_minor} is above the cap of {cap_minor} minor units."


class OfferUnknown(Conflict):
    code = "unknown"
    says = "There is no open {what} with this id on the ticket."


class OfferExpired(Conflict):
    code = "expired"
    says = "This {what} expired at {until}."


class TermsChanged(Conflict):
    code = "epoch_stale"
    says = "The ticket's terms changed since the offer; look at them and accept anew."


class StillOnMedium(Conflict):
    code = "on_medium"
    says = "The ticket is still on the sender's card {medium_uid}; it is cleared first."


class EpochStale(Conflict):
    code = "epoch_stale"
    says = "The ticket is at epoch {epoch}, not {expected}: the copy shown is old."


class NotOnThisMedium(Conflict):
    code = "medium_stale"
    says = "The ticket is not in this slot of this medium any more."


class NotYetValid(Conflict):
    code = "not_yet_valid"
    says = "The ticket is valid from {not_before}."


class NoLongerValid(Conflict):
    code = "no_longer_valid"
    says = "The ticket was valid until {not_after}."


class SerialMismatch(Conflict):
    code = "in_doubt"
    says = "Printing was authorised with serial {serial}, not with this one."


class OtherMachine(Denied):
    code = "device_not_authorised"
    says = "Another machine holds the ticket's lease."


class OtherWrite(Conflict):
    code = "in_doubt"
    says = "The card write reported is not the one prepared for this."


class BadSerial(Malformed):
    code = "malformed"
    says = "A serial has 3 to 32 capital letters, digits and hyphens."


class ReceiptUsed(Conflict):
    code = "already_used"
    says = "The receipt {receipt} has redeemed this coupon before."


class BadDeadline(Malformed):
    code = "expired"
    says = "The deadline {until} has passed already."


class RightTooLong(Malformed):
    code = "malformed"
    says = "What a ticket is for is said in 1 to {right_max} bytes of UTF-8."


class BadPrice(Malformed):
    code = "malformed"
    says = "A price is zero or more, in minor units."


class NothingChanged(Conflict):
    code = "malformed"
    says = "The ticket says this already; nothing would change."
