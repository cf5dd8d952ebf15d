"""Giving tickets away: offered, and moved only when the recipient accepts.

Two ways. Through the transaction centre, which tells the recipient and asks; somebody
without an account is reached at a contact and has a claim, of which the log holds only
the hash. Or directly: the sender hands the offer and a code over himself, to a known
account or to the terminal of its keeper, and the centre tells nobody.

All that a command does, to tickets, gift and allowances, is one commit. Where tickets
and gift are apart, because time ran out or a ticket was used, `gift_lines` follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket, FormKind
from ledger.aggregates.e_ticket.gifts import claim_digest
from ledger.aggregates.e_ticket.refusals import GroupTogether, OfferExpired
from ledger.aggregates.gift import (
    Gift,
    GiftMode,
    GiftOver,
    GiftVia,
    Line,
    LineState,
    TitleMoved,
    require_some,
)
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Malformed, Unknown
from ledger.ports import PersonalData
from ledger.usecases import allowances, gift_lines, groups
from ledger.usecases.answers import seal_answer
from ledger.vocabulary.codes import OFFLINE_HORIZON_S
from ledger.vocabulary.ids import contact_id
from ledger.vocabulary.text import is_text

# 32 random bytes in base64url, without padding.
CLAIM_LENGTH = 43
CONTACT_MAX = 254
MESSAGE_MAX = 280


class BadMessage(Malformed):
    code = "malformed"
    says = "A message has 1 to {most} characters, none of them a control character."


class BadRecipient(Malformed):
    code = "malformed"
    says = "{says}"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a gift is for, and how it reaches him.

    A known party, or its terminal, in `to`; directly it comes with a handover code as
    `claim`. Somebody without an account: a `contact`, and the claim that goes there.
    """

    to: UUID | None = None
    via: GiftVia = "centre"
    claim: str | None = field(default=None, repr=False)
    contact: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        direct = self.via == "direct"
        if (self.to is None) == (self.contact is None) or (direct and self.contact):
            raise BadRecipient(
                says="A gift goes to a party, or through the centre to a contact."
            )
        if (self.claim is not None) != (direct or self.contact is not None):
            raise BadRecipient(
                says="A claim goes with what is handed over directly, or to a contact."
            )
        if self.claim is not None and len(self.claim) != CLAIM_LENGTH:
            raise BadRecipient(says=f"A claim has {CLAIM_LENGTH} characters.")
        if self.contact is not None and not 3 <= len(self.contact) <= CONTACT_MAX:
            raise BadRecipient(says=f"A contact has 3 to {CONTACT_MAX} characters.")


@dataclass(frozen=True, slots=True)
class Offered:
    """`terms_hashes` say by ticket what exactly is offered."""

    offer_id: UUID
    terms_hashes: dict[UUID, str]
    until: datetime
    position: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What somebody accepts: a ticket on the terms he saw, with the new answer."""

    ticket_id: UUID
    terms_hash: str
    answer: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The lines as they stand after it; see `Line.exposed_until`."""

    lines: tuple[Line, ...]
    position: int


def offer(
    ledger: Ledger,
    personal: PersonalData,
    *,
    offer_id: UUID,
    by: UUID,
    ticket_ids: Sequence[UUID],
    recipient: Recipient,
    until: datetime,
    at: datetime,
    cause: Cause,
    mode: GiftMode = "all_or_nothing",
    message: str | None = None,
) -> Offered:
    """Offer one or several tickets of mine to one recipient, with a word for them.

    Tickets that must stay together are offered whole, all or nothing.
    """
    work = ledger.work()
    gift = offer_within(
        work,
        offer_id=offer_id,
        by=by,
        ticket_ids=ticket_ids,
        recipient=recipient,
        until=until,
        mode=mode,
        message=message,
        personal=personal,
        at=at,
    )
    return _offered(gift, work.record(cause))


def offer_within(
    work: Work,
    *,
    offer_id: UUID,
    by: UUID,
    ticket_ids: Sequence[UUID],
    recipient: Recipient,
    until: datetime,
    at: datetime,
    mode: GiftMode = "all_or_nothing",
    message: str | None = None,
    personal: PersonalData,
    replaces: UUID | None = None,
) -> Gift:
    """Offer tickets, inside the caller's commit.

    The contact and the message are of two people, and each is sealed under the key of
    its own: the contact's, the sender's. Raises `BadMessage`.
    """
    require_some(ticket_ids)
    if message is not None and not _is_message(message):
        raise BadMessage(most=MESSAGE_MAX)
    to = None if recipient.to is None else _party_of(work, recipient.to)
    claim_hash = None if recipient.claim is None else claim_digest(recipient.claim)
    tickets = [work.ticket(ticket_id) for ticket_id in ticket_ids]
    for ticket in tickets:
        ticket.offer_gift(
            offer_id=offer_id,
            by=by,
            to=to,
            until=until,
            via=recipient.via,
            claim_hash=claim_hash,
            at=at,
        )
    for ticket in tickets:
        _require_whole_group(work, ticket, ticket_ids, mode)
    # Last, for it makes keys.
    contact, its = recipient.contact, contact_id(offer_id)
    contact_sealed = None if contact is None else personal.seal(its, contact)
    message_sealed = None if message is None else personal.seal(by, message)
    return work.add(
        Gift.offer(
            offer_id=offer_id,
            sender_id=by,
            to=to,
            via=recipient.via,
            mode=mode,
            lines=[(ticket.id, ticket.terms_hash) for ticket in tickets],
            until=until,
            claim_hash=claim_hash,
            contact_sealed=contact_sealed,
            message_sealed=message_sealed,
            replaces=replaces,
            at=at,
        )
    )


def accept(
    ledger: Ledger,
    personal: PersonalData,
    *,
    offer_id: UUID,
    by: UUID,
    wanted: Sequence[Acceptance],
    at: datetime,
    cause: Cause,
    claim: str | None = None,
) -> Accepted:
    """Accept as the recipient: titles move now, and older copies stop working.

    Each ticket is accepted on the terms that the recipient saw. Asked again by whom
    they moved to, the answer is the same and nothing happens.
    """
    work = ledger.work()
    gift = gift_of(work, offer_id)
    gift.require_recipient(by, claim)
    lines = gift.chosen([each.ticket_id for each in wanted])
    if not _has_accepted(gift, lines, by):
        gift_lines.follow(work, gift, at=at)
        for line in lines:
            _require_open(work, gift, line.ticket_id)
        together = [line.ticket_id for line in lines]
        moved = [
            _move(
                work,
                personal,
                gift,
                each,
                by=by,
                claim=claim,
                together=together,
                at=at,
            )
            for each in wanted
        ]
        gift.accept(moved=moved, by=by, at=at)
    position = work.record(cause)
    return Accepted(tuple(gift.line(line.ticket_id) for line in lines), position)


def decline(
    ledger: Ledger,
    *,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
    ticket_ids: Collection[UUID] | None = None,
    claim: str | None = None,
) -> int:
    """Decline lines as the recipient, or without ids all that are still open."""
    work = ledger.work()
    gift = gift_of(work, offer_id)
    gift.require_recipient(by, claim)
    lines = _open_lines(work, gift, ticket_ids, at)
    for line in lines:
        work.ticket(line.ticket_id).decline_gift(
            offer_id=offer_id, by=by, claim=claim, at=at
        )
    if lines:
        gift.decline(ticket_ids=[line.ticket_id for line in lines], at=at)
    return work.record(cause)


def withdraw(
    ledger: Ledger,
    *,
    offer_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
    ticket_ids: Collection[UUID] | None = None,
) -> int:
    """Take lines back as the sender, or without ids all that are still open.

    What ended of itself meanwhile is noted, and every ticket of it is free again.
    """
    work = ledger.work()
    gift = gift_of(work, offer_id)
    gift.require_sender(by)
    lines = _open_lines(work, gift, ticket_ids, at)
    _withdraw(work, gift, lines, at=at)
    return work.record(cause)


def retarget(
    ledger: Ledger,
    personal: PersonalData,
    *,
    offer_id: UUID,
    new_offer_id: UUID,
    by: UUID,
    recipient: Recipient,
    until: datetime,
    at: datetime,
    cause: Cause,
    ticket_ids: Collection[UUID] | None = None,
    message: str | None = None,
) -> Offered:
    """Offer lines to somebody else instead; the old offer and its claim are dead.

    What was said with the old one was said to its recipient: the new one has its own
    `message`, or none.
    """
    work = ledger.work()
    gift = gift_of(work, offer_id)
    gift.require_sender(by)
    gift_lines.follow(work, gift, at=at)
    chosen = [line.ticket_id for line in gift.chosen(ticket_ids)]
    if ticket_ids is None:
        chosen = [line.ticket_id for line in gift.pending] or chosen
    for ticket_id in chosen:
        _require_open(work, gift, ticket_id)
    lines = [gift.line(ticket_id) for ticket_id in chosen]
    _withdraw(work, gift, lines, at=at, replaced_by=new_offer_id)
    instead = offer_within(
        work,
        offer_id=new_offer_id,
        by=by,
        ticket_ids=chosen,
        recipient=recipient,
        until=until,
        mode="all_or_nothing" if gift.is_whole else "per_line",
        message=message,
        personal=personal,
        replaces=offer_id,
        at=at,
    )
    return _offered(instead, work.record(cause))


def note_ends(ledger: Ledger, *, offer_id: UUID, at: datetime, cause: Cause) -> int:
    """Make visible what became of an offer of itself; commands knew before."""
    work = ledger.work()
    gift_lines.follow(work, gift_of(work, offer_id), at=at)
    return work.record(cause)


def forget_contact(
    ledger: Ledger,
    personal: PersonalData,
    *,
    offer_id: UUID,
    at: datetime,
    cause: Cause,
    by: UUID | None = None,
) -> int:
    """Erase the contact to which a claim was sent; the offer itself stands.

    Its sender has it done, or an operator, for whom `by` is None. The event comes
    first: if the process dies before the key is destroyed, doing this again destroys
    it.
    """
    work = ledger.work()
    gift = gift_of(work, offer_id)
    if by is not None:
        gift.require_sender(by)
    gift.erase_contact(at=at)
    position = work.record(cause)
    personal.destroy(contact_id(offer_id))
    return position


def gift_of(work: Work, offer_id: UUID) -> Gift:
    """Return a gift. Raises `Unknown`."""
    return work.get(Gift, offer_id, Unknown(what="gift offer"))


def _is_message(said: str) -> bool:
    return 1 <= len(said) <= MESSAGE_MAX and is_text(said)


def _party_of(work: Work, recipient_id: UUID) -> UUID:
    """Return the party that is meant: the one named, or the terminal's keeper."""
    device = work.find(Device, recipient_id)
    if device is not None:
        device.require("terminal")
        return device.keeper_id
    return work.get(Party, recipient_id, Unknown(what="party")).id


def _require_whole_group(
    work: Work, ticket: ETicket, ticket_ids: Collection[UUID], mode: GiftMode
) -> None:
    """What stays together is offered together, so that it can be accepted at all."""
    if not ticket.terms.together or ticket.group_id is None or ticket.group_size == 1:
        return
    moving = groups.moving_with(work, ticket, ticket_ids) | {ticket.id}
    if len(moving) < ticket.group_size or mode != "all_or_nothing":
        raise GroupTogether(group_size=ticket.group_size, because=ticket.names(1))


def _has_accepted(gift: Gift, lines: Sequence[Line], by: UUID) -> bool:
    return gift.to_party_id == by and all(
        line.state == LineState.ACCEPTED for line in lines
    )


def _open_lines(
    work: Work, gift: Gift, ticket_ids: Collection[UUID] | None, at: datetime
) -> list[Line]:
    """Return the lines that a command is to end; none if they just ended themselves.

    Raises as the gift does if there is nothing to end and nothing to note.
    """
    gift_lines.follow(work, gift, at=at)
    chosen = gift.chosen(ticket_ids)
    lines = [line for line in chosen if line.state == LineState.PENDING]
    if (ticket_ids is None and lines) or gift.pending_events:
        return lines
    for line in chosen:
        _require_open(work, gift, line.ticket_id)
    return lines


def _require_open(work: Work, gift: Gift, ticket_id: UUID) -> None:
    """Raise, with what became of the ticket, unless the line is still pending."""
    line = gift.line(ticket_id)
    if line.state == LineState.EXPIRED:
        said = gift_lines.deadline(work, gift, ticket_id)
        raise OfferExpired(
            what="gift offer",
            until=said.until.isoformat(),
            because=work.ticket(ticket_id).names(said.originator_version),
        )
    if line.state == LineState.VOIDED:
        work.ticket(ticket_id).require_owned()
    if line.state != LineState.PENDING and gift.pending_events:
        raise GiftOver(state=line.state.lower(), because=gift.names(1))
    gift.require_pending(line)


def _withdraw(
    work: Work,
    gift: Gift,
    lines: Sequence[Line],
    *,
    at: datetime,
    replaced_by: UUID | None = None,
) -> None:
    for line in lines:
        work.ticket(line.ticket_id).withdraw_gift(
            offer_id=gift.id, by=gift.sender_id, at=at
        )
    if lines:
        gift.withdraw(
            ticket_ids=[line.ticket_id for line in lines],
            replaced_by=replaced_by,
            at=at,
        )


def _move(
    work: Work,
    personal: PersonalData,
    gift: Gift,
    accepted: Acceptance,
    *,
    by: UUID,
    claim: str | None,
    together: Collection[UUID],
    at: datetime,
) -> TitleMoved:
    """Move one title; return what the gift notes of it."""
    ticket = work.ticket(accepted.ticket_id)
    ticket.require_offer(gift.id, by, at, claim)
    exposed = ticket.form.kind == FormKind.ON_MEDIUM  # If the terms let it move so.
    ticket.accept_gift(
        offer_id=gift.id,
        by=by,
        terms_hash=accepted.terms_hash,
        # After the offer was asked for: strangers do not learn the question.
        check_sealed=seal_answer(
            personal, holder_id=by, question=ticket.question, answer=accepted.answer
        ),
        claim=claim,
        group=groups.moving_with(work, ticket, together),
        at=at,
    )
    allowances.moved(
        work,
        offering_id=ticket.offering_id,
        ticket_id=ticket.id,
        from_id=gift.sender_id,
        to_id=by,
        at=at,
    )
    return TitleMoved(
        ticket_id=ticket.id,
        terms_hash=accepted.terms_hash,
        epoch=ticket.epoch,
        title_version=ticket.version,
        exposed_until=at + timedelta(seconds=OFFLINE_HORIZON_S) if exposed else None,
    )


def _offered(gift: Gift, position: int) -> Offered:
    hashes: Mapping[UUID, str] = {
        line.ticket_id: line.terms_hash for line in gift.lines
    }
    return Offered(gift.id, dict(hashes), gift.until, position)
