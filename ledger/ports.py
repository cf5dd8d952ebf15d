"""What the ledger asks of the outside world. Adapters implement it, tests share it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from ledger.vocabulary.money import Money


@dataclass(frozen=True, slots=True)
class CardOperation:
    """One command of a card transaction, as the device reports it for the proof."""

    cmd: int
    file: int
    offset: int
    length: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What one authenticated session with a card needs; worthless afterwards."""

    ti: bytes
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


class CardAuthority(Protocol):
    """Holds the cards' master keys and does what needs them; never gives them away."""

    def answer_challenge(
        self, *, uid: bytes, key_no: int, challenge: bytes, at: datetime
    ) -> tuple[bytes, bytes]:
        """Answer a card's encrypted RndB; return (part 2, continuation).

        The continuation is sealed and carries what `finish` needs: no state is kept.
        """

    def finish(
        self, *, uid: bytes, continuation: bytes, response: bytes, at: datetime
    ) -> SessionKeys:
        """Check the card's answer; raise `CardNotGenuine`."""

    def proves(
        self,
        *,
        uid: bytes,
        transaction_counter: int,
        transaction_mac: bytes,
        operations: Sequence[CardOperation],
    ) -> bool:
        """Say whether the card with this UID committed exactly these operations."""

    def record_public_key(self, uid: bytes) -> X25519PublicKey:
        """Return the key for which tickets on this medium are sealed."""

    def card_keys(self, uid: bytes) -> dict[str, Any]:
        """Return one card's own keys, for personalising it."""

    def reader_keys(self, *, sells: bool) -> dict[str, str]:
        """Return the masters a dispenser or point of sale holds, in hex.

        The one that debits is for points of sale: it `sells`.
        """


class Secrets(Protocol):
    """Keys of the installation that are not about cards."""

    def issuer_key(self) -> Ed25519PrivateKey: ...

    def issuer_public_keys(self) -> Mapping[bytes, Ed25519PublicKey]: ...

    def print_code(self, serial: str) -> str:
        """Return the short keyed code that is printed beside a serial."""


class KeyEncryption(Protocol):
    """Wraps the persons' keys. The keys that do it have names, and the newest wraps."""

    @property
    def newest(self) -> str: ...

    def wrap(self, key: bytes, *, about: bytes) -> tuple[str, bytes]:
        """Return the name of the key that wrapped, and the wrapped key."""

    def unwrap(self, name: str, wrapped: bytes, *, about: bytes) -> bytes:
        """Return the key; raise a refusal if `name` is not here or does not open."""


class PersonalData(Protocol):
    """Seals what is said about a person, under a key that can be destroyed."""

    def seal(self, subject_id: UUID, text: str) -> str:
        """Return text that may stand in an event."""

    def open(self, subject_id: UUID, sealed: str) -> str | None:
        """Return the text, or None once the person was erased."""

    def destroy(self, subject_id: UUID) -> None:
        """Destroy the person's key for ever: nothing sealed under it opens again."""


@dataclass(frozen=True, slots=True)
class StockPart:
    """One allotment of an offering as the desk lists it."""

    number: int
    allotment_id: UUID
    category: str | None
    places: int


@dataclass(frozen=True, slots=True)
class StockHold:
    """Places that somebody holds in one allotment until a time, not paid yet."""

    holder_id: UUID
    places: int
    until: datetime


@dataclass(frozen=True, slots=True)
class StockState:
    """What one allotment is like at a version: enough to know whether to try it."""

    offering_id: UUID
    number: int
    category: str | None
    allotment_id: UUID
    version: int
    free: int
    longest_run: int
    holders: frozenset[UUID]
    new_holds: tuple[StockHold, ...] = ()


@dataclass(frozen=True, slots=True)
class StockLayout:
    """How many allotments an offering has; `parts` lists them, should it be asked."""

    offering_id: UUID
    count: int
    parts: Callable[[], Iterable[StockPart]]


@dataclass(frozen=True, slots=True)
class StockWish:
    """What is looked for: places of a category, all side by side if `together`."""

    layout: StockLayout
    category: str | None
    count: int
    together: bool


class StockDesk(Protocol):
    """Says which allotment to try next, so that buyers do not meet in one.

    A hint, never the truth: the streams decide, and a desk that knows nothing makes
    selling slower, not wrong. It errs towards "maybe free".
    """

    def claim(
        self, wish: StockWish, *, without: Collection[int], at: datetime
    ) -> int | None:
        """Lease an allotment that may have what is wished; return its number.

        One that others have leased is waited for, a while, and then given all the
        same. None: as far as is known nothing is left.
        """

    def claim_unseen(
        self, wish: StockWish, *, without: Collection[int], at: datetime
    ) -> int | None:
        """Lease one that was not looked at for long, whatever is known of it."""

    def tell(self, states: Sequence[StockState]) -> None:
        """Note what allotments are like now, and end their leases. Never raises."""

    def let_go(self, allotment_ids: Sequence[UUID]) -> None:
        """End the leases of allotments in which nothing is done after all."""

    def look_again(self, allotment_id: UUID, *, at: datetime) -> None:
        """Note that its holds that should be over are not, for now."""

    def settle(self, *, paid: Collection[UUID], ended: Collection[UUID]) -> None:
        """Note that these orders hold nothing unpaid any more: they are paid, or
        have ended and their places should be looked at. Never raises."""

    def count(self, layout: StockLayout, *, at: datetime) -> tuple[int, int]:
        """Return the places free and held, as far as is known."""

    def count_by_category(
        self, layout: StockLayout, *, at: datetime
    ) -> dict[str | None, tuple[int, int]]:
        """Return the places free and held of each category, as far as is known."""


class Declined(Exception):
    """The provider has said no for good; `str()` is its word why, nothing secret."""


class ProviderUnreachable(Exception):
    """No answer: what became of the call is in doubt until the provider is asked."""


class BadCallback(Exception):
    """The callback is not the provider's, or makes no sense."""


class NewsKind(StrEnum):
    """What a provider can have to say of a payment."""

    AUTHORISED = "authorised"
    DECLINED = "declined"
    CAPTURED = "captured"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    REFUND_REFUSED = "refund_refused"
    DISPUTE_OPENED = "opened"
    DISPUTE_WON = "won"
    DISPUTE_LOST = "lost"


@dataclass(frozen=True, slots=True)
class PaymentNews:
    """One thing a provider says; it may be said twice, and in any order.

    `reference` is the provider's name for the payment, `about` that of the refund or
    of the dispute.
    """

    payment_id: UUID
    kind: NewsKind
    reference: str = ""
    about: str = ""
    reason: str = ""
    amount_minor: int = 0


class PaymentProvider(Protocol):
    """Takes money by credit card: authorised, then captured or cancelled.

    Every call may be made again with the same ids and has its effect once. Each raises
    `Declined` or `ProviderUnreachable`. No card number passes here: an instrument is
    the provider's token for one.
    """

    @property
    def name(self) -> str: ...

    def authorise(self, *, payment_id: UUID, amount: Money, instrument: str) -> str:
        """Reserve the amount on the card; return the provider's reference."""

    def capture(self, *, payment_id: UUID, reference: str) -> None:
        """Take what was authorised."""

    def cancel(self, *, payment_id: UUID) -> None:
        """Give the authorisation back, or see to it that there never is one."""

    def refund(
        self, *, payment_id: UUID, reference: str, refund_id: UUID, amount: Money
    ) -> None:
        """Pay back a part of what was captured."""

    def look_up(self, *, payment_id: UUID) -> Sequence[PaymentNews]:
        """Return what the provider knows of a payment; nothing if it has not heard."""

    def read_callback(
        self, *, body: bytes, signature: str, at: datetime
    ) -> Sequence[PaymentNews]:
        """Return what a signed callback says. Raises `BadCallback`."""


class Undelivered(Exception):
    """A message did not arrive; `str()` says why, and nothing about a person.

    `for_good`: trying again is of no use. `gone`: nor is anything else sent there.
    """

    def __init__(self, why: str, *, for_good: bool = False, gone: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good or gone
        self.gone = gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to tell, for people and for programs; both forms say the same.

    Sent again it has the same `message_id`, by which who receives it knows it.
    """

    message_id: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a message goes: an e-mail address, or a URL and the keys that sign."""

    address: str = field(repr=False)
    keys: tuple[bytes, ...] = field(default=(), repr=False)


class Channel(Protocol):
    """One way to reach somebody, tried once within a bounded time."""

    def deliver(self, message: Message, to: Destination, *, at: datetime) -> None:
        """Deliver a message. Raises `Undelivered`."""
