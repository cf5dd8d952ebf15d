"""The cards' master keys at work: sessions, proofs, and one card's own keys.

The only room of the ledger that knows the card's protocol. Half-done authentications
are not kept: they travel with the terminal, sealed and short-lived.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from card_bridge.protocol.diversify import diversification_input, diversified
from card_bridge.protocol.ev2_auth import Handshake
from card_bridge.protocol.record_key import record_private_key
from card_bridge.protocol.status import AuthenticationFailed
from card_bridge.protocol.transaction_mac import Operation, proves
from ledger.errors import Conflict, Malformed
from ledger.ports import CardOperation, SessionKeys
from ledger.vocabulary import medium_record as card

CONTINUATION_S = 60
RND_LENGTH = 16
_NONCE_LENGTH = 12

_MASTER_NAMES: Mapping[int, str] = {
    card.MASTER_KEY: "master",
    card.ISSUE_KEY: "issue",
    card.OPERATE_KEY: "operate",
    card.INSPECT_KEY: "inspect",
    card.FIND_KEY: "find",
    card.SELL_KEY: "sell",
    card.TOP_UP_KEY: "top_up",
    card.RECORD_KEY: "record",
    card.TRANSACTION_MAC_KEY: "transaction_mac",
}


class CardNotGenuine(Conflict):
    code = "counterfeit"
    says = "The card does not know its key: it is not one of ours."


class ContinuationBroken(Malformed):
    code = "expired"
    says = "This authentication was begun elsewhere or too long ago; begin anew."


class MasterKeys:
    """Implements `ledger.ports.CardAuthority` with masters in this process."""

    def __init__(self, masters: Mapping[str, Any], *, continuation: bytes) -> None:
        self._masters = masters
        self._sealer = AESGCM(continuation)

    def answer_challenge(
        self, *, uid: bytes, key_no: int, challenge: bytes, at: datetime
    ) -> tuple[bytes, bytes]:
        rnd_a = secrets.token_bytes(RND_LENGTH)
        part2 = self._handshake(uid, key_no, rnd_a, challenge).part2()
        state = {
            "at": at.timestamp(),
            "key_no": key_no,
            "rnd_a": rnd_a.hex(),
            "challenge": challenge.hex(),
        }
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        sealed = self._sealer.encrypt(nonce, json.dumps(state).encode(), uid)
        return part2, nonce + sealed

    def finish(
        self, *, uid: bytes, continuation: bytes, response: bytes, at: datetime
    ) -> SessionKeys:
        state = self._opened(uid, continuation)
        if not 0 <= at.timestamp() - state["at"] <= CONTINUATION_S:
            raise ContinuationBroken
        handshake = self._handshake(
            uid,
            state["key_no"],
            bytes.fromhex(state["rnd_a"]),
            bytes.fromhex(state["challenge"]),
        )
        try:
            keys = handshake.finish(response)
        except AuthenticationFailed:
            raise CardNotGenuine from None
        return SessionKeys(ti=keys.ti, enc=keys.enc, mac=keys.mac)

    def proves(
        self,
        *,
        uid: bytes,
        transaction_counter: int,
        transaction_mac: bytes,
        operations: Sequence[CardOperation],
    ) -> bool:
        try:
            counted = [
                Operation(op.cmd, op.file, op.offset, op.length, op.data)
                for op in operations
            ]
        except ValueError:
            return False  # No card counts such an operation.
        return proves(
            self._key(uid, card.TRANSACTION_MAC_KEY),
            uid=uid,
            tmc=transaction_counter,
            tmv=transaction_mac,
            operations=counted,
        )

    def record_public_key(self, uid: bytes) -> X25519PublicKey:
        return record_private_key(self._key(uid, card.RECORD_KEY)).public_key()

    def card_keys(self, uid: bytes) -> dict[str, Any]:
        return {
            "keys": {
                str(number): self._key(uid, number).hex() for number in card.CARD_KEYS
            },
            "transaction_mac": self._key(uid, card.TRANSACTION_MAC_KEY).hex(),
            "key_version": self._masters["key_version"],
        }

    def reader_keys(self, *, sells: bool) -> dict[str, str]:
        names = ["operate", "inspect", "record"] + (["sell"] if sells else [])
        find = self._key(card.ANY_UID, card.FIND_KEY).hex()
        return {name: self._masters[name] for name in names} | {"find": find}

    def _handshake(
        self, uid: bytes, key_no: int, rnd_a: bytes, challenge: bytes
    ) -> Handshake:
        try:
            return Handshake.begin(
                key=self._key(uid, key_no), rnd_a=rnd_a, enc_rnd_b=challenge
            )
        except AuthenticationFailed:
            raise CardNotGenuine from None

    def _opened(self, uid: bytes, continuation: bytes) -> dict[str, Any]:
        nonce, sealed = continuation[:_NONCE_LENGTH], continuation[_NONCE_LENGTH:]
        try:
            state: dict[str, Any] = json.loads(self._sealer.decrypt(nonce, sealed, uid))
        except (InvalidTag, ValueError):
            raise ContinuationBroken from None
        return state

    def _key(self, uid: bytes, key_no: int) -> bytes:
        m = diversification_input(
            uid=card.ANY_UID if key_no == card.FIND_KEY else uid,
            aid=card.APPLICATION_ID,
            key_no=key_no,
            system_id=card.SYSTEM_ID,
        )
        return diversified(bytes.fromhex(self._masters[_MASTER_NAMES[key_no]]), m)
