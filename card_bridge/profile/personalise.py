"""Making a ticket card of a blank one. Torn at any step, it is simply done again.

The application is made with keys of zeros, filled, and only then locked with its own
keys, the master key last: until that moment a card can be begun anew, and from then
on it is finished.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from card_bridge.profile import layout
from card_bridge.profile.card import HiddenUid, TicketCard
from card_bridge.profile.kinds import WrongCard, require_right_kind
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.ev2_auth import LocalKey
from card_bridge.protocol.status import AuthenticationFailed, CardRefused, Status
from ledger.vocabulary.medium_record import (
    APPLICATION_ID,
    EMPTY_SLOT,
    MASTER_KEY,
    SLOTS_MAX,
    Stamp,
    digest,
    encode_slots,
)

FACTORY_KEY = bytes(16)
RND_LENGTH = 16
PICC_LEVEL = bytes(3)
SETTINGS = 0x0B  # Only who holds key 0 makes or deletes files (KeySett1).


@dataclass(frozen=True, slots=True)
class CardKeys:
    """One card's own keys, as the issuing centre hands them out for it.

    Called with a UID and a key's number, it makes the authority for one authentication.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    transaction_mac: bytes = field(repr=False)
    version: int

    def __call__(self, uid: bytes, key_no: int) -> LocalKey:
        return _local(self.keys[key_no])

    @classmethod
    def read(cls, plain: bytes) -> Self:
        """Read what the ledger sent, once it is opened."""
        said = json.loads(plain)
        return cls(
            keys={int(n): bytes.fromhex(key) for n, key in said["keys"].items()},
            transaction_mac=bytes.fromhex(said["transaction_mac"]),
            version=said["key_version"],
        )


def uid_of_blank(card: TicketCard) -> bytes:
    """Return the UID of a card that is to be made, also of one that hides it.

    Raises `WrongCard` or `CardError`.
    """
    require_right_kind(card.picc, atr=card.atr)
    try:
        return card.find()
    except HiddenUid:
        card.picc.select_application(PICC_LEVEL)
        card.picc.authenticate(MASTER_KEY, _local(FACTORY_KEY))
        card.uid = card.picc.get_card_uid()
        return card.uid


def personalise(card: TicketCard, keys: CardKeys, *, hide_uid: bool = False) -> None:
    """Bring a blank, half-made or finished card to the finished state.

    `hide_uid` makes it show a random UID from then on, for good. Raises `WrongCard`,
    `UidMismatch` or `CardError`.
    """
    picc = card.picc
    require_right_kind(picc, atr=card.atr)
    if hide_uid:
        picc.select_application(PICC_LEVEL)
        picc.authenticate(MASTER_KEY, _local(FACTORY_KEY))
        picc.use_random_id()
    try:
        picc.select_application(APPLICATION_ID)
    except CardRefused as refused:
        if refused.status is not Status.APPLICATION_NOT_FOUND:
            raise
        _make_application(picc)
        picc.select_application(APPLICATION_ID)
    if _is_finished(card, keys):
        return
    picc.select_application(APPLICATION_ID)
    try:
        picc.authenticate(MASTER_KEY, _local(FACTORY_KEY))
    except AuthenticationFailed as failed:
        raise WrongCard("The card belongs to another system: its key is set.") from (
            failed
        )
    card.confirm_uid()  # The keys are this UID's own, and soon there is no way back.
    _make_files(card, keys)
    _change_keys(card, keys)


def first_stamp(uid: bytes, key_version: int) -> Stamp:
    """Return the stamp of a card that was never written: every slot empty."""
    empty = digest(uid=uid, seq=0, slots=[EMPTY_SLOT] * SLOTS_MAX)
    return Stamp(key_version=key_version, seq=0, uid=uid, digest=empty)


def _make_application(picc: Picc) -> None:
    picc.select_application(PICC_LEVEL)
    if picc.free_memory() < layout.ROOM_BYTES:
        raise WrongCard("This card has too little room left; take an empty one of 8K.")
    picc.create_application(APPLICATION_ID, keys=len(layout.KEYS), settings=SETTINGS)


def _is_finished(card: TicketCard, keys: CardKeys) -> bool:
    try:
        card.picc.authenticate(MASTER_KEY, _local(keys.keys[MASTER_KEY]))
    except AuthenticationFailed:
        return False
    return True


def _make_files(card: TicketCard, keys: CardKeys) -> None:
    """Make what is not there yet. The proof file comes last: it counts from then on."""
    picc = card.picc
    present = picc.get_file_ids()
    for file in layout.BACKUP_FILES:
        if file.number not in present:
            picc.create_backup_data_file(
                file.number, comm=file.comm, rights=file.rights, size=file.size
            )
    for value in layout.VALUE_FILES:
        if value.number not in present:
            picc.create_value_file(
                value.number,
                comm=value.comm,
                rights=value.rights,
                lower=value.lower,
                upper=value.upper,
                value=0,
            )
    if layout.PROOF_FILE not in present:
        picc.create_transaction_mac_file(
            layout.PROOF_FILE,
            comm=layout.PROOF_COMM,
            rights=layout.PROOF_RIGHTS,
            key=keys.transaction_mac,
            key_version=keys.version,
        )


def _change_keys(card: TicketCard, keys: CardKeys) -> None:
    """Write the first state under the issue key, then lock, the master key last."""
    picc = card.picc
    for number in layout.KEYS:
        if number != MASTER_KEY and picc.get_key_version(number) != keys.version:
            picc.change_key(
                number, new=keys.keys[number], old=FACTORY_KEY, version=keys.version
            )
    _write_first_state(card, keys)
    picc.select_application(APPLICATION_ID)
    picc.authenticate(MASTER_KEY, _local(FACTORY_KEY))
    picc.change_own_key(MASTER_KEY, new=keys.keys[MASTER_KEY], version=keys.version)


def _write_first_state(card: TicketCard, keys: CardKeys) -> None:
    issue = layout.SLOTS.rights.read_write
    card.open(issue, _local(keys.keys[issue]))
    slots = encode_slots([EMPTY_SLOT] * SLOTS_MAX)
    card.picc.write_data(layout.SLOTS.number, 0, slots, layout.SLOTS.comm)
    card.write_stamp(first_stamp(card.uid, keys.version).encode())
    card.commit()


def _local(key: bytes) -> LocalKey:
    return LocalKey(key, secrets.token_bytes(RND_LENGTH))
