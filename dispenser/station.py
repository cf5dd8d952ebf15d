"""Does the motions: card, ledger, display, keyboard, paper; each journalled before.

station.recover()          # once, at the start of the program
result = station.present(card)
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from uuid import UUID

from card_bridge.bridge import write_and_commit
from card_bridge.gateway import (
    DispenseLease,
    LedgerGateway,
    LedgerRefusal,
    LedgerUnreachable,
    Outcome,
    PrintOrder,
    SlotNow,
)
from card_bridge.journal import Journal
from card_bridge.keys import KeysError
from card_bridge.plan import plan
from card_bridge.profile.card import Committed
from card_bridge.profile.medium import TicketMedium
from card_bridge.protocol.status import CardError
from card_bridge.reader import CardReader, Presented
from dispenser.hardware.display import Display
from dispenser.hardware.keyboard import Keyboard
from dispenser.hardware.printer import (
    Printer,
    PrinterFault,
    PrintUnknown,
    TicketPaper,
    printable,
)
from dispenser.machine import ENDS, Happening, Motion, State, after
from dispenser.outbox import Job, Outbox, Stage
from dispenser.stock import PaperStock, StockError
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.medium_record import MalformedRecord, SlotEntry
from ledger.vocabulary.sealed_ticket import SealBroken, TicketClaims

TRIES_MAX = 3
CONFLICT, OVERTAKEN = 409, "overtaken"
Clock = Callable[[], datetime]


class NotDispensed(Exception):
    """The machine will not go on; `code` says why, the message in one sentence."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code


# What ends a motion in words. Anything else is a bug and keeps its traceback.
_REFUSALS = (
    CardError,
    KeysError,
    LedgerRefusal,
    LedgerUnreachable,
    MalformedRecord,
    NotDispensed,
    PrinterFault,
    SealBroken,
    StockError,
)


@dataclass(slots=True)
class Visit:
    """One card laid on the reader, and how far it has come."""

    card: TicketMedium
    state: State = State.IDLE
    presented: Presented | None = None
    slot: SlotNow | None = None
    claims: TicketClaims | None = None
    entry: SlotEntry | None = None
    lease: DispenseLease | None = None
    job: Job | None = None
    committed: Committed | None = None
    order: PrintOrder | None = None
    code: str | None = None
    says: str = ""
    went: list[State] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict | None:
        return self.presented.tapped.verdict if self.presented else None


class Station:
    """One dispenser. Not for two threads."""

    def __init__(
        self,
        *,
        gateway: LedgerGateway,
        reader: CardReader,
        journal: Journal,
        outbox: Outbox,
        stock: PaperStock,
        printer: Printer,
        display: Display,
        keyboard: Keyboard,
        clock: Clock,
        zone: tzinfo = UTC,
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._journal = journal
        self._outbox = outbox
        self._stock = stock
        self._printer = printer
        self._display = display
        self._keyboard = keyboard
        self._clock = clock
        self._zone = zone
        self._motions: Mapping[Motion, Callable[[Visit], Happening]] = {
            Motion.READ_CARD: self._read,
            Motion.CHOOSE_TICKET: self._choose,
            Motion.OPEN_TICKET: self._open,
            Motion.ASK_PERSON: self._ask,
            Motion.TAKE_LEASE: self._take_lease,
            Motion.MARK_CARD: self._mark,
            Motion.REPORT_MARK: self._report_mark,
            Motion.PRINT: self._print,
            Motion.REPORT_PRINT: self._report_print,
            Motion.REPORT_ABORT: self._report_abort,
        }

    def invite(self) -> None:
        """Show that the machine is free."""
        self._display.show("Please lay your card on the reader.")

    def present(self, card: TicketMedium) -> Visit:
        """Serve whoever laid this card on the reader; return how it went."""
        visit = Visit(card)
        happening = Happening.CARD_LAID
        while True:
            visit.state, motion = after(visit.state, happening)
            visit.went.append(visit.state)
            if visit.state in ENDS:
                self._say(visit)
                return visit
            happening = self._do(motion, visit)

    def recover(self) -> list[Job]:
        """Settle what a crash left; return what is open still.

        A job that stands at PRINTING waits for a person, any other for the ledger.
        """
        return [job for job in self._outbox.jobs() if not self._settled(job)]

    def resolve(self, job_id: UUID, *, printed: bool) -> bool:
        """Take a person's word for a job in doubt; say whether the ledger knows."""
        for job in self._outbox.jobs():
            if UUID(job.job_id) == job_id and job.stage == Stage.PRINTING:
                stage = Stage.PRINTED if printed else Stage.NOT_PRINTED
                said = job.at(stage, reason="a person looked", printed_at=self._now())
                self._outbox.note(said)
                return self._settled(said)
        raise NotDispensed("unknown", "There is no such job in doubt.")

    def _do(self, motion: Motion, visit: Visit) -> Happening:
        try:
            return self._motions[motion](visit)
        except PrintUnknown as fault:
            visit.code, visit.says = "in_doubt", str(fault)
            return Happening.UNKNOWN
        except _REFUSALS as refusal:
            visit.code = getattr(refusal, "code", "incomplete")
            visit.says = str(refusal)
            return Happening.FAILED

    def _read(self, visit: Visit) -> Happening:
        self._display.show("One moment, please: your card is read.")
        visit.presented = self._reader.present(visit.card)
        return Happening.DID

    def _choose(self, visit: Visit) -> Happening:
        """One usable ticket is taken; several are asked for; none says why."""
        assert visit.presented is not None
        usable = [slot for slot in visit.presented.usable if slot.kind == "admission"]
        if not usable:
            raise _why_none(visit.presented)
        visit.slot = usable[0] if len(usable) == 1 else self._asked_which(usable)
        return Happening.DID

    def _open(self, visit: Visit) -> Happening:
        """Decrypt and check the ticket: the issuer's signature, place and time."""
        assert visit.presented is not None
        assert visit.slot is not None
        visit.claims, visit.entry = self._reader.open_ticket(
            visit.card, visit.presented, visit.slot
        )
        now = self._clock()
        if now < visit.claims.not_before:
            raise NotDispensed("not_yet_valid", "The ticket is not valid yet.")
        if now >= visit.claims.not_after:
            raise NotDispensed("no_longer_valid", "The ticket is not valid any more.")
        if visit.slot.question is not None and visit.claims.check is None:
            raise NotDispensed("incomplete", "The ticket cannot be checked here.")
        return Happening.DID if visit.claims.check is None else Happening.QUESTION

    def _ask(self, visit: Visit) -> Happening:
        """Ask the person, and compare the answer with what the ticket seals."""
        claims = visit.claims
        assert claims is not None
        assert claims.check is not None
        for left in reversed(range(TRIES_MAX)):
            self._display.show(claims.right, claims.check.question.text)
            answer = self._keyboard.line()
            if answer is None:
                break
            if claims.check.accepts(claims.ticket_id, answer):
                return Happening.DID
            self._display.show("That is not the answer.", f"Tries left: {left}")
        raise NotDispensed(
            "name_mismatch", "The answer is not the one given with the ticket."
        )

    def _take_lease(self, visit: Visit) -> Happening:
        assert visit.presented is not None
        assert visit.claims is not None
        assert visit.entry is not None
        assert visit.slot is not None
        self._stock.require()
        self._printer.ready()
        visit.lease = self._gateway.start_dispense(
            visit.claims.ticket_id,
            visit.presented.reading,
            slot=visit.slot.slot,
            epoch=visit.entry.epoch,
            answered=visit.claims.check is not None,
        )
        visit.job = Job(
            job_id=str(visit.lease.job_id),
            ticket_id=str(visit.claims.ticket_id),
            stage=Stage.LEASED,
        )
        self._outbox.note(visit.job)
        return Happening.DID

    def _mark(self, visit: Visit) -> Happening:
        assert visit.presented is not None
        assert visit.lease is not None
        steps = plan(visit.presented.reading, visit.lease.write, {})
        visit.committed = write_and_commit(
            visit.card,
            steps,
            visit.lease.write,
            journal=self._journal,
            settle=lambda _aborted: None,  # The job is called off as a whole.
        )
        return Happening.DID

    def _report_mark(self, visit: Visit) -> Happening:
        """Hand in the card's proof; be allowed one paper with the next number."""
        assert visit.lease is not None
        assert visit.committed is not None
        assert visit.claims is not None
        assert visit.job is not None
        serial = self._stock.take()
        visit.order = self._gateway.mark_dispense(
            visit.claims.ticket_id,
            visit.lease.job_id,
            uid=visit.card.uid,
            write_id=visit.lease.write.write_id,
            outcome=Outcome.of(visit.committed),
            serial=serial,
        )
        if not hmac.compare_digest(visit.order.serial, serial):
            raise NotDispensed("in_doubt", "The ledger authorised another paper.")
        self._journal.settle(visit.card.uid)
        return Happening.DID

    def _print(self, visit: Visit) -> Happening:
        order, job = visit.order, visit.job
        assert order is not None
        assert job is not None
        visit.job = job.at(Stage.PRINTING, serial=order.serial)
        self._outbox.note(visit.job)
        self._display.show("Your ticket is being printed.")
        self._printer.print_ticket(_paper(order).in_zone(self._zone))
        visit.job = visit.job.at(Stage.PRINTED, printed_at=self._now())
        self._outbox.note(visit.job)
        return Happening.DID

    def _report_print(self, visit: Visit) -> Happening:
        assert visit.job is not None
        return Happening.DID if self._settled(visit.job) else Happening.FAILED

    def _report_abort(self, visit: Visit) -> Happening:
        assert visit.job is not None
        visit.job = visit.job.at(Stage.NOT_PRINTED, reason=visit.says)
        self._outbox.note(visit.job)
        # Whether the card took its mark, the ledger reads off it at its next tap.
        self._journal.settle(visit.card.uid)
        self._settled(visit.job)
        return Happening.DID

    def _settled(self, job: Job) -> bool:
        """Tell the ledger how a job ended; keep it if nobody knows, or nobody hears."""
        ticket_id, job_id = job.ids
        try:
            if job.stage == Stage.PRINTING:
                return False
            if job.stage == Stage.PRINTED:
                self._gateway.printed(
                    ticket_id,
                    job_id,
                    serial=job.serial or "",
                    device_time=datetime.fromisoformat(job.printed_at or ""),
                )
            else:
                self._call_off(job)
        except (LedgerRefusal, LedgerUnreachable):
            return False
        self._outbox.close(job)
        return True

    def _call_off(self, job: Job) -> None:
        ticket_id, job_id = job.ids
        reason = printable(job.reason or "the machine stopped", can=bool)
        try:
            self._gateway.abort_dispense(ticket_id, job_id, reason=reason)
        except LedgerRefusal as refusal:
            # A lease that ran out by itself is over as well: nothing to call off.
            # Who was overtaken was not heard.
            if refusal.status != CONFLICT or refusal.code == OVERTAKEN:
                raise

    def _asked_which(self, usable: list[SlotNow]) -> SlotNow:
        self._display.show(
            "Which ticket?",
            *(f"{n}  {slot.title}, {slot.right}" for n, slot in enumerate(usable, 1)),
        )
        typed = self._keyboard.line() or ""
        if typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(usable):
            return usable[int(typed) - 1]
        raise NotDispensed("ambiguous", "Several tickets are valid; choose one.")

    def _say(self, visit: Visit) -> None:
        if visit.state == State.DONE:
            visit.code, visit.says = None, "Here is your ticket. Enjoy it."
        elif visit.state == State.IN_DOUBT:
            visit.says = "Please wait for somebody to help: the printer stopped."
        self._display.show(visit.says)

    def _now(self) -> str:
        return self._clock().isoformat()


def _why_none(presented: Presented) -> NotDispensed:
    tapped = presented.tapped
    admissions = [slot for slot in tapped.slots if slot.kind == "admission"]
    for slot in admissions:
        return NotDispensed(slot.code or "unknown", slot.says)
    if tapped.code is not None:
        return NotDispensed(tapped.code, tapped.says)
    return NotDispensed("unknown", "There is no ticket on this card.")


def _paper(order: PrintOrder) -> TicketPaper:
    return TicketPaper(
        serial=order.serial,
        code=order.code,
        title=order.title,
        right=order.right,
        not_before=order.not_before,
        not_after=order.not_after,
        ticket_id=str(order.ticket_id),
        origin=order.origin,
    )
