"""A card that shows a random UID goes through all that any other card does.

Planted and caught: the random UID taken for the card's own; its UID as GetVersion tells
it; the find key answered for under the UID of a card, and other keys under none.
"""

from __future__ import annotations

import pytest

from card_bridge.gateway import LedgerRefusal
from card_bridge.profile.card import HiddenUid
from card_bridge.profile.personalise import FACTORY_KEY, uid_of_blank
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.medium_record import ANY_UID, FIND_KEY, INSPECT_KEY
from tests.card.bridge.stage import (
    Stage,
    every_tear,
    laid,
    require_old_or_new,
    standing,
)
from tests.card.cards import key


def test_it_is_recorded_on_read_and_redeemed_from_under_its_own_uid(
    stage: Stage,
) -> None:
    ada = stage.callers.ada
    card = stage.card_of(ada, hide_uid=True)
    coupon_id = stage.coupon_of(ada, uses=2)
    with laid(card) as lying:
        stage.bridge_of(ada).bring_in_line(lying, load=[coupon_id])
        assert lying.uid == card.uid
    assert standing(card)[0].uid == card.uid
    with laid(card) as lying:
        done = stage.till().redeem(
            lying,
            receipt="7001",
            amount_minor=250,
            currency="EUR",
            at=stage.clock.now(),
        )
    assert done.uses_left == 1
    stage.require_agreed(card)


def test_it_is_brought_in_line_wherever_it_was_torn(stage: Stage) -> None:
    ada = stage.callers.ada
    card = stage.card_of(ada, hide_uid=True)
    ticket_id, bridge = stage.ticket_of(ada), stage.bridge_of(ada)
    for tear in every_tear(
        card,
        lambda lying: bridge.bring_in_line(lying, load=[ticket_id]),
        processed=True,
    ):
        require_old_or_new(card, tear.before)
    stage.require_agreed(card)


def test_who_holds_no_key_does_not_learn_which_card_it_is(stage: Stage) -> None:
    card = stage.card_of(stage.callers.ada, hide_uid=True)
    with laid(card) as lying, pytest.raises(HiddenUid):
        lying.find()


def test_who_finds_anothers_card_opens_nothing_on_it(stage: Stage) -> None:
    card = stage.card_of(stage.callers.ada, hide_uid=True)
    before = card.snapshot()
    with laid(card) as lying, pytest.raises(LedgerRefusal) as refused:
        stage.bridge_of(stage.callers.ben).tap(lying)
    assert refused.value.code == "unknown"
    assert card.snapshot() == before


def test_a_blank_card_that_hides_its_uid_is_made_like_any(stage: Stage) -> None:
    blank = VirtualCard.blank()
    with laid(blank) as lying:
        lying.picc.authenticate(0, key(FACTORY_KEY))
        lying.picc.use_random_id()
    with laid(blank) as lying:
        assert uid_of_blank(lying) == blank.uid


@pytest.mark.parametrize("hidden", [True, False], ids=["any card", "a card"])
def test_the_ledger_answers_for_the_find_key_alone_without_a_uid(
    stage: Stage, *, hidden: bool
) -> None:
    ada = stage.callers.ada
    terminal = stage.callers.device("terminal", Role.TERMINAL, by=ada)
    assert terminal.device_id is not None
    uid, key_no = (ANY_UID, INSPECT_KEY) if hidden else (b"\x04" * 7, FIND_KEY)
    with pytest.raises(LedgerRefusal) as refused:
        stage.gateway(ada).begin_authentication(
            uid, key_no=key_no, challenge=bytes(16), terminal_id=terminal.device_id
        )
    assert refused.value.code == "device_not_authorised"


def test_a_hidden_card_is_fresh_at_a_dispenser(stage: Stage) -> None:
    card = stage.card_of(stage.callers.ada, hide_uid=True)
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with laid(card) as lying:
        assert reader.present(lying).tapped.verdict == Verdict.FRESH
