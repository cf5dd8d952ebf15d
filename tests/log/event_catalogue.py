"""Writes docs/events.md from the code: `python -m tests.log.event_catalogue`.

The shapes come from the classes, the sentences from here; a test compares.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_type_hints

from ledger.aggregates.base import Recorded
from ledger.application import AGGREGATES

PATH = Path(__file__).parents[2] / "docs" / "events.md"
GOLDEN = Path(__file__).parents[1] / "vectors" / "events.jsonl"
COMMON = {"originator_id", "originator_version", "timestamp", "originator_topic"}

MEANS = {
    "account.opened": "A party has a purse.",
    "account.funds-held": "A part of the purse is kept for one purpose.",
    "account.hold-released": "What was kept is free again.",
    "account.points-expired": "Points whose time was over are gone.",
    "account.posted": "The purse was credited, or debited if negative.",
    "allotment.opened": "A part of an offering's stock is asked for the first time.",
    "allotment.place-given-back": "The place's ticket has ended; it is free again.",
    "allotment.places-held": "Places are kept for an order, or promised, for a while.",
    "allotment.places-released": "What held these places holds them no more.",
    "allotment.places-sold": "Places belong to tickets; where an order had held them,"
    " this was noted by whoever came by later.",
    "allowance.begun": "One party's share of one offering is counted from here.",
    "allowance.bought": "What an order held is owned now.",
    "allowance.gained": "A ticket came without an order: a gift, a grant, a resale.",
    "allowance.held": "An order holds some; they count towards the limit.",
    "allowance.lost": "A ticket is somebody else's now, or has ended.",
    "allowance.released": "An order holds nothing any more.",
    "allowance.resale-undone": "A resale was undone; it counts no more.",
    "allowance.resold": "A ticket was sold on; that counts towards the same limit.",
    "batch.advanced": "So many rows are issued, in this very commit.",
    "batch.completed": "All rows are issued.",
    "batch.given-up": "A place was not to be had; all that were held are free again.",
    "batch.places-held": "Places are kept for the next rows, in their order.",
    "batch.started": "An issuer imports tickets; the digest is of the rows.",
    "case.appealed": "A party asked for a second look, before anything was executed.",
    "case.closed": "It is over; exactly its own holds were released in this commit.",
    "case.decided": "Judged at a log position that is pinned.",
    "case.evidence-given": "Somebody showed something; its hash is fixed from now on.",
    "case.executed": "The plan was carried out in this very commit.",
    "case.facts-added": "More was observed in the same matter.",
    "case.merged": "Another case goes on with it and holds its tickets now.",
    "case.opened": "Something is disputed; its tickets are frozen in this commit.",
    "case.review-started": "An operator looks into it.",
    "case.took-in": "Another case was merged into this one.",
    "case.withdrawn": "It ended without a decision being executed.",
    "device.delegated": "For whom and what it may work, and whether without the line.",
    "device.enrolled": "A machine is known by its public key.",
    "device.revoked": "The machine is trusted no more.",
    "e-ticket.coupon-redeemed": "One use of a coupon is gone.",
    "e-ticket.dispense-aborted": "The machine gave the ticket back unprinted.",
    "e-ticket.dispense-started": "A dispenser has the ticket to itself for a while.",
    "e-ticket.dispensed": "The right is on numbered paper now. The epoch moves.",
    "e-ticket.gift-accepted": "Title: the recipient owns it. The epoch moves.",
    "e-ticket.gift-declined": "The recipient does not want it.",
    "e-ticket.gift-expired": "Nobody accepted in time.",
    "e-ticket.gift-offered": "The owner would give it to a named recipient.",
    "e-ticket.gift-withdrawn": "The owner keeps it after all.",
    "e-ticket.issued": "Title: the purchaser owns it. Epoch 1.",
    "e-ticket.listed": "It is for sale at a price under the cap.",
    "e-ticket.medium-write-aborted": "The card was not written.",
    "e-ticket.medium-write-prepared": "It is about to be recorded on a card.",
    "e-ticket.modified": "The issuer changed what it is for. The epoch moves.",
    "e-ticket.print-authorised": "This serial may be printed; no turning back.",
    "e-ticket.redemption-released": "The point of sale gave the coupon back unused.",
    "e-ticket.redemption-started": "A point of sale has one use of it to itself.",
    "e-ticket.dispense-observed": "A paper printed offline that the ledger did not"
    " expect; a case follows.",
    "e-ticket.dispense-reversed": "The paper was taken back; its serial is dead. The"
    " epoch moves.",
    "e-ticket.exchange-aborted": "The exchange was not confirmed.",
    "e-ticket.exchange-started": "It is kept for an exchange.",
    "e-ticket.exchanged": "It ended for its successors.",
    "e-ticket.expired": "Its validity is over; commands knew before.",
    "e-ticket.frozen": "A case forbids something with it. The epoch stays.",
    "e-ticket.gift-resumed": "The offer's clock runs on, with the pause added.",
    "e-ticket.gift-suspended": "A hold stopped the offer's clock.",
    "e-ticket.modification-refused": "The issuer said no, or the owner took it back.",
    "e-ticket.modification-requested": "The owner asks for a change.",
    "e-ticket.paper-reissued": "Another paper replaces the old, whose serial is dead."
    " The epoch moves.",
    "e-ticket.reassigned": "Title: a decision moved it. The epoch moves.",
    "e-ticket.redemption-observed": "A use offline that does not count; a case"
    " follows.",
    "e-ticket.redemption-reversed": "A use, or a part of it, was given back.",
    "e-ticket.refunded": "It ended for money.",
    "e-ticket.reinstated": "A decision gave the right back. The epoch moves.",
    "e-ticket.repriced": "The seller asks another price under the cap.",
    "e-ticket.revoked": "It ended; no copy of it is ever accepted.",
    "e-ticket.sale-aborted": "The purchaser's payment did not come.",
    "e-ticket.sale-paid-out": "Who had sold it was paid, while no case held it.",
    "e-ticket.sale-started": "It is kept for a purchaser who is paying.",
    "e-ticket.unfrozen": "That case forbids nothing any more.",
    "e-ticket.voided": "Its sale was undone.",
    "e-ticket.released-from-medium": "The card's slot was cleared. The epoch moves.",
    "e-ticket.resold": "Title: the second purchaser owns it. The epoch moves.",
    "e-ticket.unlisted": "It is not for sale any more.",
    "e-ticket.written-to-medium": "It stands in a card's slot; a first write moves"
    " the epoch, a refresh does not.",
    "entry.made": "Money moved; the postings sum to zero.",
    "gift.accepted": "Titles moved; what is left is bound to this recipient.",
    "gift.contact-erased": "The key of the contact was destroyed; the offer stands.",
    "gift.declined": "The recipient does not want these.",
    "gift.expired": "The time of these was over; commands knew before.",
    "gift.offered": "Tickets are offered together, each on its terms.",
    "gift.voided": "These were used or have ended, or cannot move without one that"
    " did.",
    "gift.withdrawn": "The sender took these back, perhaps for another recipient.",
    "grant.given": "An issuer gave these without a sale; they may be a group.",
    "mandate.granted": "An issuer lets a seller with a shop of its own sell for him.",
    "mandate.renewed": "It is in force again, or at another commission.",
    "mandate.withdrawn": "The seller registers nothing more; what he sold stands.",
    "medium.blocked": "It is never used again; its tickets were recalled.",
    "medium.cleared": "An operator has lifted the suspicion.",
    "medium.mark-reported": "A machine has written it without the line, and says so.",
    "medium.personalised": "A card has its keys and its holder.",
    "medium.replaced": "Another one took its place; its tickets were recalled.",
    "medium.restored": "It was found again.",
    "medium.returned": "Its holder handed it in; its tickets were recalled.",
    "medium.seen-ahead": "It shows a state that nobody has reported; a horizon begins.",
    "medium.suspended": "It was reported lost.",
    "medium.suspected": "A tap showed a copy or an old image; it is kept as evidence.",
    "medium.write-aborted": "The card did not commit the write.",
    "medium.write-prepared": "The next state of the card, not proven yet.",
    "medium.written-offline": "It is as a machine wrote it without the line.",
    "medium.written": "The card has proven that it committed the write.",
    "offering.cancelled": "Nothing more is sold.",
    "offering.extended": "More places are on sale.",
    "offering.opened": "Places are on sale.",
    "offering.place-held": "Of old: an order held a place for a while.",
    "offering.place-released": "Of old: the place was free again.",
    "offering.place-sold": "Of old: the place belonged to a ticket.",
    "offering.repriced": "Another price for what is reserved from now on.",
    "offline-fact.reported": "What a machine did offline, and what came of it.",
    "order.capture-failed": "The card never paid: what can be is taken back, the rest"
    " is owed.",
    "order.confirmed": "Paid: the tickets are issued in the same commit.",
    "order.expired": "Its time was over; commands knew before.",
    "order.paid-late": "Money came for what was given up.",
    "order.payment-begun": "The places wait for a payment, at most until the fence.",
    "order.payment-failed": "Nothing was paid.",
    "order.place-changed": "Money came late and the first place was somebody else's.",
    "order.refund-noted": "A part of what was paid went back.",
    "order.refunded": "Late money went back whole.",
    "order.released": "The buyer gave the reservation up.",
    "order.reserved": "A buyer holds places at the prices quoted.",
    "paper.numbered": "A serial belongs to one ticket for ever.",
    "party.erased": "The key of what was said of them is destroyed; all proofs hold.",
    "party.erasure-requested": "A person asks to be erased; a live case delays it.",
    "payment.authorisation-requested": "A card is to be asked for an amount.",
    "payment.authorised": "The card is good for it.",
    "payment.cancel-requested": "The authorisation is to be given back.",
    "payment.cancelled": "Nothing will be taken from the card.",
    "payment.capture-requested": "The amount is to be taken.",
    "payment.captured": "The amount was taken.",
    "payment.declined": "The card is not good for it.",
    "payment.dispute-mirrored": "The cardholder's bank disputes it, or has decided.",
    "payment.refund-requested": "A part is to go back to the card.",
    "payment.refund-refused": "The card cannot take it back; it goes to the purse.",
    "payment.refunded": "That part went back.",
    "party.registered": "Somebody is known; the name is sealed.",
    "registered-sale.cancelled": "The seller took it back; its tickets ended unused.",
    "registered-sale.registered": "A seller sold in a shop of its own; the tickets are"
    " issued in the same commit.",
    "receipt.claimed": "A session keeps it while its lease lasts.",
    "receipt.redeemed": "It has redeemed a coupon, and never another.",
    "receipt.released": "The session gave it back.",
    "receipt.shown": "A shop's receipt is used with a coupon for the first time.",
    "sale.aborted": "The sale was given up before anything had moved.",
    "sale.clawed-back": "What had been paid out was taken back for the purchaser.",
    "sale.closed": "Nothing is left to be done about the sale.",
    "sale.compensated": "A wronged party was compensated out of the seller's share.",
    "sale.debt-recorded": "The payment never came and the tickets are used or gone:"
    " the purchaser owes it.",
    "sale.escrowed": "The purchaser's money is in escrow; the titles move with it.",
    "sale.funds-held": "Every tender is held or authorised.",
    "sale.initiated": "Somebody buys listed tickets from their owner.",
    "sale.paid-out": "Escrow was emptied to everybody who has a share.",
    "sale.refunded": "Money went back from escrow to the purchaser, by a decision.",
    "sale.reversed": "The payment never came: titles and escrow went back.",
    "sale.title-moved": "The titles moved, in the commit of the escrow posting.",
    "waiting-list.begun": "Somebody waits for an offering for the first time.",
    "waiting-list.joined": "Somebody stands in line.",
    "waiting-list.lapsed": "A promise was not taken in time; the next has it.",
    "waiting-list.left": "Somebody gave up his place in line, and promises.",
    "waiting-list.promised": "Places are kept for the first in line for a while.",
    "waiting-list.redeemed": "Promised places went to an order of his.",
}

OPENING = """\
# Events

What the log remembers. Every event also has its stream (`originator_id`), its place
in it (`originator_version`), the time it was recorded (`timestamp`) and its `cause`:
the actor and, where they apply, credential, device, command, correlation and the
device's own time.

A topic is stored for ever and means for ever what it says here; a new shape of it gets
the next version and an upcast. Fields that end in `_sealed` hold personal data under
the person's own key: destroying that key erases the person, and every proof still
holds.

What is stored is never rewritten: an event of an earlier version is read as if it had
the present shape, which its upcast computes. `tests/vectors/events.jsonl` keeps an
event of every topic and version as it was first stored; the file only grows, and all
of it must still read.

Made by `python -m tests.log.event_catalogue`.
"""

EXAMPLE = """\

## An upcast, by example

A ticket was first issued without group, category, points or source. As it was stored,
and still is:

```json
{before}
```

As it is read today:

```json
{after}
```
"""
# The ticket whose issue is shown; its terms are left as they were.
EXAMPLE_TOPIC = "e-ticket.issued"


def events_of(aggregate: type[Recorded]) -> list[type[Recorded.Event]]:
    """The events that are recorded, in the order in which the file tells them."""
    found = [each for each in vars(aggregate).values() if isinstance(each, type)]
    return [
        each
        for each in found
        if issubclass(each, Recorded.Event)
        and each is not vars(aggregate)["Event"]
        and not each.__name__.startswith("_")
    ]


def upcasts_of(event: type[Recorded.Event]) -> list[Callable[[dict[str, Any]], None]]:
    """The functions that bring an older state to the present shape, oldest first."""
    versions = range(1, event.class_version)
    return [getattr(event, f"upcast_v{n}_v{n + 1}") for n in versions]


def catalogue() -> str:
    sections = "".join(_section(aggregate) for aggregate in AGGREGATES)
    return OPENING + sections + _example()


def _section(aggregate: type[Recorded]) -> str:
    events = events_of(aggregate)
    rows = "".join(_row(event) for event in events)
    head = "| topic | v | fields | what happened |\n|---|---|---|---|\n"
    earlier = "".join(_earlier(event) for event in events if event.class_version > 1)
    versions = f"\nEarlier versions:\n\n{earlier}" if earlier else ""
    return f"\n## {aggregate.TOPIC}\n\n{head}{rows}{versions}"


def _earlier(event: type[Recorded.Event]) -> str:
    said = ""
    for version, upcast in enumerate(upcasts_of(event), 1):
        first, *_ = cleandoc(upcast.__doc__ or "").split("\n\n")
        said += f"- `{event.TOPIC}` v{version}: {' '.join(first.split())}\n"
    return said


def _example() -> str:
    """Show a stored state of version 1, and the same upcast by the code itself."""
    lines = map(json.loads, GOLDEN.read_text("utf-8").splitlines())
    stored = next(line for line in lines if line["topic"] == EXAMPLE_TOPIC)
    event = next(
        each
        for aggregate in AGGREGATES
        for each in events_of(aggregate)
        if each.TOPIC == EXAMPLE_TOPIC
    )
    before, after = json.loads(stored["state"]), json.loads(stored["state"])
    for upcast in upcasts_of(event):
        upcast(after)
    return EXAMPLE.format(before=_json(before), after=_json(after))


def _json(state: dict[str, Any]) -> str:
    plain = {key: _plain(value) for key, value in sorted(state.items())}
    return json.dumps(plain, indent=1)


def _plain(value: Any) -> Any:
    """Leave out the marks of times and ids."""
    return value["_data_"] if isinstance(value, dict) and "_data_" in value else value


def _row(event: type[Recorded.Event]) -> str:
    hints = get_type_hints(event)
    said = [
        f"`{field.name}: {_type(hints[field.name])}`"
        for field in fields(event)
        if field.name not in COMMON
    ]
    means = MEANS[event.TOPIC]
    shape = "<br>".join(said) or "–"
    return f"| `{event.TOPIC}` | {event.class_version} | {shape} | {means} |\n"


def _type(hint: object) -> str:
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return hint.__name__
    text = str(hint).replace("typing.", "").replace("uuid.", "")
    return text.replace("datetime.datetime", "datetime").replace("|", "or")


if __name__ == "__main__":
    PATH.write_text(catalogue(), "utf-8")
    sys.stdout.write(f"{PATH} written\n")
