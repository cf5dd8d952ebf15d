"""Authorising sellers with shops of their own, as the issuer whose places they sell."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.aggregates.mandate import Mandate, NotMandated
from ledger.aggregates.offering import Offering
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Unknown
from ledger.vocabulary.ids import mandate_id


def give_mandate(
    ledger: Ledger,
    *,
    issuer_id: UUID,
    seller_id: UUID,
    commission_percent: int,
    at: datetime,
    cause: Cause,
) -> int:
    """Authorise a seller as the issuer, or change his commission."""
    work = ledger.work()
    for party_id in (issuer_id, seller_id):
        work.get(Party, party_id, Unknown(what="party"))
    stream_id = mandate_id(issuer_id, seller_id)
    found = work.find(Mandate, stream_id)
    if found is not None:
        found.renew(commission_percent=commission_percent, at=at)
    else:
        work.add(
            Mandate.grant(
                mandate_id=stream_id,
                issuer_id=issuer_id,
                seller_id=seller_id,
                commission_percent=commission_percent,
                at=at,
            )
        )
    return work.record(cause)


def withdraw_mandate(
    ledger: Ledger, *, issuer_id: UUID, seller_id: UUID, at: datetime, cause: Cause
) -> int:
    """Take the word back as the issuer; sales that were registered stand."""
    work = ledger.work()
    found = work.get(Mandate, mandate_id(issuer_id, seller_id), Unknown(what="mandate"))
    found.withdraw(at=at)
    return work.record(cause)


def commission_percent(work: Work, offering: Offering, seller_id: UUID) -> int:
    """Return what a seller keeps; raise `NotMandated` without a mandate in force."""
    mandate = work.find(Mandate, mandate_id(offering.issuer_id, seller_id))
    if mandate is None:
        raise NotMandated(because=offering.names(1))
    mandate.require_in_force()
    return mandate.commission_percent
