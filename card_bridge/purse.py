"""The purse on a card: a till debits it, the desk tops it up, the ledger keeps account.

  look for what was left ─► journal ─► move ─► journal the commit ─► commit ─► report

Nothing on the card names a payment, so what was left unsettled is told by the card's
count of its commits, and by its proof, which the ledger checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID, uuid5

from card_bridge.gateway import LedgerRefusal, Outcome
from card_bridge.journal import Entry, Journal, PurseMove
from card_bridge.keys import Authorities
from card_bridge.profile.card import TicketCard
from card_bridge.protocol.status import CardError
from card_bridge.reader import CardReader
from ledger.vocabulary.medium_record import INSPECT_KEY, SELL_KEY, TOP_UP_KEY

_PAYMENTS = UUID("6e1c1e0c-7f0e-4b43-9c0b-4d2f3a0a8c55")
Settle = Callable[[Entry, Outcome], None]


_IN_DOUBT = (
    "Another has written the card since its top-up broke off; the money stays held. "
    "Compare the purse with the ledger, and remove the card's entry from the journal."
)


class PurseGateway(Protocol):
    """What is told of purses. Every call raises LedgerRefusal or LedgerUnreachable."""

    def start_top_up(self, uid: bytes, *, amount_minor: int) -> UUID: ...

    def settle_top_up(self, uid: bytes, top_up_id: UUID, outcome: Outcome) -> None: ...

    def report_debit(
        self, uid: bytes, payment_id: UUID, outcome: Outcome, *, receipt: str
    ) -> None: ...


class PurseRefused(Exception):
    """Nothing was taken; `code` says why, the message in one sentence."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code


@dataclass(frozen=True, slots=True)
class Moved:
    """What was taken from a purse, or put in."""

    amount_minor: int
    receipt: str


class PurseTill:
    """A point of sale that takes money from cards."""

    def __init__(
        self, gateway: PurseGateway, reader: CardReader, journal: Journal
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._journal = journal

    def pay(self, card: TicketCard, *, amount_minor: int, receipt: str) -> Moved:
        """Take an amount from a card's purse, once for a receipt of this till.

        Raises `PurseRefused`, `LedgerRefusal`, `LedgerUnreachable` or `CardError`.
        After any of them pay again with the same receipt.
        """
        earlier = self.settle(card)
        if earlier is not None and earlier.receipt == receipt:
            return earlier
        tapped = self._reader.present(card).tapped
        if tapped.code is not None and not tapped.slots:
            raise PurseRefused(tapped.code, tapped.says)
        move = PurseMove(amount_minor, receipt, _commits(card, self._reader.keys))
        card.open(SELL_KEY, self._reader.keys(card.uid, SELL_KEY))
        if card.purse() < amount_minor:
            raise PurseRefused("insufficient_funds", "The purse holds less than that.")
        entry = Entry(card.uid, _payment_id(card.uid, move), b"", purse=move)
        _perform(
            card,
            entry,
            lambda: card.debit_purse(amount_minor),
            journal=self._journal,
            settle=self._report,
        )
        return Moved(amount_minor, receipt)

    def settle(self, card: TicketCard) -> Moved | None:
        """Settle what was left with this card; return it if it was taken."""
        card.find(self._reader.keys)
        return _settle_unsettled(
            card, self._journal, self._reader.keys, settle=self._report
        )

    def _report(self, entry: Entry, outcome: Outcome) -> None:
        assert entry.purse is not None
        self._gateway.report_debit(
            entry.uid, entry.write_id, outcome, receipt=entry.purse.receipt
        )


class TopUpDesk:
    """The issuing desk, which has the one card's keys in hand."""

    def __init__(
        self, gateway: PurseGateway, keys: Authorities, journal: Journal
    ) -> None:
        self._gateway = gateway
        self._keys = keys
        self._journal = journal

    def top_up(self, card: TicketCard, *, amount_minor: int, receipt: str) -> Moved:
        """Put an amount of the holder's money on a card, once for a receipt.

        Raises `LedgerRefusal`, `LedgerUnreachable` or `CardError`. After any of them
        do it again with the same receipt.
        """
        card.find(self._keys)
        earlier = _settle_unsettled(
            card, self._journal, self._keys, settle=self._report, keeps_doubt=True
        )
        if earlier is not None and earlier.receipt == receipt:
            return earlier
        move = PurseMove(amount_minor, receipt, _commits(card, self._keys))
        top_up_id = self._gateway.start_top_up(card.uid, amount_minor=amount_minor)
        entry = Entry(card.uid, top_up_id, b"", purse=move)
        self._journal.note(entry)
        card.open(TOP_UP_KEY, self._keys(card.uid, TOP_UP_KEY))
        _perform(
            card,
            entry,
            lambda: card.credit_purse(amount_minor),
            journal=self._journal,
            settle=self._report,
        )
        return Moved(amount_minor, receipt)

    def _report(self, entry: Entry, outcome: Outcome) -> None:
        self._gateway.settle_top_up(entry.uid, entry.write_id, outcome)


def _perform(
    card: TicketCard,
    entry: Entry,
    move: Callable[[], None],
    *,
    journal: Journal,
    settle: Settle,
) -> None:
    """Move in the open session, commit, and report the proof."""
    journal.note(entry)
    try:
        move()
    except CardError as failed:
        settle(entry, Outcome.aborted(str(failed)))
        journal.settle(card.uid)
        raise
    journal.note(replace(entry, operations=card.operations))
    settle(entry, Outcome.of(card.commit()))
    journal.settle(card.uid)


def _settle_unsettled(
    card: TicketCard,
    journal: Journal,
    keys: Authorities,
    *,
    settle: Settle,
    keeps_doubt: bool = False,
) -> Moved | None:
    """Settle what the journal has of this card, by the card's count and its proof.

    A refusal that another moment may change is raised, and the entry kept: it may be
    the only proof of what the card did. If another has written the card since, its
    proof of this is gone: a till bears that, and a desk `keeps_doubt`, for the money
    may be on the card.
    """
    entry = journal.unsettled(card.uid)
    if entry is None or entry.purse is None:
        return None
    proof = card.last_proof(keys(card.uid, INSPECT_KEY))
    done = entry.operations is not None and proof.tmc == entry.purse.tmc + 1
    if keeps_doubt and entry.operations is not None and proof.tmc > entry.purse.tmc + 1:
        raise PurseRefused("in_doubt", _IN_DOUBT)
    outcome = Outcome.aborted("the card has not committed it")
    if done:
        outcome = Outcome(proof, entry.operations or ())
    try:
        settle(entry, outcome)
    except LedgerRefusal as refusal:
        if not refusal.is_final:
            raise
        done = False  # Another has written the card since, or its proof is of another.
    journal.settle(card.uid)
    return Moved(entry.purse.amount_minor, entry.purse.receipt) if done else None


def _payment_id(uid: bytes, move: PurseMove) -> UUID:
    return uuid5(_PAYMENTS, f"{uid.hex()}/{move.tmc}/{move.receipt}")


def _commits(card: TicketCard, keys: Authorities) -> int:
    return card.last_proof(keys(card.uid, INSPECT_KEY)).tmc
