"""One row of an import becomes a ticket, and its owner a party if he is new."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.offering import Offering
from ledger.aggregates.party import Party
from ledger.application import Work
from ledger.ports import PersonalData
from ledger.usecases import allowances
from ledger.usecases.bulk.rows import Row
from ledger.usecases.sales import seal_answer
from ledger.vocabulary.ids import imported_party_id


def owner(
    work: Work, personal: PersonalData, *, batch_id: UUID, row: Row, at: datetime
) -> UUID:
    """Return who owns the row's ticket; register somebody new."""
    if row.owner_id is not None:
        return row.owner_id
    party_id = imported_party_id(batch_id, row.reference)
    contact = personal.seal(party_id, row.contact) if row.contact else None
    party = Party.register(
        party_id=party_id,
        kind="person",
        name_sealed=personal.seal(party_id, row.name or ""),
        contact_sealed=contact,
        at=at,
    )
    return work.add(party).id


def issue(
    work: Work,
    personal: PersonalData,
    *,
    offering: Offering,
    row: Row,
    place: str,
    ticket_id: UUID,
    owner_id: UUID,
    at: datetime,
) -> None:
    """Issue the row's ticket; no purchase limit refuses it, but it counts."""
    category = offering.category(row.category)
    price_minor, fees_minor = category.price_minor, category.fees_minor
    if row.price_minor is not None:
        price_minor, fees_minor = row.price_minor, 0
    check_sealed = seal_answer(
        personal, holder_id=owner_id, question=offering.question, answer=row.answer
    )
    work.add(
        ETicket.issue(
            ticket_id=ticket_id,
            order_id=None,
            offering_id=offering.id,
            issuer_id=offering.issuer_id,
            owner_id=owner_id,
            kind=offering.kind,
            title=offering.title,
            right=place,
            category=category.name,
            not_before=offering.valid_from,
            not_after=offering.valid_until,
            price_minor=price_minor,
            fees_minor=fees_minor,
            currency=offering.currency,
            uses_limit=offering.uses_limit,
            uses_unit=offering.uses_unit,
            terms=offering.terms,
            question=offering.question,
            check_sealed=check_sealed,
            source="import",
            at=at,
        )
    )
    allowances.moved(
        work,
        offering_id=offering.id,
        ticket_id=ticket_id,
        from_id=None,
        to_id=owner_id,
        at=at,
    )
