"""People who give tickets away: what they offer, take, and what comes between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ledger.aggregates.allowance import Allowance
from ledger.aggregates.case import Case
from ledger.aggregates.e_ticket import ETicket, HoldKind, Terms
from ledger.aggregates.gift import Gift
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger
from ledger.ports import PersonalData
from ledger.projections.gifts import GiftsView
from ledger.projections.notices import NoticesView
from ledger.usecases import cases, gift_offers, gifts
from ledger.usecases.gift_offers import GiftNow
from ledger.usecases.gifts import CLAIM_LENGTH, Acceptance, Accepted, Recipient
from ledger.vocabulary.ids import allowance_id
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    HOUR,
    ISSUER,
    NOON,
    OFFERING,
    UID,
    a_ticket,
)
from tests.usecases.market import Unsealed

CAUSE = Cause(actor="test")
PEOPLE = (ALICE, BOB, CAROL)
CONTACT = "dora@example.org"
SHORTLY = timedelta(minutes=1)
_ids = itertools.count(60_000)


def fresh() -> UUID:
    return UUID(int=next(_ids))


def a_claim(letter: str = "c") -> str:
    return letter * CLAIM_LENGTH


class Giving:
    """Everybody known; Alice owns what is issued. A gift goes to Bob, for an hour."""

    def __init__(self, ledger: Ledger, personal: PersonalData | None = None) -> None:
        self.ledger = ledger
        self.personal = personal or Unsealed()
        known = [
            Party.register(
                party_id=party_id,
                kind="person",
                name_sealed="",
                contact_sealed=None,
                at=NOON,
            )
            for party_id in PEOPLE
        ]
        ledger.record(*known, cause=CAUSE)

    @property
    def gifts_view(self) -> GiftsView:
        return GiftsView(self.ledger.recorder.datastore)

    @property
    def notices_view(self) -> NoticesView:
        return NoticesView(self.ledger.recorder.datastore)

    def issue(self, count: int = 1, **given: Any) -> list[UUID]:
        """Issue tickets to Alice; `terms` are what is not as usual."""
        terms = Terms(**given.pop("terms", {}))
        tickets = [
            a_ticket(ticket_id=fresh(), order_id=None, terms=terms, **given)
            for _ in range(count)
        ]
        self.ledger.record(*tickets, cause=CAUSE)
        return [ticket.id for ticket in tickets]

    def issue_pair(self) -> list[UUID]:
        """Issue two tickets that must stay together."""
        return self.issue(2, group_id=fresh(), group_size=2, terms={"together": True})

    def offer(
        self,
        *ticket_ids: UUID,
        by: UUID = ALICE,
        recipient: Recipient | None = None,
        until: datetime | None = None,
        at: datetime = NOON,
        **more: Any,
    ) -> UUID:
        offer_id = fresh()
        gifts.offer(
            self.ledger,
            self.personal,
            offer_id=offer_id,
            by=by,
            ticket_ids=ticket_ids,
            recipient=recipient or Recipient(BOB),
            until=until or at + HOUR,
            at=at,
            cause=CAUSE,
            **more,
        )
        return offer_id

    def accept(
        self,
        offer_id: UUID,
        *ticket_ids: UUID,
        by: UUID = BOB,
        claim: str | None = None,
        answer: str | None = None,
        seen: GiftNow | None = None,
        at: datetime = NOON,
    ) -> Accepted:
        """Accept these lines, or all, on the terms as they are or as they were seen."""
        chosen = ticket_ids or self.tickets_of(offer_id)
        hashes = {each: self.ledger.ticket(each).terms_hash for each in chosen}
        if seen is not None:
            hashes = {line.ticket_id: line.terms_hash for line in seen.lines}
        return gifts.accept(
            self.ledger,
            self.personal,
            offer_id=offer_id,
            by=by,
            wanted=[Acceptance(each, hashes[each], answer) for each in chosen],
            claim=claim,
            at=at,
            cause=CAUSE,
        )

    def decline(
        self, offer_id: UUID, *ticket_ids: UUID, by: UUID = BOB, at=NOON, **more: Any
    ) -> int:
        return gifts.decline(
            self.ledger,
            offer_id=offer_id,
            by=by,
            ticket_ids=ticket_ids or None,
            at=at,
            cause=CAUSE,
            **more,
        )

    def withdraw(
        self, offer_id: UUID, *ticket_ids: UUID, by: UUID = ALICE, at=NOON
    ) -> int:
        return gifts.withdraw(
            self.ledger,
            offer_id=offer_id,
            by=by,
            ticket_ids=ticket_ids or None,
            at=at,
            cause=CAUSE,
        )

    def retarget(
        self,
        offer_id: UUID,
        *ticket_ids: UUID,
        by: UUID = ALICE,
        recipient: Recipient | None = None,
        at: datetime = NOON,
        message: str | None = None,
    ) -> UUID:
        """Offer it, or these lines, to Carol instead."""
        new_offer_id = fresh()
        gifts.retarget(
            self.ledger,
            self.personal,
            offer_id=offer_id,
            new_offer_id=new_offer_id,
            by=by,
            recipient=recipient or Recipient(CAROL),
            ticket_ids=ticket_ids or None,
            until=at + HOUR,
            message=message,
            at=at,
            cause=CAUSE,
        )
        return new_offer_id

    def note_ends(self, offer_id: UUID, *, at: datetime = NOON) -> int:
        return gifts.note_ends(self.ledger, offer_id=offer_id, at=at, cause=CAUSE)

    def look(
        self,
        offer_id: UUID,
        *,
        by: UUID = BOB,
        at: datetime = NOON,
        claim: str | None = None,
    ) -> GiftNow:
        return gift_offers.look_at_gift(
            self.ledger, offer_id=offer_id, by=by, claim=claim, at=at
        )

    # What comes between.

    def freeze(
        self, case_id: UUID, *ticket_ids: UUID, effects=("no_title",), at=NOON
    ) -> UUID:
        work = self.ledger.work()
        case = cases.open_within(
            work,
            case_id=case_id,
            type="unauthorised_transfer",
            ticket_ids=ticket_ids,
            facts={"said": len(ticket_ids)},
            kind=HoldKind.DISPUTE,
            effects=effects,
            opened_by=str(ALICE),
            at=at,
        )
        work.record(CAUSE)
        return case.id

    def release(self, case_id: UUID, *, at: datetime = NOON) -> None:
        work = self.ledger.work()
        case = work.find(Case, case_id)
        assert case is not None
        case.withdraw(by=str(ALICE), reason="settled", at=at)
        cases.release_holds(work, case, at=at)
        work.record(CAUSE)

    def do(self, ticket_id: UUID, command: str, **said: Any) -> ETicket:
        """Give a ticket one command, and record it."""
        ticket = self.ledger.ticket(ticket_id)
        getattr(ticket, command)(**({"at": NOON} | said))
        self.ledger.record(ticket, cause=CAUSE)
        return ticket

    def change(self, ticket_id: UUID, right: str = "Row 9", *, at=NOON) -> ETicket:
        changes = {"right": right}
        return self.do(
            ticket_id, "modify", by=ISSUER, changes=changes, reason="stage", at=at
        )

    def revoke(self, ticket_id: UUID, *, at: datetime = NOON) -> ETicket:
        return self.do(ticket_id, "revoke", reason="forged", by=ISSUER, at=at)

    def record_on_card(self, ticket_id: UUID, *, slot: int = 0) -> None:
        """Let the ticket stand on its owner's card."""
        place: dict[str, Any] = {"medium_uid": UID.hex(), "slot": slot}
        ticket, write_id = self.ledger.ticket(ticket_id), fresh()
        by = ticket.owner_id
        ticket.prepare_write(write_id=write_id, by=by, seq=1, at=NOON, **place)
        ticket.confirm_write(write_id=write_id, epoch=ticket.epoch, at=NOON, **place)
        self.ledger.record(ticket, cause=CAUSE)

    def lease(self, ticket_id: UUID, *, at: datetime = NOON) -> UUID:
        """Let a dispenser have the ticket that is on a card; return the job's id."""
        job_id, form = fresh(), self.ledger.ticket(ticket_id).form
        self.do(
            ticket_id,
            "start_dispense",
            job_id=job_id,
            write_id=job_id,
            device_id=DISPENSER,
            expected_epoch=self.ledger.ticket(ticket_id).epoch,
            medium_uid=form.medium_uid,
            slot=form.slot,
            until=at + SHORTLY,
            at=at,
        )
        return job_id

    def print(self, ticket_id: UUID, job_id: UUID, *, at: datetime = NOON) -> ETicket:
        serial = f"T-{job_id.int:06}"
        job: dict[str, Any] = {"job_id": job_id, "device_id": DISPENSER, "at": at}
        self.do(ticket_id, "authorise_print", write_id=job_id, serial=serial, **job)
        return self.do(ticket_id, "dispense", serial=serial, device_time=None, **job)

    def dispense(self, ticket_id: UUID, *, at: datetime = NOON) -> ETicket:
        return self.print(ticket_id, self.lease(ticket_id, at=at), at=at)

    # What there is.

    def gift(self, offer_id: UUID) -> Gift:
        gift = self.ledger.find(Gift, offer_id)
        assert gift is not None
        return gift

    def tickets_of(self, offer_id: UUID) -> Sequence[UUID]:
        return [line.ticket_id for line in self.gift(offer_id).lines]

    def states(self, offer_id: UUID) -> list[str]:
        """Return the recorded states of the lines, as they were offered."""
        return [line.state for line in self.gift(offer_id).lines]

    def owners(self, *ticket_ids: UUID) -> list[UUID]:
        return [self.ledger.ticket(each).owner_id for each in ticket_ids]

    def counted(self, party_id: UUID) -> set[UUID]:
        """Return the tickets that count towards a party's purchase limit."""
        counted = self.ledger.find(Allowance, allowance_id(OFFERING, party_id))
        return set(counted.owned) if counted else set()
