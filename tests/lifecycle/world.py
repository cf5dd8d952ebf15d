"""A whole town in memory: who lives there, what is sold, and every move they can make.

A move is asked for by name and a choice of numbers; what the numbers mean is looked up
in the town as it is. It returns whether the ledger did it, or the refusal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.aggregates.case import Case, Decision, DecisionKind
from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind, Terms
from ledger.aggregates.medium import MediumStatus
from ledger.aggregates.order import Order
from ledger.aggregates.sale import Sale
from ledger.application import Cause
from ledger.usecases import (
    accounts,
    catalogue,
    checkout,
    coupons,
    dispensing,
    disputes,
    exchanges,
    expiry,
    grants,
    media,
    modification,
    ownership,
    parties,
    payouts,
    points,
    refunds,
    resale,
    reservations,
    sale_payments,
    unwinding,
    waiting,
)
from ledger.usecases.media import MediumWrite, Proof
from ledger.usecases.settlement import Wanted
from ledger.usecases.tenders import Tender
from ledger.vocabulary.money import Money
from tests.domain.examples import HOUR, NOON
from tests.lifecycle.memory import MemoryLedger
from tests.lifecycle.props import Cards, MemoryDesk, OneKey, PlainSeals

CAUSE = Cause(actor="machine")
ISSUER, ALICE, BOB, CAROL, JUDGE, CLERK = PARTIES = [UUID(int=n) for n in range(1, 7)]
PEOPLE = [ALICE, BOB, CAROL]
TERMINAL, DISPENSER, TILL, MAKER = (UUID(int=n) for n in range(11, 15))
SHOW, CUPS = UUID(int=21), UUID(int=22)
ORIGIN = "machine.example/log"
CARDS = ["tok-ok", "tok-declines", "tok-loses-authorise", "tok-loses-capture"]


class World:
    """One ledger, three people with money and a card each, a show, and coffee."""

    def __init__(self, **terms) -> None:
        self.ledger = MemoryLedger()
        self.desk, self.personal, self.secrets = MemoryDesk(), PlainSeals(), OneKey()
        self.provider = SandboxPayments(secret=b"machine")
        self.cards = Cards()
        self.at = NOON
        self.owners: dict[UUID, UUID] = {}
        self.writes: dict[bytes, MediumWrite] = {}
        self.jobs: dict[UUID, tuple[UUID, bytes, MediumWrite] | str] = {}
        self._ids = itertools.count(10_000)
        for party_id in PARTIES:
            self._do(
                parties.register,
                self.personal,
                party_id=party_id,
                kind="person",
                name="x",
                contact=None,
            )
        for party_id in PEOPLE:
            self._do(
                accounts.top_up,
                entry_id=self.fresh(),
                party_id=party_id,
                amount=Money(40_000, "EUR"),
                reference="counter",
            )
            work = self.ledger.work()
            points.earn(
                work,
                party_id=party_id,
                programme_id=ISSUER,
                points=3_000,
                entry_id=self.fresh(),
                reference="welcome",
                at=self.at,
            )
            work.record(CAUSE)
        for kind, device_id in [
            ("terminal", TERMINAL),
            ("dispenser", DISPENSER),
            ("point_of_sale", TILL),
            ("personaliser", MAKER),
        ]:
            self._do(
                parties.enrol,
                device_id=device_id,
                kind=kind,
                keeper_id=ISSUER,
                public_key="09" + "00" * 31,
                label=kind,
            )
        for party_id in PEOPLE:
            self._register(party_id)
        given = {
            "resale_cap_percent": 110,
            "royalty_percent": 5,
            "platform_percent": 3,
            "on_medium": "exposure",
            "refundable": True,
            "exchangeable": True,
            "modifiable": ("title",),
        }
        given |= terms
        # Who is paid from the start on has to wait for it.
        start = NOON - HOUR if given["payout"] == "at_sale" else NOON + 2 * HOUR
        self._open(SHOW, "admission", ["A1", "A2", "A3", "A4", "A5"], given, 1, start)
        self._open(CUPS, "coupon", ["Cup 1", "Cup 2", "Cup 3"], given, 3, NOON - HOUR)

    def _open(self, offering_id, kind, places, terms, uses_limit, start):
        self._do(
            catalogue.open_offering,
            offering_id=offering_id,
            issuer_id=ISSUER,
            title="The Tempest",
            kind=kind,
            price=Money(4_001, "EUR"),
            places=places,
            sale_from=NOON - HOUR,
            sale_until=NOON + 100 * HOUR,
            valid_from=start,
            valid_until=NOON + 101 * HOUR,
            purchase_limit=3,
            uses_limit=uses_limit,
            question=None,
            terms=Terms(**terms),
            earn_points_per_100=10,
        )

    def fresh(self) -> UUID:
        return UUID(int=next(self._ids))

    def _do(self, command, *given, **said):
        return command(self.ledger, *given, **said, at=self.at, cause=CAUSE)

    # What there is, to choose from.

    def tickets(self, *lives):
        wanted = lives or (Life.OWNED,)
        return [each for each in self.ledger.all_of(ETicket) if each.life in wanted]

    def _pick(self, of, number):
        return of[number % len(of)] if of else None

    def _locked(self, kind):
        return [each for each in self.tickets() if each.lock.kind == kind]

    def _group_of(self, ticket):
        """Return a ticket, and the living ones that stay together with it."""
        if ticket is None or ticket.group_id is None:
            return [ticket] if ticket is not None else []
        return [t for t in self.tickets() if t.group_id == ticket.group_id]

    def title_state(self):
        """Return each ticket's owner and epoch, and whether its title may move."""
        return {
            each.id: (
                each.owner_id,
                each.epoch,
                any("no_title" in hold.effects for hold in each.holds),
            )
            for each in self.ledger.all_of(ETicket)
        }

    def likely(self, by):  # noqa: C901, one line a move
        """Return the moves that lead somewhere from here, the more promising twice."""
        moves = ["reserve", "passes"]
        kinds = {ticket.lock.kind for ticket in self.tickets()}
        if self._offered():
            moves += ["accept", "accept", "end_offer"]
        if LockKind.LISTING in kinds:
            moves += ["buy", "buy", "unlist"]
        if LockKind.SETTLEMENT in kinds:
            moves += ["advance_sale"]
        if self.writes:
            moves += ["forge", "settle", "settle"]
        if LockKind.EXCHANGE in kinds:
            moves += ["confirm_exchange"]
        if any(isinstance(job, tuple) for job in self.jobs.values()):
            moves += ["print", "print", "print"]
        if self._live_cases():
            moves += ["judge"] * 4 + ["show"]
        else:
            moves += ["complain"]
        if any(ticket.lock.kind == LockKind.NONE for ticket in self.tickets()):
            moves += ["offer", "list", "load", "exchange"]
        for kind, use in (("admission", "dispense"), ("coupon", "redeem")):
            if self._usable(by, kind, 0)[1] is not None:
                moves += [use] * 3
        if any(sale.state == "TITLE_MOVED" for sale in self.ledger.all_of(Sale)):
            moves += ["pay_out"] * 3 + ["complain"]
        return moves

    # Time.

    def passes(self, n, by, more):
        self.at += timedelta(seconds=[1, 10, 95, 700, 3_700][n % 5])

    # Buying.

    def reserve(self, n, by, more):
        held = self._do(
            reservations.reserve,
            self.desk,
            order_id=self.fresh(),
            offering_id=[SHOW, CUPS][n % 2],
            buyer_id=by,
            count=1 + more % 2,
            partial_ok=n % 5 == 0,
        )
        if more % 3:
            self._pay(held.order_id, by, n, more)

    def pay(self, n, by, more):
        order = self._pick(self.ledger.all_of(Order), n)
        if order is not None:
            self._pay(order.id, order.buyer_id if more % 5 else by, n, more)

    def _pay(self, order_id, by, n, more):
        price = self.ledger.order(order_id).price.amount_minor
        done = self._do(
            checkout.begin,
            self.desk,
            self.provider,
            self.personal,
            order_id=order_id,
            by=by,
            paying=tenders_of(price, more, CARDS[n % len(CARDS)]),
            answers=[],
            entry_id=self.fresh(),
        )
        self._now_owned(done.ticket_ids, by)

    def advance(self, n, by, more):
        order = self._pick(self.ledger.all_of(Order), n)
        if order is not None:
            done = self._do(
                checkout.advance, self.desk, self.provider, order_id=order.id
            )
            self._now_owned(done.ticket_ids, order.buyer_id)

    def _now_owned(self, ticket_ids, by):
        for ticket_id in ticket_ids:
            self.owners.setdefault(ticket_id, by)

    def release(self, n, by, more):
        order = self._pick(self.ledger.all_of(Order), n)
        if order is not None:
            buyer = order.buyer_id if more % 5 else by
            self._do(reservations.release, self.desk, order_id=order.id, by=buyer)

    def wait(self, n, by, more):
        self._do(
            waiting.join,
            self.desk,
            offering_id=SHOW,
            party_id=by,
            count=1,
            category=None,
        )

    def grant(self, n, by, more):
        ids = [self.fresh()]
        self._do(
            grants.grant,
            self.desk,
            self.personal,
            grant_id=self.fresh(),
            offering_id=[SHOW, CUPS][n % 2],
            by=ISSUER if more % 5 else by,
            to=by,
            ticket_ids=ids,
        )
        self._now_owned(ids, by)

    # Giving.

    def offer(self, n, by, more):
        ticket = self._pick(self.tickets(), n)
        if ticket is not None:
            self._do(
                ownership.offer_gift,
                self.personal,
                ticket_id=ticket.id,
                offer_id=self.fresh(),
                by=ticket.owner_id if more % 6 else by,
                to=PEOPLE[more % 3],
                until=self.at + timedelta(minutes=10),
            )

    def accept(self, n, by, more):
        ticket = self._pick(self._offered(), n)
        if ticket is not None:
            taker = ticket.offer.to_party_id if more % 5 else by
            self._do(
                ownership.accept_gift,
                self.personal,
                ticket_id=ticket.id,
                offer_id=ticket.offer.offer_id,
                by=taker,
                terms_hash=ticket.terms_hash if more % 7 else "old",
                answer=None,
            )
            self.owners[ticket.id] = taker

    def end_offer(self, n, by, more):
        ticket = self._pick(self._offered(), n)
        if ticket is not None:
            offer = ticket.offer
            if more % 2:
                who = offer.to_party_id if more % 5 else by
                command: Callable[..., object] = ownership.decline_gift
            else:
                who = ticket.owner_id if more % 5 else by
                command = ownership.withdraw_gift
            self._do(command, ticket_id=ticket.id, offer_id=offer.offer_id, by=who)

    def _offered(self):
        return [each for each in self.tickets() if each.offer is not None]

    # Selling on.

    def list(self, n, by, more):
        ticket = self._pick(self.tickets(), n)
        for each in self._group_of(ticket):
            self._do(
                resale.list_ticket,
                ticket_id=each.id,
                listing_id=self.fresh(),
                by=ticket.owner_id if more % 6 else by,
                price_minor=[3_333, 4_001, 4_400, 4_500][more % 4],
                to=None if more % 2 else PEOPLE[more % 3],
                until=self.at + timedelta(minutes=20),
            )

    def unlist(self, n, by, more):
        ticket = self._pick(self._locked(LockKind.LISTING), n)
        if ticket is not None:
            self._do(
                resale.unlist,
                ticket_id=ticket.id,
                listing_id=ticket.listing.listing_id,
                by=ticket.owner_id if more % 5 else by,
            )

    def buy(self, n, by, more):
        ticket = self._pick(self._locked(LockKind.LISTING), n)
        if ticket is None:
            return
        sale_id = self.fresh()
        group = [each for each in self._group_of(ticket) if each.listing is not None]
        group = group if n % 4 else [ticket]
        price = sum(each.listing.price_minor for each in group)
        wanted = [Wanted(each.id, each.listing.listing_id) for each in group]
        offered = tenders_of(price, more, CARDS[n % len(CARDS)])
        if any(tender.kind == "card" for tender in offered):
            bought = self._do(
                sale_payments.begin,
                self.provider,
                self.personal,
                wanted=wanted,
                sale_id=sale_id,
                by=by,
                offered=offered,
            )
        else:
            bought = self._do(
                resale.buy_together,
                self.personal,
                wanted=wanted,
                sale_id=sale_id,
                entry_id=self.fresh(),
                by=by,
                offered=offered,
            )
        self._sold(bought.sale_id)

    def advance_sale(self, n, by, more):
        sale = self._pick(self.ledger.all_of(Sale), n)
        if sale is not None:
            self._do(sale_payments.advance, self.provider, sale_id=sale.id)
            self._sold(sale.id)

    def _sold(self, sale_id):
        sale = self.ledger.latest[sale_id]
        if sale.state in ("TITLE_MOVED", "PAID_OUT") and sale_id not in self.jobs:
            self.jobs[sale_id] = "sold"
            for line in sale.lines:
                self.owners[line.ticket_id] = sale.buyer_id

    def pay_out(self, n, by, more):
        sale = self._pick(self.ledger.all_of(Sale), n)
        if sale is not None:
            self._do(payouts.payout, sale_id=sale.id)

    # Changing and ending.

    def modify(self, n, by, more):
        ticket = self._pick(self.tickets(), n)
        if ticket is not None:
            self._do(
                modification.modify,
                ticket_id=ticket.id,
                by=ISSUER if more % 4 else by,
                changes={"right": f"B{more % 3}"} if more % 2 else {"title": "Lear"},
                reason="moved",
            )

    def exchange(self, n, by, more):
        ticket = self._pick(self.tickets(), n)
        if ticket is not None:
            self._do(
                exchanges.offer_exchange,
                self.desk,
                exchange_id=self.fresh(),
                ticket_ids=[ticket.id],
                by=ticket.owner_id if more % 6 else by,
                offering_id=ticket.offering_id,
            )

    def confirm_exchange(self, n, by, more):
        ticket = self._pick(self._locked(LockKind.EXCHANGE), n)
        if ticket is not None:
            ids = [self.fresh()]
            self._do(
                exchanges.confirm_exchange,
                self.desk,
                self.personal,
                exchange_id=ticket.lock.ref,
                by=ticket.owner_id if more % 6 else by,
                ticket_ids=ids,
                entry_id=self.fresh(),
            )
            self._now_owned(ids, ticket.owner_id)

    def refund(self, n, by, more):
        ticket = self._pick(self.tickets(), n)
        if ticket is not None:
            self._do(
                refunds.refund,
                self.desk,
                ticket_ids=[each.id for each in self._group_of(ticket)],
                by=ticket.owner_id if more % 4 else ISSUER,
                entry_id=self.fresh(),
            )

    def void(self, n, by, more):
        order = self._pick(self.ledger.all_of(Order), n)
        if order is not None:
            self._do(
                refunds.void,
                self.desk,
                order_id=order.id,
                by=ISSUER,
                reason="mistake",
                entry_id=self.fresh(),
            )

    def expire(self, n, by, more):
        ticket = self._pick(self.tickets(), n)
        if ticket is not None:
            self._do(expiry.expire, ticket_id=ticket.id)

    # On cards.

    def load(self, n, by, more):
        card = self._card_of(by)
        self.writes.pop(card.uid, None)  # A new session: what was begun is over.
        mine = [
            each.id
            for each in self.tickets()
            if each.owner_id == by and each.form.kind == FormKind.ELECTRONIC
            if each.lock.kind == LockKind.NONE or more % 5 == 0
        ]
        mine = mine[n % 3 % max(1, len(mine)) :]
        on_it = [t.id for t in self.tickets() if t.form.medium_uid == card.uid.hex()]
        prepared = self._do(
            media.prepare_write,
            self.personal,
            self.secrets,
            reading=card.reading(),
            write_id=self.fresh(),
            load=mine[:2] if more % 4 else [],
            unload=on_it[:1] if more % 3 == 0 else [],
            terminal_id=TERMINAL,
            by=by,
            origin=ORIGIN,
        )
        if prepared.write is not None:
            self.writes[card.uid] = prepared.write
            if more % 5:
                self.settle(n, by, more)

    def settle(self, n, by, more):
        card = self._card_of(by)
        write = self.writes.pop(card.uid, None)
        if write is None:
            return
        if more % 7 == 6:
            self.cards.commit(write)  # The answer is lost.
            return
        proof = (
            self.cards.commit(write)
            if more % 4
            else Proof(committed=False, reason="torn")
        )
        self._do(
            media.settle_write,
            self.cards,
            uid=card.uid,
            write_id=write.write_id,
            proof=proof,
            by=by,
        )

    def forge(self, n, by, more):
        """Say of a write that the card committed it, which it did not."""
        card = self._card_of(by)
        write = self.writes.get(card.uid)
        if write is not None:
            self._do(
                media.settle_write,
                self.cards,
                uid=card.uid,
                write_id=write.write_id,
                proof=self.cards.forged(write),
                by=by,
            )

    def lose(self, n, by, more):
        """Report a card lost or found; or end it, and have another."""
        card = self._card_of(by)
        said = {"uid": card.uid, "by": by, "as_operator": False}
        if more % 3:
            lost = self.ledger.medium(card.uid).status == MediumStatus.SUSPENDED
            self._do(media.restore if lost else media.report_lost, **said)
            return
        if more % 2:
            self._do(media.block, **said, reason="stolen")
        else:
            self._do(media.hand_in, **said)
        self._register(by)

    def _register(self, holder_id):
        card = self.cards.make(len(self.cards.by_uid) + 1, holder_id)
        self._do(
            media.register,
            device_id=MAKER,
            uid=card.uid,
            holder_id=holder_id,
            profile="desfire-1",
            key_version=1,
        )

    def _card_of(self, by):
        """Return the card that somebody has now: the last one he was given."""
        return [c for c in self.cards.by_uid.values() if c.holder_id == by][-1]

    # Using.

    def dispense(self, n, by, more):
        card, found = self._usable(by, "admission", n)
        if found is not None:
            slot, ticket = found
            job = self.fresh()
            lease = self._do(
                dispensing.start,
                ticket_id=ticket.id,
                reading=card.reading(),
                slot=slot,
                expected_epoch=card.slots[slot].epoch,
                answered=True,
                device_id=DISPENSER,
                job_id=job,
                write_id=self.fresh(),
            )
            self.jobs[job] = (ticket.id, card.uid, lease.write)
            if more % 4:
                self.print(len(self.jobs) - 1, by, more)

    def print(self, n, by, more):
        jobs = [
            (job, what) for job, what in self.jobs.items() if isinstance(what, tuple)
        ]
        if not jobs:
            return
        job, (ticket_id, uid, write) = jobs[-1]
        del self.jobs[job]
        serial = f"T-{job.int:06}"
        common = {"ticket_id": ticket_id, "job_id": job, "device_id": DISPENSER}
        pending = self.ledger.medium(uid).pending
        gone = pending is None or pending.write_id != write.write_id
        if more % 5 == 0 or gone:  # The card was taken away, and used elsewhere.
            self._do(dispensing.abort, **common, reason="jam")
            return
        self._do(
            dispensing.mark,
            self.cards,
            self.secrets,
            **common,
            uid=uid,
            write_id=write.write_id,
            proof=self.cards.commit(write),
            serial=serial,
        )
        if more % 7:
            self._do(dispensing.printed, **common, serial=serial, device_time=None)

    def redeem(self, n, by, more):
        card, found = self._usable(by, "coupon", n)
        if found is not None:
            slot, ticket = found
            session = self._do(
                coupons.start,
                ticket_id=ticket.id,
                reading=card.reading(),
                slot=slot,
                expected_epoch=card.slots[slot].epoch,
                receipt=f"R-{n}-{self.fresh().int}" if more % 2 else "R-1",
                purchase=Money(900, "EUR"),
                device_id=TILL,
                session_id=self.fresh(),
                write_id=self.fresh(),
            )
            torn = Proof(committed=False, reason="torn")
            self._do(
                coupons.redeem,
                self.cards,
                ticket_id=ticket.id,
                session_id=session.session_id,
                uid=card.uid,
                write_id=session.write.write_id,
                proof=self.cards.commit(session.write) if more % 4 else torn,
                device_id=TILL,
            )

    def _usable(self, by, kind, n):
        card = self._card_of(by)
        medium = self.ledger.medium(card.uid)
        found = [
            (slot, self.ledger.latest[state.ticket_id])
            for slot, state in enumerate(medium.slots)
            if state.ticket_id
        ]
        found = [each for each in found if each[1].kind == kind]
        return card, self._pick(found, n)

    # Disputing.

    def complain(self, n, by, more):
        ticket = self._pick(self.tickets(Life.OWNED, Life.DISPENSED, Life.SPENT), n)
        if ticket is not None:
            kinds = ["unauthorised_transfer", "not_received", "coupon_error"]
            his = [t for t in self.tickets() if t.owner_id == ticket.owner_id]
            several = [each.id for each in his if each.id != ticket.id][: more % 4]
            self._do(
                disputes.complain,
                case_id=self.fresh(),
                case_type=kinds[more % 3],
                ticket_ids=[ticket.id, *several],
                by=ticket.owner_id if more % 5 else by,
                as_operator=False,
            )

    def show(self, n, by, more):
        """Show something in a case, as its opener or as anybody."""
        case = self._pick(self._live_cases(), n)
        if case is not None:
            self._do(
                disputes.give_evidence,
                self.personal,
                case_id=case.id,
                evidence_id=UUID(int=more % 3),
                by=UUID(case.opened_by) if more % 4 else by,
                as_operator=False,
                description="as it was",
                content=bytes([n % 2]),
                media_type="image/jpeg",
            )

    def judge(self, n, by, more):
        """Take the next step in a case."""
        case = self._pick(self._live_cases(), n)
        if case is None:
            return
        if more % 6 == 0:
            self._do(
                disputes.withdraw,
                case_id=case.id,
                by=JUDGE,
                as_operator=True,
                reason="settled",
            )
        elif case.state in ("OPENED", "EVIDENCE"):
            reviewer = JUDGE if more % 7 else by  # Who may be a party to it.
            self._do(disputes.start_review, case_id=case.id, by=reviewer)
        elif case.state == "REVIEW":
            self._do(
                disputes.decide,
                self.personal,
                case_id=case.id,
                by=UUID(case.reviewer) if more % 7 else CLERK,
                decision=self._decision(case, more),
                grounds="as the log tells",
            )
        elif case.state == "DECIDED":
            plan = unwinding.preview(self.ledger, case_id=case.id)
            before = len(self.ledger.stored)
            self._do(
                unwinding.execute,
                self.desk,
                case_id=case.id,
                by=CLERK if more % 2 else JUDGE,
                plan_hash=plan.hash if more % 9 else "another",
            )
            self._follow(before)
        else:
            self._do(disputes.close, case_id=case.id, by=CLERK)

    def _live_cases(self):
        over = ("CLOSED", "WITHDRAWN", "MERGED")
        return [each for each in self.ledger.all_of(Case) if each.state not in over]

    def _decision(self, case, more):
        ticket = self.ledger.latest[case.ticket_ids[0]]
        if more % 5 == 1:
            return Decision(DecisionKind.REVOKE)
        if more % 5 == 2 or (ticket.title_version > 1 and more % 2):
            return Decision(DecisionKind.REVERSE_TO, events=(f"{ticket.id}/1",))
        if more % 5 == 3:
            return Decision(DecisionKind.REFUND)
        if more % 5 == 4:
            return Decision(
                DecisionKind.COMPENSATE,
                payee_id=ticket.owner_id,
                amount_minor=1_000,
                currency="EUR",
            )
        return Decision(DecisionKind.UPHOLD)

    def _follow(self, before):
        """A decision moves titles as its plan says: believe the events, not the state.

        Whether they may is what the plan's own tests ask.
        """
        for stored in self.ledger.stored[before:]:
            if stored.topic == "e-ticket.reassigned":
                event = self.ledger.event(stored)
                self.owners[event.originator_id] = event.owner_id

    # What else is about.

    def cancel(self, n, by, more):
        if more % 70 == 0:
            self._do(
                catalogue.cancel_offering,
                offering_id=SHOW,
                by=ISSUER,
                reason="the hall burnt down",
            )


def tenders_of(price, more, token):
    """Mix tenders for a price: purse, points and purse, card, or all three."""
    mix = more % 4
    if not price:
        return []
    if mix == 0:
        return [Tender("e-money", price)]
    by_points = min(1_000, price - 2) if mix in (1, 3) else 0
    given = [Tender("points", by_points, points=by_points)] if by_points else []
    left = price - by_points
    if mix == 1:
        return [*given, Tender("e-money", left)]
    if mix == 2:
        return [Tender("card", left, instrument=token)]
    half = left // 2
    return [
        *given,
        Tender("e-money", half),
        Tender("card", left - half, instrument=token),
    ]


MOVES = [
    name
    for name, value in vars(World).items()
    if callable(value)
    and not name.startswith("_")
    and name not in ("fresh", "tickets", "likely", "title_state")
]
