"""What a card knows and says, without its radio: state, keys and the proofs."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from card_bridge.protocol.transaction_mac import (
    Operation,
    transaction_mac_input,
    transaction_mac_value,
)
from ledger.vocabulary.codes import Role
from ledger.vocabulary.device_keys import open_bundle
from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    Stamp,
    digest,
    encode_slots,
)
from tests.api.callers import Caller, Callers, Said

RND_B = bytes(range(16))
TI = bytes.fromhex("01020304")
_WRITE_DATA, _SLOTS_FILE, _STAMP_FILE = 0x8D, 2, 5


@dataclass(slots=True)
class Card:
    """A personalised card in somebody's hand."""

    uid: bytes
    keys: dict[str, str]
    tm_key: bytes
    stamp: bytes
    slots: bytes = encode_slots([EMPTY_SLOT] * SLOTS_MAX)
    tmc: int = 0

    def reading(self) -> dict[str, Any]:
        return {
            "uid": self.uid.hex(),
            "stamp": self.stamp.hex(),
            "slots": self.slots.hex(),
        }

    def commit(self, write: dict[str, Any]) -> dict[str, Any]:
        """Take a write in and return what a device reports of it."""
        operations = []
        for change in write["changes"]:
            start = change["slot"] * SLOT_ENTRY_LENGTH
            entry = bytes.fromhex(change["entry"])
            end = start + SLOT_ENTRY_LENGTH
            self.slots = self.slots[:start] + entry + self.slots[end:]
            operations.append(
                Operation(_WRITE_DATA, _SLOTS_FILE, start, SLOT_ENTRY_LENGTH, entry)
            )
        self.stamp = bytes.fromhex(write["stamp"])
        operations.append(
            Operation(_WRITE_DATA, _STAMP_FILE, 0, len(self.stamp), self.stamp)
        )
        self.tmc += 1
        tmv = transaction_mac_value(
            self.tm_key,
            uid=self.uid,
            tmc=self.tmc,
            tmi=transaction_mac_input(operations),
        )
        return {
            "outcome": "committed",
            "tmc": self.tmc,
            "tmv": tmv.hex(),
            "operations": [
                {
                    "cmd": f"{operation.cmd:02x}",
                    "file": operation.file,
                    "offset": operation.offset,
                    "length": operation.length,
                    "data": operation.data.hex(),
                }
                for operation in operations
            ],
        }

    def challenge(self, key_no: int) -> bytes:
        return _cbc(self.keys[str(key_no)], RND_B)

    def respond(self, key_no: int, part2: bytes) -> bytes:
        """Answer in turn, as AuthenticateEV2First has it."""
        key = self.keys[str(key_no)]
        plain = _cbc(key, part2, decrypt=True)
        assert plain[16:] == RND_B[1:] + RND_B[:1]
        return _cbc(key, TI + plain[1:16] + plain[:1] + bytes(12))


def personalised(
    callers: Callers, holder: Caller, *, uid: str = "04112233445566"
) -> Card:
    """Let an enrolled personaliser make a card for somebody."""
    machine = callers.device("personaliser", Role.PERSONALISER)
    who = {"holder_id": str(holder.party_id), "profile": "desfire-8k"}
    sealed = machine.post(f"/v1/media/{uid}/personalisation", **who)
    assert sealed.status == 200, sealed.json
    bundle = opened(machine, sealed)
    version = bundle["key_version"]
    made = machine.put(f"/v1/media/{uid}", **who, key_version=version)
    assert made.status == 201, made.json
    raw = bytes.fromhex(uid)
    slots = [EMPTY_SLOT] * SLOTS_MAX
    stamp = Stamp(
        key_version=version,
        seq=0,
        uid=raw,
        digest=digest(uid=raw, seq=0, slots=slots),
    )
    tm_key = bytes.fromhex(bundle["transaction_mac"])
    return Card(raw, bundle["keys"], tm_key, stamp.encode())


def opened(device: Caller, said: Said) -> Any:
    """Open a bundle that was sealed for a device."""
    assert device.key is not None
    assert isinstance(device.device_id, UUID)
    sealed = b64decode(said.json["sealed"])
    return json.loads(open_bundle(sealed, key=device.key, device_id=device.device_id))


def _cbc(key: str, data: bytes, *, decrypt: bool = False) -> bytes:
    cipher = Cipher(algorithms.AES(bytes.fromhex(key)), modes.CBC(bytes(16)))
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(data) + context.finalize()
