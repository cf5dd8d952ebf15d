"""Keeps an event of every topic and version for ever: `python -m tests.log.golden`.

Appends to tests/vectors/events.jsonl whatever stories tell an event that the file does
not have yet, as the ledger stores it today. A line that is there never changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from eventsourcing.persistence import Mapper

from ledger.aggregates.base import Recorded
from ledger.aggregates.batch import Batch
from ledger.aggregates.device import Device, Rights
from ledger.aggregates.e_ticket import ETicket, HoldKind, Terms
from ledger.aggregates.gift import Gift, TitleMoved
from ledger.aggregates.grant import Grant
from ledger.aggregates.medium import Change, Medium, SlotState
from ledger.aggregates.offline_fact import OfflineFact
from ledger.aggregates.paper import Paper
from ledger.aggregates.receipt import Receipt
from ledger.application import Cause
from ledger.log.replay import transcoder
from ledger.vocabulary.codes import Verdict
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    HOUR,
    ISSUER,
    NOON,
    OFFERING,
    TILL,
    UID,
    a_ticket,
)
from tests.log import golden_money
from tests.log.event_catalogue import GOLDEN
from tests.log.test_events import golden, shape

Said: TypeAlias = dict[str, Any]

CAUSE = Cause(actor=str(ALICE), credential="0123456789abcdef")
SOON = NOON + timedelta(minutes=1)
CASE, DECISION = UUID(int=0x1101), UUID(int=0x1102)
REFS = [UUID(int=0x1200 + n) for n in range(9)]
TERMS = Terms(exchangeable=True, refundable=True, on_medium="exposure")
PLACE: Said = {"medium_uid": UID.hex(), "slot": 0}
FACTS: Said = {"device_time": NOON, "device_seq": 7, "known_position": 42, "at": SOON}


def issued(number: int, **given: Any) -> ETicket:
    return a_ticket(ticket_id=UUID(int=0x1000 + number), terms=TERMS, **given)


def on_card(ticket: ETicket, write_id: UUID) -> None:
    write: Said = {"write_id": write_id, **PLACE, "at": NOON}
    ticket.prepare_write(**write, seq=1, by=ticket.owner_id)
    ticket.confirm_write(**write, epoch=ticket.epoch)


def printed(ticket: ETicket, job_id: UUID, serial: str) -> None:
    job: Said = {"job_id": job_id, "device_id": DISPENSER, "at": NOON}
    lease: Said = {"write_id": job_id, "expected_epoch": ticket.epoch, "until": SOON}
    ticket.start_dispense(**job, **lease, **PLACE)
    ticket.authorise_print(**job, write_id=job_id, serial=serial)
    ticket.dispense(**job, serial=serial, device_time=None)


def a_gift_in_a_dispute() -> list[Recorded]:
    ticket = issued(1)
    offer: Said = {"offer_id": REFS[0], "by": ALICE, "at": NOON}
    ticket.offer_gift(**offer, to=BOB, until=NOON + HOUR, via="direct")
    case: Said = {"case_id": CASE, "at": SOON}
    ticket.freeze(**case, kind=HoldKind.DISPUTE, effects=["no_title", "no_dispense"])
    ticket.unfreeze(**case)
    ticket.withdraw_gift(**offer)
    return [ticket]


def a_resale_and_its_end() -> list[Recorded]:
    ticket = issued(2, fees_minor=200, category="stalls")
    listing: Said = {"listing_id": REFS[0], "at": NOON}
    listed: Said = {"to": None, "until": NOON + HOUR}
    ticket.list_for_resale(**listing, by=ALICE, price_minor=4_200, **listed)
    ticket.reprice(**listing, by=ALICE, price_minor=4_100)
    sale: Said = {**listing, "by": BOB}
    ticket.start_sale(**sale, sale_id=REFS[1], until=SOON)
    ticket.abort_sale(sale_id=REFS[1], reason="declined", at=NOON)
    ticket.start_sale(**sale, sale_id=REFS[2], until=SOON)
    split: Said = {"seller": 4_000, "royalty": 100}
    paid: Said = {"entry_id": REFS[3], "split_minor": split, "check_sealed": None}
    ticket.resell(**sale, sale_id=REFS[2], **paid)
    decided: Said = {"decision_id": DECISION, "at": SOON}
    moved: Said = {"reverses_version": ticket.title_version, "check_sealed": None}
    ticket.reassign(to=CAROL, **moved, **decided)
    ticket.revoke(reason="forged", by=ISSUER, at=SOON)
    ticket.reinstate(**decided)
    return [ticket]


def a_sale_that_was_paid_out() -> list[Recorded]:
    ticket = issued(11)
    ticket.note_payout(sale_id=REFS[2], at=NOON)
    return [ticket]


def a_modification_asked_for() -> list[Recorded]:
    ticket = issued(3)
    asked: Said = {"request_id": REFS[0], "at": NOON}
    changes: Said = {"changes": {"title": "The Tempest, matinee", "category": "stalls"}}
    ticket.request_modification(**asked, by=ALICE, **changes, reason="a matinee")
    ticket.refuse_modification(**asked, by=ISSUER, reason="sold out")
    ticket.modify(by=ISSUER, **changes, reason="moved", at=NOON)
    return [ticket]


def papers() -> list[Recorded]:
    ticket = issued(4)
    on_card(ticket, REFS[0])
    printed(ticket, REFS[1], "T-000100")
    ticket.surrender_paper(serial="T-000100", at=NOON)
    on_card(ticket, REFS[2])
    ticket.recall_from_medium(medium_uid=UID.hex(), reason="lost", at=NOON)
    on_card(ticket, REFS[3])
    printed(ticket, REFS[4], "T-000101")
    reissued: Said = {"old_serial": "T-000101", "new_serial": "T-000102"}
    ticket.reissue_paper(**reissued, device_id=DISPENSER, reason="torn", at=NOON)
    offline: Said = {"serial": "T-000103", "device_id": DISPENSER, "epoch": 3}
    ticket.observe_dispense(**offline, **PLACE, **FACTS)
    return [ticket]


def a_coupon_in_money() -> list[Recorded]:
    ticket = issued(5, kind="coupon", uses_limit=1_000, uses_unit="money")
    on_card(ticket, REFS[0])
    session: Said = {"session_id": REFS[1], "write_id": REFS[1], "device_id": TILL}
    lease: Said = {"expected_epoch": ticket.epoch, "until": SOON, **PLACE}
    bought: Said = {"receipt": "R-1", "purchase_minor": 900, "currency": "EUR"}
    amount: Said = {"amount": 300, "tender": "card"}
    ticket.start_redemption(**session, **lease, **bought, **amount, at=NOON)
    ticket.redeem(**session, at=NOON)
    returned: Said = {"session_id": REFS[1], "reversal_id": REFS[2], "amount": 100}
    ticket.reverse_redemption(**returned, reason="returned", at=SOON)
    offline: Said = {"session_id": REFS[3], "receipt": "R-2", "amount": 5_000}
    ticket.observe_redemption(**offline, device_id=TILL, **FACTS)
    return [ticket]


def an_exchange() -> list[Recorded]:
    ticket = issued(6)
    for ref in REFS[:2]:
        exchange: Said = {"exchange_id": ref, "at": NOON}
        ticket.start_exchange(**exchange, by=ALICE, until=SOON)
        if ref == REFS[0]:
            ticket.abort_exchange(**exchange, reason="not confirmed")
    issued_for: Said = {"successors": [UUID(int=0x1010)], "residual_minor": 4_000}
    ticket.exchange(**exchange, **issued_for)
    return [ticket]


def other_ends() -> list[Recorded]:
    refunded, voided, expired = issued(7), issued(8), issued(9)
    refunded.refund(amount_minor=4_000, entry_id=REFS[0], by=ALICE, at=NOON)
    voided.void(reason="bought by mistake", at=NOON)
    expired.expire(at=NOON + 101 * HOUR)
    return [refunded, voided, expired]


def a_card_that_was_lost_and_accused() -> list[Recorded]:
    card = Medium.personalise(
        medium_id=UUID(int=0x1020),
        uid="04010203040506",
        holder_id=ALICE,
        profile="desfire-8k",
        key_version=1,
        at=NOON,
    )
    ticket_id = UUID(int=0x1004)
    marks: list[Said] = [
        {"seq": seq, "change": Change(0, SlotState(status, 2, uses, ticket_id))}
        for seq, status, uses in ((2, 2, 0), (1, 1, 1))
    ]
    card.notice_ahead(seq=2, at=NOON)
    for mark in marks:
        card.report_mark(**mark, device_id=DISPENSER, at=NOON)
    card.suspend(at=NOON)
    card.restore(at=SOON)
    card.suspect(verdict=Verdict.FORK, seen={"stamp": "00"}, case_id=CASE, at=SOON)
    card.clear(by=CAROL, at=SOON)
    card.block(reason="lost", at=SOON)
    card.replace(by_uid="04060504030201", at=SOON)
    other = Medium.personalise(
        medium_id=UUID(int=0x1021),
        uid="04060504030201",
        holder_id=ALICE,
        profile="desfire-8k",
        key_version=1,
        at=NOON,
    )
    other.hand_in(at=SOON)
    return [card, other]


def gifts() -> list[Recorded]:
    """Five tickets given line by line, and one of each end."""
    to_a_contact: Said = {
        "to": None,
        "claim_hash": "5f" * 32,
        "contact_sealed": "c2VhbA",
        "message_sealed": "d29yZHM",
    }
    offer: Said = {"sender_id": ALICE, "via": "centre", "mode": "per_line", "at": NOON}
    ids = [UUID(int=0x1020 + n) for n in range(5)]
    lines = [(ticket_id, "7a" * 16) for ticket_id in ids]
    gift = Gift.offer(
        offer_id=UUID(int=0x1032), lines=lines, until=SOON, **offer, **to_a_contact
    )
    first = TitleMoved(ids[0], "7a" * 16, epoch=3, title_version=4, exposed_until=SOON)
    gift.accept(moved=[first], by=BOB, at=NOON)
    gift.decline(ticket_ids=ids[1:2], at=NOON)
    gift.withdraw(ticket_ids=ids[2:3], replaced_by=UUID(int=0x1031), at=NOON)
    gift.void(ticket_ids=ids[3:4], at=NOON)
    gift.expire(ticket_ids=ids[4:], at=SOON)
    gift.erase_contact(at=SOON)
    return [gift]


def machines_and_what_they_did_offline() -> list[Recorded]:
    device = Device.enrol(
        device_id=UUID(int=0x2230),
        kind="dispenser",
        keeper_id=CAROL,
        public_key="00" * 32,
        label="Foyer, left",
        at=NOON,
    )
    rights = Rights((ISSUER,), (OFFERING,), offline=True, serial_prefix="D1-")
    device.delegate(rights=rights, by=CAROL, widen=True, at=NOON)
    print_job: Said = {"ticket_id": UUID(int=0x1004), "job_id": REFS[5], "at": NOON}
    paper = Paper.number(
        paper_id=UUID(int=0x2231), serial="D1-1", device_id=device.id, **print_job
    )
    fact = OfflineFact.report(
        fact_id=UUID(int=0x2232),
        device_id=device.id,
        ticket_id=UUID(int=0x1004),
        kind="dispensed",
        said={"serial": "D1-1", "mark": {"uid": UID.hex(), "slot": 0, "seq": 2}},
        digest="00" * 32,
        agrees=False,
        case_ids=[CASE],
        **FACTS,
    )
    return [device, paper, fact]


def a_receipt_of_a_shop() -> list[Recorded]:
    shown: Said = {"receipt_id": UUID(int=0x2233), "shop_id": BOB, "receipt": "R-7"}
    receipt = Receipt.begin(**shown, at=NOON)
    coupon: Said = {"ticket_id": UUID(int=0x1005), "at": NOON}
    receipt.claim_for(session_id=REFS[6], until=SOON, **coupon)
    receipt.release(session_id=REFS[6], at=NOON)
    receipt.redeem(session_id=REFS[7], **coupon)
    return [receipt]


def an_import() -> list[Recorded]:
    rows: Said = {"count": 2, "digest": "ab" * 32}
    whose: Said = {"offering_id": UUID(int=0x1103), "issuer_id": ISSUER}
    batch = Batch.begin(batch_id=UUID(int=0x1104), **whose, **rows, at=NOON)
    batch.hold(places=["A1"], at=NOON)
    batch.give_up(reason="sold_out", at=NOON)
    batch.hold(places=["A1", "A2"], at=SOON)
    batch.advance(upto=2, at=SOON)
    return [batch]


def a_grant() -> list[Recorded]:
    grant = Grant.give(
        grant_id=UUID(int=0x1105),
        offering_id=UUID(int=0x1103),
        issuer_id=ISSUER,
        to=BOB,
        ticket_ids=[UUID(int=0x1106), UUID(int=0x1107)],
        places=["A1", "A2"],
        at=NOON,
    )
    return [grant]


STORIES: Sequence[Callable[[], list[Recorded]]] = (
    a_gift_in_a_dispute,
    a_resale_and_its_end,
    a_modification_asked_for,
    papers,
    a_coupon_in_money,
    an_exchange,
    other_ends,
    a_card_that_was_lost_and_accused,
    gifts,
    golden_money.a_purse_that_owes,
    golden_money.points_that_expire,
    golden_money.orders,
    golden_money.card_payments,
    machines_and_what_they_did_offline,
    a_receipt_of_a_shop,
    an_import,
    a_grant,
    golden_money.a_resale_that_was_undone,
    a_sale_that_was_paid_out,
)


def stored(aggregates: Iterable[Recorded]) -> list[dict[str, Any]]:
    """Return what these aggregates decided as lines of the file."""
    mapper = Mapper[UUID](transcoder())
    lines = []
    for aggregate in aggregates:
        for event in aggregate.collect_events():
            object.__setattr__(event, "cause", CAUSE.as_dict())
            found = mapper.to_stored_event(event)
            lines.append(
                {
                    "originator_id": str(found.originator_id),
                    "version": found.originator_version,
                    "topic": found.topic,
                    "state": found.state.decode(),
                }
            )
    return lines


def main() -> None:
    known = {shape(event.topic, event.state) for event in golden()}
    with GOLDEN.open("a", encoding="utf-8") as file:
        for story in STORIES:
            lines = stored(story())
            if {
                shape(line["topic"], line["state"].encode()) for line in lines
            } <= known:
                continue
            known |= {shape(line["topic"], line["state"].encode()) for line in lines}
            file.writelines(json.dumps(line) + "\n" for line in lines)
            sys.stdout.write(f"{story.__name__}: {len(lines)} events\n")


if __name__ == "__main__":
    main()
