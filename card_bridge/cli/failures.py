"""What a person is told in one sentence, without a traceback."""

from __future__ import annotations

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable
from card_bridge.journal import JournalDamaged
from card_bridge.keys import KeysError
from card_bridge.point_of_sale import NotRedeemed
from card_bridge.profile.kinds import WrongCard
from card_bridge.protocol.status import CardError
from card_bridge.purse import PurseRefused
from card_bridge.transport.pcsc import PcscUnavailable, ReaderMissing
from card_bridge.virtual.store import CardFileDamaged
from ledger.vocabulary.medium_record import MalformedRecord
from ledger.vocabulary.sealed_ticket import SealBroken

SAID_IN_A_SENTENCE = (
    CardError,
    CardFileDamaged,
    JournalDamaged,
    KeysError,
    LedgerRefusal,
    LedgerUnreachable,
    MalformedRecord,
    NotRedeemed,
    PcscUnavailable,
    PurseRefused,
    ReaderMissing,
    SealBroken,
    WrongCard,
)
