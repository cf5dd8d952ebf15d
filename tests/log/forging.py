"""Histories that commands have recorded, and what a forger makes of them.

A forger holds the log's own key: he drops events, repeats them, swaps them, slips in
those of another stream, and numbers all anew so that nothing else gives him away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from eventsourcing.persistence import Mapper, StoredEvent

from ledger.aggregates.account import Account
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.medium import Medium
from ledger.aggregates.offline_fact import OfflineFact
from ledger.aggregates.order import Order
from ledger.aggregates.paper import Paper
from ledger.aggregates.payment import Payment
from ledger.aggregates.receipt import Receipt
from ledger.aggregates.sale import Sale
from ledger.errors import Refusal
from ledger.log.export import ExportedEvent
from ledger.log.replay import BadHistory, Replay, transcoder
from ledger.vocabulary import ids
from tests.lifecycle.world import MOVES, PEOPLE, World
from tests.log.test_events import golden

Stream: TypeAlias = list[Any]
Forgery: TypeAlias = tuple[str, Stream]

TOWNS, STEPS = 8, 130
MAPPER = Mapper[UUID](transcoder())

# Shapes were kept with ids and sums made up; a history of one log has the right ones.
RIGHTFUL_ID: Mapping[type, Callable[[Any], UUID]] = {
    Account.Opened: lambda e: ids.account_id(e.party_id, e.kind, e.currency),
    Allowance.Begun: lambda e: ids.allowance_id(e.offering_id, e.party_id),
    Medium.Personalised: lambda e: ids.medium_id(bytes.fromhex(e.uid)),
    OfflineFact.Reported: lambda e: ids.fact_id(e.device_id, e.device_seq),
    Paper.Numbered: lambda e: ids.paper_id(e.serial),
    Payment.AuthorisationRequested: lambda e: ids.payment_id(e.purpose_id),
    Receipt.Shown: lambda e: ids.receipt_id(e.shop_id, e.receipt),
}
# Told by the very first code, which moved the epoch once the card was written.
FIRST_CODE = UUID("7b2c41de-0000-4000-8000-000000000001")


@cache
def legitimate() -> Sequence[Stream]:
    """Streams as commands record them: of some towns, and of the golden stories."""
    return [*(s for seed in range(TOWNS) for s in town(seed)), *golden_streams()]


def town(seed: int) -> list[Stream]:
    """Let a town live for a while; return what it recorded, stream by stream."""
    chance = Random(seed)
    world = World(
        payout=chance.choice(["at_sale", "after_start"]),
        sender_use=chance.choice(["wins", "blocked"]),
        on_medium=chance.choice(["exposure", "surrender"]),
        together=seed % 2 == 0,
    )
    for _ in range(STEPS):
        by = chance.choice(PEOPLE)
        likely = chance.random() < 0.66
        move = chance.choice(world.likely(by) if likely else MOVES)
        try:
            getattr(world, move)(chance.randrange(420), by, chance.randrange(420))
        except Refusal:
            continue
    return streams([world.ledger.event(stored) for stored in world.ledger.stored])


def golden_streams() -> list[Stream]:
    events = [
        MAPPER.to_domain_event(
            StoredEvent(each.originator_id, each.version, each.topic, each.state)
        )
        for each in golden()
        if each.originator_id != FIRST_CODE
    ]
    return [put_right(stream) for stream in streams(events)]


def streams(events: Sequence[Any]) -> list[Stream]:
    found: dict[UUID, Stream] = defaultdict(list)
    for event in events:
        found[event.originator_id].append(event)
    return list(found.values())


def put_right(stream: Stream) -> Stream:
    first = stream[0]
    named = RIGHTFUL_ID.get(type(first), lambda e: e.originator_id)(first)
    return [
        changed(event, originator_id=named, **_sums(first, event)) for event in stream
    ]


def _sums(first: Any, event: Any) -> dict[str, Any]:
    """What tenders must have paid, where a story did not reckon."""
    if isinstance(event, Sale.Escrowed):
        return {"paid": [{"kind": "purse", "amount_minor": event.amount_minor}]}
    if isinstance(event, Order.Confirmed) and event.paid:
        lines = [first.lines[number] for number in event.lines]
        worth = sum(line["price_minor"] + line["fees_minor"] for line in lines)
        return {"paid": [{"kind": "purse", "amount_minor": worth}]}
    return {}


def changed(event: Any, **fields: object) -> Any:
    """Return the event with other words."""
    forged = copy(event)
    for name, value in fields.items():
        object.__setattr__(forged, name, value)
    return forged


def forgeries(
    stream: Stream, kin: Sequence[Stream], chance: Random
) -> Iterator[Forgery]:
    """Yield what was done, and the stream as it is then; `kin` are streams alike."""
    count = len(stream)
    for at, event in enumerate(stream):
        yield f"dropped {at}", renumbered([*stream[:at], *stream[at + 1 :]])
        yield f"repeated {at}", renumbered([*stream[: at + 1], *stream[at:]])
        if at + 1 < count:
            swapped = [*stream[:at], stream[at + 1], event, *stream[at + 2 :]]
            yield f"swapped {at}", renumbered(swapped)
            yield f"repeated {at} last", renumbered([*stream, event])
    for at in range(1, count + 1):
        other = chance.choice(kin)
        slipped = chance.choice(other)
        forged = renumbered([*stream[:at], slipped, *stream[at:]])
        yield f"slipped {type(slipped).__name__} in at {at}", forged


def renumbered(stream: Stream) -> Stream:
    """Count the versions anew, and name events of this stream by what they are now."""
    became: dict[int, int] = {}
    forged = []
    for version, event in enumerate(stream, 1):
        new = {"originator_version": version, "originator_id": stream[0].originator_id}
        for name in ("previous_title_version", "reverses_version"):
            named = getattr(event, name, None)
            if named in became:
                new[name] = became[named]
        became[event.originator_version] = version
        forged.append(changed(event, **new))
    return forged


def refused(stream: Stream) -> tuple[Any, str] | None:
    """Replay a stream; return the first event that is refused, and why."""
    replay = Replay()
    for event in stream:
        try:
            replay.apply(exported(event))
        except BadHistory as why:
            return event, str(why)
    return None


def exported(event: Any) -> ExportedEvent:
    """The event as an export shows it."""
    stored = MAPPER.to_stored_event(event)
    return ExportedEvent(
        index=0,
        position=1,
        originator_id=UUID(str(stored.originator_id)),
        version=stored.originator_version,
        topic=stored.topic,
        state=stored.state,
    )
