"""A ledger with tickets in dispute: who complains, who judges, and short ways there."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.case import Case, Decision
from ledger.aggregates.e_ticket import ETicket
from ledger.application import Cause
from ledger.bootstrap import Installation
from ledger.usecases import disputes, parties, unwinding
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON, a_ticket

CAUSE = Cause(actor="test")
JUDGE, CLERK, THIRD = (UUID(int=n) for n in range(81, 84))
_ids = itertools.count(50_000)


def fresh() -> UUID:
    return UUID(int=next(_ids))


class Court:
    """Alice, Bob and Carol, tickets of their own, and three operators."""

    def __init__(self, installation: Installation) -> None:
        self.ledger = installation.ledger
        self.personal = installation.personal
        self.desk = installation.desk
        for party_id in (ISSUER, ALICE, BOB, CAROL):
            parties.register(
                self.ledger,
                self.personal,
                party_id=party_id,
                kind="person",
                name=f"Somebody {party_id.int}",
                contact=None,
                at=NOON,
                cause=CAUSE,
            )

    def ticket(self, **given: Any) -> UUID:
        """Issue a ticket to Alice outside of any sale; return its id."""
        said: dict[str, Any] = {
            "ticket_id": fresh(),
            "order_id": None,
            "offering_id": fresh(),
        }
        ticket = a_ticket(**(said | given))
        self.ledger.record(ticket, cause=CAUSE)
        return ticket.id

    def do(self, ticket_id: UUID, command: str, **said: Any) -> ETicket:
        """Give a ticket one command, and record it."""
        ticket = self.ledger.ticket(ticket_id)
        getattr(ticket, command)(**({"at": NOON} | said))
        self.ledger.record(ticket, cause=CAUSE)
        return ticket

    def offer(
        self, ticket_id: UUID, *, by: UUID = ALICE, to: UUID = BOB, at: datetime = NOON
    ) -> UUID:
        offer_id = fresh()
        self.do(
            ticket_id,
            "offer_gift",
            offer_id=offer_id,
            by=by,
            to=to,
            until=at + HOUR,
            at=at,
        )
        return offer_id

    def accept(
        self, ticket_id: UUID, offer_id: UUID, *, by: UUID = BOB, at: datetime = NOON
    ) -> ETicket:
        return self.do(
            ticket_id,
            "accept_gift",
            offer_id=offer_id,
            by=by,
            terms_hash=self.ledger.ticket(ticket_id).terms_hash,
            check_sealed=None,
            at=at,
        )

    def given(self, ticket_id: UUID, *, by: UUID = ALICE, to: UUID = BOB) -> ETicket:
        return self.accept(ticket_id, self.offer(ticket_id, by=by, to=to), by=to)

    def leased(self, ticket_id: UUID, *, medium_uid: str = "04aa") -> UUID:
        """Put the ticket on its owner's card and lease it; return the job's id."""
        write, job = fresh(), fresh()
        ticket = self.ledger.ticket(ticket_id)
        slot: dict[str, Any] = {"medium_uid": medium_uid, "slot": 1}
        ticket.prepare_write(write_id=write, seq=1, by=ticket.owner_id, at=NOON, **slot)
        ticket.confirm_write(write_id=write, epoch=ticket.epoch, at=NOON, **slot)
        ticket.start_dispense(
            job_id=job,
            write_id=job,
            device_id=THIRD,
            expected_epoch=ticket.epoch,
            until=NOON + HOUR,
            at=NOON,
            **slot,
        )
        self.ledger.record(ticket, cause=CAUSE)
        return job

    def authorise(self, ticket_id: UUID, job: UUID) -> ETicket:
        """Let the dispenser print: the point of no return."""
        return self.do(
            ticket_id,
            "authorise_print",
            job_id=job,
            write_id=job,
            device_id=THIRD,
            serial="S-0001",
        )

    def print(self, ticket_id: UUID, job: UUID) -> ETicket:
        self.authorise(ticket_id, job)
        return self.printed(ticket_id, job)

    def printed(self, ticket_id: UUID, job: UUID) -> ETicket:
        return self.do(
            ticket_id,
            "dispense",
            job_id=job,
            serial="S-0001",
            device_id=THIRD,
            device_time=None,
        )

    def complain(
        self,
        *ticket_ids: UUID,
        by: UUID = ALICE,
        about="unauthorised_transfer",
        as_operator=False,
        at=NOON,
    ) -> UUID:
        return disputes.complain(
            self.ledger,
            case_id=fresh(),
            case_type=about,
            ticket_ids=ticket_ids,
            by=by,
            as_operator=as_operator,
            at=at,
            cause=CAUSE,
        ).case_id

    def decide(self, case_id: UUID, decision: Decision, *, by: UUID = JUDGE) -> None:
        disputes.start_review(self.ledger, case_id=case_id, by=by, at=NOON, cause=CAUSE)
        disputes.decide(
            self.ledger,
            self.personal,
            case_id=case_id,
            by=by,
            decision=decision,
            grounds="It was shown.",
            at=NOON,
            cause=CAUSE,
        )

    def execute(self, case_id: UUID, *, by: UUID = CLERK, plan_hash=None, at=NOON):
        shown = plan_hash or unwinding.preview(self.ledger, case_id=case_id).hash
        return unwinding.execute(
            self.ledger,
            self.desk,
            case_id=case_id,
            by=by,
            plan_hash=shown,
            at=at,
            cause=CAUSE,
        )

    def close(self, case_id: UUID, *, by: UUID = CLERK) -> int:
        return disputes.close(self.ledger, case_id=case_id, by=by, at=NOON, cause=CAUSE)

    def withdraw(self, case_id: UUID, *, by: UUID = ALICE, at=NOON) -> int:
        return disputes.withdraw(
            self.ledger,
            case_id=case_id,
            by=by,
            as_operator=False,
            reason="settled",
            at=at,
            cause=CAUSE,
        )

    def case(self, case_id: UUID) -> Case:
        case = self.ledger.find(Case, case_id)
        assert case is not None
        return case
