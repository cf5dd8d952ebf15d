"""What every ticket medium can do, whichever it is: a card, or a folder as one."""

from __future__ import annotations

from typing import Protocol

from card_bridge.profile.card import CardReading, Committed, Finder
from card_bridge.profile.records import Body
from card_bridge.protocol.ev2_auth import KeyAuthority
from card_bridge.protocol.transaction_mac import Operation, TransactionProof


class TicketMedium(Protocol):
    """A medium in the field for one tap. `TicketCard` says what each method does."""

    uid: bytes

    @property
    def operations(self) -> tuple[Operation, ...]: ...

    def find(self, finder: Finder | None = None) -> bytes: ...

    def open(self, key_no: int, authority: KeyAuthority) -> None: ...

    def confirm_uid(self) -> None: ...

    def read(self) -> CardReading: ...

    def read_body(self, slot: int) -> Body: ...

    def write_body(self, slot: int, body: Body) -> None: ...

    def write_entry(self, slot: int, entry: bytes) -> None: ...

    def write_stamp(self, stamp: bytes) -> None: ...

    def commit(self) -> Committed: ...

    def last_proof(self, authority: KeyAuthority) -> TransactionProof: ...
