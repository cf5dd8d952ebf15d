"""A client at the machines with a card of its own: loads, dispenses, uses tickets.

    on paper no more   load ──► settle, on the card ──► lease ──► mark ──► print
                                                    ──► use   ──► redeem

Any client also tries what another has begun: to end it, or to do it a second time.
"""

from __future__ import annotations

from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, FormKind, LockKind
from ledger.application import Cause
from ledger.usecases import coupons, dispensing, media
from ledger.usecases.media import MediumWrite, Proof
from ledger.vocabulary.money import Money
from tests.domain.examples import DISPENSER, TERMINAL, TILL
from tests.history import town
from tests.history.client import Client
from tests.history.operations import NOTHING, Outcome
from tests.history.town import AT

SAID_TWICE_SHARE = 0.5
"""A machine that has lost its line tells its journal again."""

LOST = Proof(committed=False, reason="nobody knows")


class Machines:
    """What a client does with its card; the card is simulated, its proofs are real."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.its, self.ledger = client.its, client.ledger
        self.card = town.card_of(client.its, client.number)
        self.holder = town.holder_of(client.number)

    def go_on(self, ticket: ETicket) -> None:
        """Do at a machine what the ticket's state allows, or try what it does not."""
        here = ticket.form.kind == FormKind.ON_MEDIUM
        here = here and ticket.form.medium_uid == self.card.uid.hex()
        if ticket.lock.kind == LockKind.DISPENSE:
            self._meddle_with_print(ticket)
        elif ticket.lock.kind == LockKind.REDEMPTION:
            self._give_use_up(ticket)
        elif here and ticket.uses.limit > 1:
            self._use(ticket)
        elif here:
            self._dispense(ticket)
        elif ticket.owner_id == self.holder:
            self._load(ticket)

    def _load(self, ticket: ETicket) -> None:
        write_id, writes = self.client.fresh(), list[MediumWrite | None]()
        known = {entry.ticket_ref for entry in self.card.slots}

        def prepare(cause: Cause) -> int:
            prepared = media.prepare_write(
                self.ledger,
                self.its.personal,
                self.its.secrets,
                reading=self.card.reading(),
                write_id=write_id,
                load=[] if ticket.id.bytes[:8] in known else [ticket.id],
                unload=[],
                terminal_id=TERMINAL,
                by=self.holder,
                origin="test",
                at=AT,
                cause=cause,
            )
            writes.append(prepared.write)
            return prepared.position if prepared.write is not None else NOTHING

        asked = self.client.ask("load", prepare, write_id=write_id)
        if asked.outcome == Outcome.OK and writes and writes[-1] is not None:
            self._settle(writes[-1])

    def _settle(self, write: MediumWrite) -> None:
        proof = self.card.commit(write)

        def settle(cause: Cause) -> int:
            return media.settle_write(
                self.ledger,
                self.its.cards,
                uid=self.card.uid,
                write_id=write.write_id,
                proof=proof,
                by=self.holder,
                at=AT,
                cause=cause,
            ).position

        self.client.ask("settle", settle, write_id=write.write_id)

    def _dispense(self, ticket: ETicket) -> None:
        job_id, write_id = self.client.fresh(), self.client.fresh()
        leases: list[dispensing.Lease] = []
        slot = self._slot_of(ticket)

        def start(cause: Cause) -> int:
            lease = dispensing.start(
                self.ledger,
                ticket_id=ticket.id,
                reading=self.card.reading(),
                slot=slot,
                expected_epoch=self.card.slots[slot].epoch,
                answered=True,
                device_id=DISPENSER,
                job_id=job_id,
                write_id=write_id,
                at=AT,
                cause=cause,
            )
            leases.append(lease)
            return lease.position

        asked = self.client.ask("lease", start, stream=ticket.id, job_id=job_id)
        if asked.outcome == Outcome.OK and leases:
            self._mark(ticket, leases[-1])

    def _mark(self, ticket: ETicket, lease: dispensing.Lease) -> None:
        proof = self.card.commit(lease.write)
        serial = f"D-{lease.job_id.hex[:12].upper()}"

        def mark(cause: Cause) -> int:
            return dispensing.mark(
                self.ledger,
                self.its.cards,
                self.its.secrets,
                ticket_id=ticket.id,
                job_id=lease.job_id,
                uid=self.card.uid,
                write_id=lease.write.write_id,
                proof=proof,
                serial=serial,
                device_id=DISPENSER,
                at=AT,
                cause=cause,
            ).position

        said = {"stream": ticket.id, "job_id": lease.job_id, "serial": serial}
        asked = self.client.ask("mark", mark, **said)
        if asked.outcome != Outcome.OK:
            return
        self._print(ticket, lease.job_id, serial)
        if self.client.chance.random() < SAID_TWICE_SHARE:
            self._print(ticket, lease.job_id, serial)

    def _print(self, ticket: ETicket, job_id: UUID, serial: str) -> None:
        def printed(cause: Cause) -> int:
            return dispensing.printed(
                self.ledger,
                ticket_id=ticket.id,
                job_id=job_id,
                serial=serial,
                device_id=DISPENSER,
                device_time=None,
                at=AT,
                cause=cause,
            )

        said = {"stream": ticket.id, "job_id": job_id, "serial": serial}
        self.client.ask("print", printed, **said)

    def _meddle_with_print(self, ticket: ETicket) -> None:
        """Print what another has leased, or end its lease."""
        job_id = ticket.lock.ref
        assert job_id is not None

        def abort(cause: Cause) -> int:
            return dispensing.abort(
                self.ledger,
                ticket_id=ticket.id,
                job_id=job_id,
                reason="nobody knows",
                device_id=DISPENSER,
                at=AT,
                cause=cause,
            )

        if ticket.print_serial is not None and self.client.chance.random() < 0.8:
            self._print(ticket, job_id, ticket.print_serial)
        else:
            self.client.ask("abort", abort, stream=ticket.id, job_id=job_id)

    def _use(self, ticket: ETicket) -> None:
        session_id, write_id = self.client.fresh(), self.client.fresh()
        sessions: list[coupons.Session] = []
        slot = self._slot_of(ticket)

        def start(cause: Cause) -> int:
            session = coupons.start(
                self.ledger,
                ticket_id=ticket.id,
                reading=self.card.reading(),
                slot=slot,
                expected_epoch=self.card.slots[slot].epoch,
                receipt=session_id.hex,
                purchase=Money(900, "EUR"),
                device_id=TILL,
                session_id=session_id,
                write_id=write_id,
                at=AT,
                cause=cause,
            )
            sessions.append(session)
            return session.position

        asked = self.client.ask("use", start, stream=ticket.id, session_id=session_id)
        if asked.outcome == Outcome.OK and sessions:
            write = sessions[-1].write
            said = ticket.id, session_id, self.card.uid, write.write_id
            self._redeem("redeem", *said, self.card.commit(write))

    def _give_use_up(self, ticket: ETicket) -> None:
        session_id, lease = ticket.lock.ref, ticket.lease
        uid = ticket.form.medium_uid
        if session_id is not None and lease is not None and uid is not None:
            said = ticket.id, session_id, bytes.fromhex(uid), lease.write_id
            self._redeem("give_up", *said, LOST)

    def _redeem(
        self,
        kind: str,
        ticket_id: UUID,
        session_id: UUID,
        uid: bytes,
        write_id: UUID,
        proof: Proof,
    ) -> None:
        def redeem(cause: Cause) -> int:
            return coupons.redeem(
                self.ledger,
                self.its.cards,
                ticket_id=ticket_id,
                session_id=session_id,
                uid=uid,
                write_id=write_id,
                proof=proof,
                device_id=TILL,
                at=AT,
                cause=cause,
            ).position

        self.client.ask(kind, redeem, stream=ticket_id, session_id=session_id)

    def _slot_of(self, ticket: ETicket) -> int:
        return ticket.form.slot or 0
