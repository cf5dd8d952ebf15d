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


class Ended(Conflict):
    code = "revoked"
    says = "The ticket was {life} and gives no right any more."


class Frozen(Conflict):
    code = "frozen"
    says = "The ticket is frozen by a case of the transaction centre ({kind})."


class NotOver(Conflict):
    code = "not_yet_valid"
    says = "The ticket is valid until {not_after}; it has not expired."


class NotEnded(Conflict):
    code = "unknown"
    says = "The ticket is {life}: there is nothing to reinstate."


class AlreadyReversed(Conflict):
    code = "already_reversed"
    says = "Event {version} of the ticket was reversed before."


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


class SoldPending(Conflict):
    code = "sold_pending"
    says = "The ticket is being sold: the payment is under way."


class InExchange(Conflict):
    code = "in_exchange"
    says = "The ticket is about to be exchanged; confirm or give up that first."


LOCKED = {
    LockKind.GIFT: InGift,
    LockKind.LISTING: Listed,
    LockKind.SETTLEMENT: SoldPending,
    LockKind.EXCHANGE: InExchange,
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


class TooLate(Conflict):
    code = "not_transferable"
    says = "The ticket could be {moved} until {until}."


class GroupTogether(Conflict):
    code = "not_transferable"
    says = "The ticket is one of {group_size} that stay together; move all of them."


class NotOnePiece(Conflict):
    code = "not_transferable"
    says = "The ticket was used or has changed hands, so its sale cannot be undone."


class NotRefundable(Conflict):
    code = "not_refundable"
    says = "The issuer does not take this ticket back."


class NotExchangeable(Conflict):
    code = "not_exchangeable"
    says = "The issuer does not exchange this ticket."


class NotModifiable(Denied):
    code = "not_owner"
    says = "Only the issuer may change the {field}; ask for it instead."


class BadChange(Malformed):
    code = "malformed"
    says = "{says}"


class RequestUnknown(Conflict):
    code = "unknown"
    says = "There is no open request with this id on the ticket."


class SerialDead(Conflict):
    code = "already_dispensed"
    says = "The paper {serial} is not the ticket's valid paper."


class NotDispensed(Conflict):
    code = "unknown"
    says = "The ticket is not on paper."


class BadAmount(Malformed):
    code = "malformed"
    says = "An amount to redeem is a whole number of at least 1."


class UsesExceeded(Conflict):
    code = "limit"
    says = "The coupon has {left} left; {amount} was asked for."


class RedemptionUnknown(Conflict):
    code = "unknown"
    says = "There is no such redemption of this coupon."


class ReversalExceeds(Conflict):
    code = "limit"
    says = "Of this redemption {left} can still be reversed; {amount} was asked for."


class MediumKindRefused(Conflict):
    code = "not_transferable"
    says = "The issuer does not allow this ticket on a medium of kind {kind}."


class PersonCheckMissing(Conflict):
    code = "not_transferable"
    says = (
        "A medium of kind {kind} can be copied, and this ticket asks its holder"
        " nothing when it is dispensed: record it on an IC card."
    )
