"""A ticket and a card to which something happens, whatever a whim of chance picks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket import ETicket, FormKind, HoldKind, LockKind, Terms
from ledger.aggregates.medium import Change, Medium, SlotState
from ledger.application import Ledger
from ledger.errors import Refusal
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.ids import medium_id
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, ISSUER, NOON, a_ticket
from tests.usecases.town import CAUSE

SOON = NOON + timedelta(seconds=60)
OVER = NOON + timedelta(hours=101)
PRESS = DISPENSER
MACHINE = {"device_id": PRESS}
PEOPLE = [ALICE, BOB, CAROL]
STEPS = 30
CASES = [UUID(int=51), UUID(int=52)]
TERMS = Terms(
    resale_cap_percent=110,
    royalty_percent=5,
    on_medium="exposure",
    refundable=True,
    exchangeable=True,
    modifiable=("title",),
)
_numbers = itertools.count(1)
_refs = itertools.count(1 << 96)

Deed = Callable[[], object]
Said = tuple[Callable[..., object], dict[str, Any]]


class Story:
    """A ticket and a card of their own; `record` is told of both after every deed."""

    def __init__(self, record: Callable[..., object], kind: str) -> None:
        self.record = record
        number = next(_numbers)
        self.uid = number.to_bytes(7, "big")
        self.serial = f"T-{number:06}"
        self.ticket = a_ticket(
            ticket_id=UUID(int=(number << 32) + 1),
            offering_id=UUID(int=number << 32),
            kind=kind,
            uses_limit=6 if kind == "coupon" else 1,
            uses_unit="money" if number % 2 and kind == "coupon" else "count",
            category="stalls",
            points_spent=number,
            terms=TERMS,
        )
        self.card = Medium.personalise(
            medium_id=medium_id(self.uid),
            uid=self.uid.hex(),
            holder_id=ALICE,
            profile="desfire-8k",
            key_version=1,
            at=NOON,
        )
        self.record(self.ticket, self.card)

    def go_on(self, whim: int) -> None:
        """Let something happen that can: the first that is not refused."""
        deeds = [*self._of_ticket(whim), *self._of_card(whim)]
        start = whim % len(deeds)
        before = self.ticket.version, self.card.version
        for deed in deeds[start:] + deeds[:start]:
            with suppress(Refusal):
                deed()
            if (self.ticket.version, self.card.version) != before:
                break
        self.record(self.ticket, self.card)

    def _of_ticket(self, whim: int) -> list[Deed]:
        ref = self.ticket.lock.ref or UUID(int=next(_refs))
        said = [
            *self._gifts(whim, ref),
            *self._sales(whim, ref),
            *self._content(whim),
            *self._media(whim, ref),
            *self._papers(ref),
            *self._redemptions(whim, ref),
            *self._holds(whim),
            *(self._endings(ref) if whim % 7 == 0 else ()),
        ]
        # Now and then the time of a lock is over, and the next command settles that.
        at = NOON if whim % 5 else SOON
        return [partial(command, **({"at": at} | given)) for command, given in said]

    def _gifts(self, whim: int, ref: UUID) -> list[Said]:
        ticket, to = self.ticket, self._invited(whim)
        offer = {"offer_id": ticket.offer.offer_id if ticket.offer else ref}
        accept = {"terms_hash": ticket.terms_hash, "check_sealed": None}
        by = ticket.owner_id
        return [
            (ticket.offer_gift, {**offer, "by": by, "to": to, "until": SOON}),
            (ticket.accept_gift, {**offer, "by": to, **accept}),
            (ticket.decline_gift, {**offer, "by": to}),
            (ticket.withdraw_gift, {**offer, "by": by}),
        ]

    def _sales(self, whim: int, ref: UUID) -> list[Said]:
        ticket, to, by = self.ticket, self._invited(whim), self.ticket.owner_id
        listing = {"listing_id": ticket.listing.listing_id if ticket.listing else ref}
        listed = {**listing, "by": by, "price_minor": 9, "until": SOON}
        resold = {"entry_id": ref, "split_minor": {}, "check_sealed": None}
        sale = {**listing, "sale_id": ref, "by": to}
        exchange = {"exchange_id": ref}
        return [
            (ticket.list_for_resale, {**listed, "to": to if whim % 4 else None}),
            (ticket.reprice, {**listing, "by": by, "price_minor": whim % 100}),
            (ticket.unlist, {**listing, "by": by}),
            (ticket.start_sale, {**sale, "sale_id": UUID(int=whim), "until": SOON}),
            (ticket.abort_sale, {"sale_id": ref, "reason": "declined"}),
            (ticket.resell, {**sale, **resold}),
            *[(ticket.note_payout, {"sale_id": ref})] * (whim % 4 == 0),
            (ticket.start_exchange, {**exchange, "by": by, "until": SOON}),
            (ticket.abort_exchange, {**exchange, "reason": "no"}),
        ]

    def _content(self, whim: int) -> list[Said]:
        ticket, by = self.ticket, self.ticket.owner_id
        request = next(iter(ticket.requests), None)
        asked = UUID(request) if request else UUID(int=next(_refs))
        field = ("right", "title", "category")[whim % 3]
        changes = {"changes": {field: f"Row {whim}"}, "reason": "moved"}
        answer = {"request_id": asked, "by": ISSUER}
        return [
            (ticket.modify, {**changes, "by": ISSUER}),
            (ticket.modify, {**changes, **answer}),
            (ticket.request_modification, {**changes, **answer, "by": by}),
            (ticket.refuse_modification, {**answer, "reason": "no"}),
        ]

    def _media(self, whim: int, ref: UUID) -> list[Said]:
        ticket, write = self.ticket, {"write_id": ref}
        place = self._place(whim)
        bound = ticket.lock.kind == LockKind.CARD_WRITE
        epoch = ticket.epoch + 1 if bound else ticket.epoch
        lost = {"medium_uid": self.uid.hex(), "reason": "lost"}
        return [
            (ticket.prepare_write, {**write, **place, "seq": 1, "by": ticket.owner_id}),
            (ticket.confirm_write, {**write, **place, "epoch": epoch}),
            (ticket.confirm_write, {**write, **place, "epoch": ticket.epoch}),
            (ticket.abort_write, write),
            (ticket.release_from_medium, {**write, **place}),
            (ticket.recall_from_medium, lost),
        ]

    def _place(self, whim: int) -> dict[str, Any]:
        bound = self.ticket.binding
        slot = self.ticket.form.slot if bound is None else bound.slot
        return {
            "medium_uid": self.uid.hex(),
            "slot": whim % 2 if slot is None else slot,
        }

    def _papers(self, ref: UUID) -> list[Said]:
        ticket, job = self.ticket, {"job_id": ref, **MACHINE}
        place = self._place(0)
        lease = {"write_id": ref, "until": SOON, "expected_epoch": ticket.epoch}
        serial = {"serial": f"{self.serial}-{len(ticket.dead_serials)}"}
        paper = ticket.form.serial or self.serial
        offline = {**MACHINE, **self._offline(), "epoch": ticket.epoch}
        other = {"old_serial": paper, "new_serial": f"{paper[:8]}-{ticket.version}"}
        said: list[Said] = [
            (ticket.start_dispense, {**job, **lease, **place}),
            (ticket.authorise_print, {**job, **serial, "write_id": ref}),
            (ticket.abort_dispense, {**job, "reason": "no paper"}),
            (ticket.dispense, {**job, **serial, "device_time": None}),
            (ticket.surrender_paper, {"serial": paper}),
            (ticket.reissue_paper, {**other, **MACHINE, "reason": "torn"}),
        ]
        if ticket.version % 4 == 0:
            said += [(ticket.observe_dispense, {**serial, **place, **offline})]
        return said

    def _offline(self) -> dict[str, Any]:
        return {"device_time": NOON, "device_seq": 1, "known_position": 1}

    def _redemptions(self, whim: int, ref: UUID) -> list[Said]:
        ticket, session = self.ticket, {"session_id": ref, "write_id": ref, **MACHINE}
        lease = {"until": SOON, "expected_epoch": ticket.epoch, **self._place(0)}
        receipt = {"receipt": f"R-{ticket.version}", "amount": 1 + whim % 3}
        purchase = {"purchase_minor": 1, "currency": "EUR"}
        done = next(iter(ticket.redemptions), str(ref))
        back = {"session_id": UUID(done), "reversal_id": UUID(int=next(_refs))}
        offline = {**MACHINE, **self._offline()}
        said: list[Said] = [
            (ticket.start_redemption, {**session, **lease, **receipt, **purchase}),
            (ticket.release_redemption, {**session, "reason": "-"}),
            (ticket.redeem, session),
            (ticket.reverse_redemption, {**back, "amount": 1, "reason": "returned"}),
        ]
        if ticket.version % 4 == 1:
            again = {"session_id": UUID(int=next(_refs))}
            said += [(ticket.observe_redemption, {**again, **receipt, **offline})]
        return said

    def _holds(self, whim: int) -> list[Said]:
        case = {"case_id": CASES[whim % 2]}
        effects = (["no_title"], ["no_dispense", "no_redeem"], ["flag_only"])[whim % 3]
        kind = HoldKind.DISPUTE if whim % 4 else HoldKind.LEGAL
        freeze: Said = (self.ticket.freeze, {**case, "kind": kind, "effects": effects})
        return [(self.ticket.unfreeze, case), *([freeze] if whim % 3 == 0 else [])]

    def _endings(self, ref: UUID) -> list[Said]:
        ticket = self.ticket
        decided = {"decision_id": UUID(int=next(_refs))}
        to = PEOPLE[(PEOPLE.index(ticket.owner_id) + 1) % 3]
        moved = {"reverses_version": None, "check_sealed": None}
        issued = {"successors": [ref], "residual_minor": 1}
        return [
            (ticket.reinstate, decided),
            (ticket.reassign, {"to": to, **moved, **decided}),
            (ticket.exchange, {"exchange_id": ref, **issued}),
            (
                ticket.refund,
                {"amount_minor": 1, "entry_id": ref, "by": ticket.owner_id},
            ),
            (ticket.void, {"reason": "mistaken"}),
            (ticket.expire, {"at": OVER}),
            (ticket.revoke, {"reason": "forged", "by": ISSUER}),
        ]

    def _invited(self, whim: int) -> UUID:
        for invitation in (self.ticket.offer, self.ticket.listing):
            if invitation is not None and invitation.to_party_id is not None:
                return invitation.to_party_id
        return PEOPLE[whim % 3]

    def _of_card(self, whim: int) -> list[Deed]:
        card, ticket = self.card, self.ticket
        write_id = card.pending.write_id if card.pending else UUID(int=next(_refs))
        live = SlotState(1, ticket.epoch, ticket.uses.left, ticket.id)
        slots = [whim % 2] if whim % 3 else [0, 1]
        prepare = partial(card.prepare_write, device_id=PRESS)
        said: list[Said] = [
            (prepare, {"changes": [Change(slot, live) for slot in slots]}),
            (prepare, {"changes": [Change(slot, SlotState()) for slot in slots]}),
            (
                card.confirm_write,
                {"transaction_counter": None, "transaction_mac": None},
            ),
            (card.abort_write, {"reason": "card removed"}),
        ]
        deeds: list[Deed] = [
            partial(command, write_id=write_id, **given, at=NOON)
            for command, given in said
        ]
        told = self._told_of_card(whim)
        return [*deeds, *(partial(deed, **given, at=NOON) for deed, given in told)]

    def _told_of_card(self, whim: int) -> list[Said]:
        """Seldom, for the card's story is mostly over then."""
        card = self.card
        mark = Change(0, SlotState(2, self.ticket.epoch, 0, self.ticket.id))
        offline = {"seq": card.seq + 1 + whim % 2, "change": mark, "device_id": PRESS}
        ends: list[Said] = [
            (card.block, {"reason": "lost"}),
            (card.replace, {"by_uid": "04ffffffffffff"}),
            (card.hand_in, {}),
        ]
        said: list[Said] = [
            (card.suspect, {"verdict": Verdict.CLONE, "seen": {}}),
            (card.clear, {"by": ISSUER}),
            (card.suspend, {}),
            (card.restore, {}),
            (card.notice_ahead, {"seq": card.seq + 1}),
            *([(card.report_mark, offline)] if card.pending is None else []),
            *(ends if whim % 7 == 0 else []),
        ]
        return said if whim < 100 else []


def stories(ledger: Ledger, seed: int = 1, number: int = 2) -> None:
    """Record what befalls some tickets of both kinds, and their cards."""
    chance = Random(seed)
    for kind in ("admission", "coupon") * (number // 2):
        story = Story(partial(ledger.record, cause=CAUSE), kind)
        for _ in range(STEPS):
            story.go_on(chance.randrange(10_000))


def is_on_card(ticket: ETicket) -> bool:
    return ticket.form.kind == FormKind.ON_MEDIUM


def topics_of(*aggregates: Recorded) -> set[str]:
    """Take what is pending, as a ledger would; return the topics."""
    events = [event for each in aggregates for event in each.collect_events()]
    return {event.TOPIC for event in events if isinstance(event, Recorded.Event)}
