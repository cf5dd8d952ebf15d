"""Money put on a card and taken from it: torn anywhere, and told by liars.

Planted and caught: a torn debit reported as given up without a look at the card; the
proof of one top-up taken for another; the hold not ended by the entry; a proof taken
whatever it moved; the entry of a journal dropped before the ledger has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable, Outcome
from card_bridge.journal import Journal
from card_bridge.profile import layout
from card_bridge.purse import Moved, PurseRefused, PurseTill, TopUpDesk
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.files import ValueFile
from ledger.aggregates.account import Account
from ledger.usecases.accounts import purse_ref, trial_balance_of
from ledger.vocabulary.codes import Role
from tests.api.callers import Caller
from tests.card.bridge.stage import (
    WIRE_AID,
    Stage,
    carried,
    every_tear,
    laid,
    party,
)

PAID_IN, PUT_ON, PRICE = 10_000, 2_000, 350


class Away:
    """A gateway whose answers are lost from some moment on."""

    def __init__(self, inner: Any, lost: str) -> None:
        self._inner = inner
        self._lost = lost

    def __getattr__(self, name: str) -> Any:
        if name != self._lost:
            return getattr(self._inner, name)

        def lost(*said: Any, **more: Any) -> None:
            getattr(self._inner, name)(*said, **more)
            raise LedgerUnreachable

        return lost


def _on_card(card: VirtualCard) -> int:
    file = card.snapshot().applications[WIRE_AID].files[layout.PURSE.number]
    assert isinstance(file, ValueFile)
    return file.value


def _account(stage: Stage, holder: Caller) -> Account:
    account = stage.its.ledger.find(Account, purse_ref(party(holder), "EUR").id)
    assert account is not None
    return account


def _holder(stage: Stage) -> Caller:
    holder = stage.callers.person(Role.BUYER)
    stage.callers.rich(holder, PAID_IN)
    return holder


def _desk(stage: Stage, card: VirtualCard, holder: Caller, **parts: Any) -> TopUpDesk:
    machine = stage.machine("personaliser", Role.PERSONALISER)
    return TopUpDesk(
        parts.get("gateway") or stage.gateway(machine),
        stage.keys_for(card, holder),
        parts.get("journal") or stage.journal(),
    )


def _till(stage: Stage, *, lost: str = "", journal: Journal | None = None) -> PurseTill:
    reader, gateway = stage.reader_of(
        "point_of_sale", Role.SHOP, wrapped=lambda inner: Away(inner, lost)
    )
    return PurseTill(gateway, reader, journal or stage.journal())  # type: ignore[arg-type]


def _topped_up(stage: Stage) -> tuple[Caller, VirtualCard]:
    holder = _holder(stage)
    card = stage.card_of(holder)
    with laid(card) as lying:
        _desk(stage, card, holder).top_up(lying, amount_minor=PUT_ON, receipt="1")
    return holder, card


def _require_agreed(stage: Stage, card: VirtualCard, holder: Caller) -> None:
    """Card, account and books say the same, and nothing is held any more."""
    assert _on_card(card) == carried(stage, card)
    assert not _account(stage, holder).holds
    assert trial_balance_of(stage.its.ledger).holds


def test_money_goes_from_the_account_onto_the_card_and_to_the_shop(
    stage: Stage,
) -> None:
    holder, card = _topped_up(stage)
    assert _account(stage, holder).balance_minor == PAID_IN - PUT_ON
    with laid(card) as lying:
        paid = _till(stage).pay(lying, amount_minor=PRICE, receipt="1001")
    assert paid == Moved(PRICE, "1001")
    assert _on_card(card) == PUT_ON - PRICE
    _require_agreed(stage, card, holder)


@pytest.mark.parametrize("processed", [True, False])
def test_a_debit_torn_anywhere_is_made_once(stage: Stage, *, processed: bool) -> None:
    holder, card = _topped_up(stage)
    till = _till(stage)
    for _ in every_tear(
        card,
        lambda lying: till.pay(lying, amount_minor=PRICE, receipt="1002"),
        processed=processed,
    ):
        assert _on_card(card) in (PUT_ON, PUT_ON - PRICE)
    assert _on_card(card) == PUT_ON - PRICE
    _require_agreed(stage, card, holder)


@pytest.mark.parametrize("processed", [True, False])
def test_a_top_up_torn_anywhere_is_made_once(stage: Stage, *, processed: bool) -> None:
    holder = _holder(stage)
    card = stage.card_of(holder)
    desk = _desk(stage, card, holder)
    for _ in every_tear(
        card,
        lambda lying: desk.top_up(lying, amount_minor=PUT_ON, receipt="2"),
        processed=processed,
    ):
        assert _on_card(card) in (0, PUT_ON)
    assert _on_card(card) == PUT_ON
    assert _account(stage, holder).balance_minor == PAID_IN - PUT_ON
    _require_agreed(stage, card, holder)


def test_an_answer_that_is_lost_takes_nothing_twice(stage: Stage) -> None:
    holder, card = _topped_up(stage)
    journal = stage.journal()
    with laid(card) as lying, pytest.raises(LedgerUnreachable):
        _till(stage, lost="report_debit", journal=journal).pay(
            lying, amount_minor=PRICE, receipt="1003"
        )
    with laid(card) as lying:
        _till(stage, journal=journal).pay(lying, amount_minor=PRICE, receipt="1003")
    assert _on_card(card) == PUT_ON - PRICE
    _require_agreed(stage, card, holder)


def test_more_than_the_card_has_is_not_taken(stage: Stage) -> None:
    holder, card = _topped_up(stage)
    with laid(card) as lying, pytest.raises(PurseRefused) as refused:
        _till(stage).pay(lying, amount_minor=PUT_ON + 1, receipt="1004")
    assert refused.value.code == "insufficient_funds"
    _require_agreed(stage, card, holder)


@pytest.mark.parametrize(
    ("amount", "code"), [(PAID_IN + 1, "insufficient_funds"), (15_001, "malformed")]
)
def test_more_than_the_account_has_or_a_purse_may_hold_is_not_put_on(
    stage: Stage, amount: int, code: str
) -> None:
    holder = _holder(stage)
    card = stage.card_of(holder)
    with laid(card) as lying, pytest.raises(LedgerRefusal) as refused:
        _desk(stage, card, holder).top_up(lying, amount_minor=amount, receipt="3")
    assert refused.value.code == code
    assert _on_card(card) == 0


def test_a_card_reported_lost_pays_nothing(stage: Stage) -> None:
    holder, card = _topped_up(stage)
    lost = holder.post(f"/v1/media/{card.uid.hex()}/loss")
    assert lost.status < 300, lost.json
    with laid(card) as lying, pytest.raises(PurseRefused):
        _till(stage).pay(lying, amount_minor=PRICE, receipt="1005")
    assert _on_card(card) == PUT_ON


class Listening(Away):
    """A gateway that keeps what was reported through it."""

    def __init__(self, inner: Any, *, delivers: bool = True) -> None:
        super().__init__(inner, "")
        self._delivers = delivers
        self.heard: list[tuple[bytes, UUID, Outcome]] = []

    def settle_top_up(self, uid: bytes, top_up_id: UUID, outcome: Outcome) -> None:
        self.heard.append((uid, top_up_id, outcome))
        if self._delivers:
            self._inner.settle_top_up(uid, top_up_id, outcome)


def _twice(stage: Stage, uid: bytes, first: UUID, outcome: Outcome) -> None:
    desk = stage.gateway(stage.machine("personaliser", Role.PERSONALISER))
    desk.settle_top_up(uid, desk.start_top_up(uid, amount_minor=PUT_ON), outcome)


def _as_a_debit(stage: Stage, uid: bytes, first: UUID, outcome: Outcome) -> None:
    till = stage.gateway(stage.machine("point_of_sale", Role.SHOP))
    till.report_debit(uid, first, outcome, receipt="1006")


def _never_made(stage: Stage, uid: bytes, first: UUID, outcome: Outcome) -> None:
    till = stage.gateway(stage.machine("point_of_sale", Role.SHOP))
    assert outcome.proof is not None
    forged = Outcome(outcome.proof._replace(tmv=bytes(8)), outcome.operations)
    till.report_debit(uid, uuid4(), forged, receipt="1007")


@pytest.mark.parametrize("lie", [_twice, _as_a_debit, _never_made])
def test_a_proof_pays_once_and_for_what_it_proves(
    stage: Stage, lie: Callable[[Stage, bytes, UUID, Outcome], None]
) -> None:
    holder = _holder(stage)
    card = stage.card_of(holder)
    machine = stage.machine("personaliser", Role.PERSONALISER)
    gateway = Listening(stage.gateway(machine))
    with laid(card) as lying:
        _desk(stage, card, holder, gateway=gateway).top_up(
            lying, amount_minor=PUT_ON, receipt="4"
        )
    ((uid, first, outcome),) = gateway.heard
    with pytest.raises(LedgerRefusal) as refused:
        lie(stage, uid, first, outcome)
    assert refused.value.code == "counterfeit"
    assert carried(stage, card) == PUT_ON == _on_card(card)


def test_what_was_put_on_a_card_is_not_told_as_taken_from_it(stage: Stage) -> None:
    holder = _holder(stage)
    card = stage.card_of(holder)
    machine = stage.machine("personaliser", Role.PERSONALISER)
    gateway = Listening(stage.gateway(machine), delivers=False)
    with laid(card) as lying:
        _desk(stage, card, holder, gateway=gateway).top_up(
            lying, amount_minor=PUT_ON, receipt="6"
        )
    ((uid, first, outcome),) = gateway.heard
    with pytest.raises(LedgerRefusal) as refused:
        _as_a_debit(stage, uid, first, outcome)
    assert refused.value.code == "counterfeit"
    assert carried(stage, card) == 0


def test_a_desk_leaves_in_doubt_what_another_wrote_over(stage: Stage) -> None:
    holder = _holder(stage)
    card = stage.card_of(holder)
    journal = stage.journal()
    machine = stage.machine("personaliser", Role.PERSONALISER)
    away = Away(stage.gateway(machine), "settle_top_up")
    desk = _desk(stage, card, holder, gateway=away, journal=journal)
    with laid(card) as lying, pytest.raises(LedgerUnreachable):
        desk.top_up(lying, amount_minor=PUT_ON, receipt="5")
    with laid(card) as lying:
        _till(stage).pay(lying, amount_minor=PRICE, receipt="1008")
    with laid(card) as lying, pytest.raises(PurseRefused) as refused:
        _desk(stage, card, holder, journal=journal).top_up(
            lying, amount_minor=PUT_ON, receipt="5"
        )
    assert refused.value.code == "in_doubt"
    assert _on_card(card) == PUT_ON - PRICE
