"""A credential shows the ticket as it is now, and none is made of one that has ended.

Planted and caught: a transmission of whatever the log holds; a title moved by a
decision that the chain of owners leaves out; a claim's hash told with the history.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger.aggregates.e_ticket import Life
from ledger.aggregates.e_ticket.gifts import claim_digest
from ledger.errors import Refusal
from ledger.usecases import audit, modification, parties, transmission
from ledger.vocabulary.sealed_ticket import Transmission, unseal, verify
from tests.domain.examples import ALICE, BOB, HOUR, ISSUER, NOON
from tests.usecases.town import CAUSE, Town, fresh


class Desk(Town):
    """Alice has a terminal of her own."""

    def __init__(self, installation, **offering):
        super().__init__(installation, **offering)
        self.installation = installation
        self.terminal_id, self.key = fresh(), X25519PrivateKey.generate()
        parties.enrol(
            self.ledger,
            device_id=self.terminal_id,
            keeper_id=ALICE,
            kind="terminal",
            public_key=self.key.public_key().public_bytes_raw().hex(),
            label="Alice's phone",
            at=NOON,
            cause=CAUSE,
        )

    def transmit(self, ticket_id, *, by=ALICE, at=NOON):
        return transmission.transmit(
            self.ledger,
            self.personal,
            self.installation.secrets,
            ticket_id=ticket_id,
            terminal_id=self.terminal_id,
            by=by,
            origin=self.installation.origin,
            at=at,
        )

    def shown(self, ticket_id):
        """Receive a ticket as the terminal does; return what it says."""
        sent = self.transmit(ticket_id)
        origin = self.installation.origin
        context = Transmission(origin, ticket_id, sent.epoch, self.terminal_id)
        signed = unseal(sent.sealed, key=self.key, context=context)
        keys = self.installation.secrets.issuer_public_keys()
        return verify(signed, keys=keys, origin=origin)

    def change(self, ticket_id, **said):
        """Do something to a ticket alone, and record it."""
        ticket = self.ledger.ticket(ticket_id)
        for command, arguments in said.items():
            getattr(ticket, command)(**arguments, at=NOON)
        self.ledger.record(ticket, cause=CAUSE)


ENDS: dict[Life, dict[str, Any]] = {
    Life.REFUNDED: {"refund": {"amount_minor": 0, "entry_id": None, "by": ISSUER}},
    Life.VOIDED: {"void": {"reason": "by mistake"}},
    Life.REVOKED: {"revoke": {"reason": "stolen", "by": ISSUER}},
}


def test_what_is_sent_is_the_ticket_as_it_is_now(installation):
    desk = Desk(installation)
    ticket_id = desk.buy()
    first = desk.shown(ticket_id)
    modification.modify(
        desk.ledger,
        ticket_id=ticket_id,
        by=ISSUER,
        changes={"right": "B7", "not_after": (NOON + 72 * HOUR).isoformat()},
        reason="moved",
        at=NOON,
        cause=CAUSE,
    )
    now = desk.shown(ticket_id)
    assert (first.right, first.epoch) == ("A1", 1)
    assert (now.right, now.epoch, now.not_after) == ("B7", 2, NOON + 72 * HOUR)


@pytest.mark.parametrize("life", ENDS)
def test_of_an_ended_ticket_no_credential_is_made_whichever_way(installation, life):
    desk = Desk(installation)
    ticket_id = desk.buy()
    desk.change(ticket_id, **ENDS[life])
    ticket = desk.ledger.ticket(ticket_id)
    assert ticket.life == life
    place: dict[str, Any] = {"medium_uid": "04", "slot": 0, "seq": 1}
    ways = (
        lambda: desk.transmit(ticket_id),
        lambda: ticket.prepare_write(write_id=fresh(), **place, by=ALICE, at=NOON),
        lambda: transmission.sealed_for(
            desk.ledger.device(desk.terminal_id),
            desk.personal,
            installation.secrets,
            ticket=ticket,
            epoch=ticket.epoch,
            origin=installation.origin,
        ),
    )
    for way in ways:
        with pytest.raises(Refusal) as refused:
            way()
        assert refused.value.code == "revoked"
        assert refused.value.because == (f"{ticket_id}/2",)


def test_who_gave_it_away_receives_it_no_more(installation):
    desk = Desk(installation)
    ticket_id = desk.buy()
    desk.accept(ticket_id, desk.offer(ticket_id))
    with pytest.raises(Refusal) as refused:
        desk.transmit(ticket_id)
    assert refused.value.code == "not_owner"


def test_the_chain_of_owners_tells_decisions_too(installation):
    desk = Desk(installation)
    ticket_id, case_id = desk.buy(), fresh()
    desk.accept(ticket_id, desk.offer(ticket_id))
    desk.change(
        ticket_id,
        reassign={
            "to": ALICE,
            "decision_id": case_id,
            "reverses_version": 3,
            "check_sealed": None,
        },
        revoke={"reason": "stolen", "by": ISSUER},
        reinstate={"decision_id": case_id},
    )
    owners = audit.owners(desk.ledger, ticket_id=ticket_id)
    assert [(line.owner_id, line.event) for line in owners] == [
        (ALICE, "Issued"),
        (BOB, "GiftAccepted"),
        (ALICE, "Reassigned"),
    ]
    told = audit.history(desk.ledger, ticket_id=ticket_id)
    assert [line.event for line in told][-3:] == ["Reassigned", "Revoked", "Reinstated"]
    assert desk.shown(ticket_id).epoch == 4


def test_the_history_tells_nothing_of_a_claim(installation):
    desk = Desk(installation)
    ticket_id = desk.buy()
    desk.change(
        ticket_id,
        offer_gift={
            "offer_id": fresh(),
            "by": ALICE,
            "to": None,
            "until": NOON + HOUR,
            "claim_hash": claim_digest("a secret"),
        },
    )
    line = audit.history(desk.ledger, ticket_id=ticket_id)[-1]
    assert "claim_hash" not in line.facts
    assert line.facts["to_party_id"] is None
