"""The ticket as it travels: signed by the issuer, then sealed for one reader.

A signed ticket is a COSE_Sign1 (RFC 9052, section 4.2; Ed25519 by RFC 9864) over a
deterministic CBOR map (RFC 8949, section 4.2.1). It is sealed as a COSE_Encrypt0
with HPKE base mode (RFC 9180: X25519, HKDF-SHA256, AES-128-GCM): for a user terminal
on the way, and for one slot of one medium where it rests. What it is bound to (log,
ticket, epoch, terminal or medium and slot) is the `info` of HPKE and is not repeated
in the bytes, so a sealed ticket that was moved elsewhere simply does not open.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self
from uuid import UUID

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from ledger.vocabulary.codes import Question

SEALED_MAX = 270
SIGNED_MAX = 208
RIGHT_MAX = 24
CHECK_DIGEST_LENGTH = 16

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
_CBOR_DEPTH_MAX = 4
_ENC_LENGTH = 32  # An X25519 encapsulated key, RFC 9180 section 7.1.

# COSE header parameters and algorithms (RFC 9052 section 3.1, RFC 9864 section 2.2,
# draft-ietf-cose-hpke: HPKE-3 is the suite above, `ek` the encapsulated key).
_ALG, _KID, _EK = 1, 4, -4
_ED25519, _HPKE_3 = -19, 41

Kind = Literal["admission", "coupon"]
_KINDS: tuple[Kind, ...] = ("admission", "coupon")


class SealBroken(ValueError):
    """The bytes are no ticket for this reader. `code` says which way they fail."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code


@dataclass(frozen=True, slots=True)
class HolderCheck:
    """What the person is asked, and a digest of the answer."""

    question: Question
    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != CHECK_DIGEST_LENGTH:
            raise ValueError(f"an answer's digest has {CHECK_DIGEST_LENGTH} bytes")

    def accepts(self, ticket_id: UUID, answer: str) -> bool:
        """Compare an answer in constant time."""
        return hmac.compare_digest(self.digest, answer_digest(ticket_id, answer))


@dataclass(frozen=True, slots=True)
class TicketClaims:
    """What the issuer signs. Times have a resolution of one second, UTC."""

    ticket_id: UUID
    epoch: int
    offering_id: UUID
    kind: Kind
    right: str
    not_before: datetime
    not_after: datetime
    uses: int = 1
    check: HolderCheck | None = None

    def __post_init__(self) -> None:
        if len(self.right.encode()) > RIGHT_MAX:
            raise ValueError(f"a right is at most {RIGHT_MAX} bytes of UTF-8")
        if self.kind not in _KINDS:
            raise ValueError("a ticket is an admission or a coupon")
        if not (0 < self.epoch < 1 << 24 and 0 < self.uses < 1 << 16):
            raise ValueError("the epoch or the uses are out of range")

    def encode(self) -> bytes:
        """Return the deterministic CBOR map, keys 1 to 9."""
        check = [int(self.check.question), self.check.digest] if self.check else None
        return cbor2.dumps(
            {
                1: self.ticket_id.bytes,
                2: self.epoch,
                3: self.offering_id.bytes,
                4: _KINDS.index(self.kind),
                5: self.right,
                6: int(self.not_before.timestamp()),
                7: int(self.not_after.timestamp()),
                8: self.uses,
                9: check,
            },
            canonical=True,
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read claims strictly; raise `SealBroken` for anything unexpected."""
        fields = _strict(raw)
        if not isinstance(fields, dict) or set(fields) != set(range(1, 10)):
            raise SealBroken("malformed", "The ticket's claims are not of this form.")
        try:
            for key, kind in _TYPES.items():
                if type(fields[key]) is not kind:
                    raise TypeError(key)
            return cls(
                ticket_id=UUID(bytes=fields[1]),
                epoch=fields[2],
                offering_id=UUID(bytes=fields[3]),
                kind=dict(enumerate(_KINDS))[fields[4]],
                right=fields[5],
                not_before=datetime.fromtimestamp(fields[6], UTC),
                not_after=datetime.fromtimestamp(fields[7], UTC),
                uses=fields[8],
                check=_check(fields[9]),
            )
        except (TypeError, ValueError, LookupError, OverflowError, OSError):
            raise SealBroken(
                "malformed", "The ticket's claims are not of this form."
            ) from None


def _check(field: Any) -> HolderCheck | None:
    if field is None:
        return None
    if not (isinstance(field, list) and [type(part) for part in field] == [int, bytes]):
        raise TypeError("check")
    return HolderCheck(Question(field[0]), field[1])


_TYPES = {1: bytes, 2: int, 3: bytes, 4: int, 5: str, 6: int, 7: int, 8: int}


@dataclass(frozen=True, slots=True)
class Transmission:
    """Bound to the user terminal it is sent to."""

    origin: str
    ticket_id: UUID
    epoch: int
    terminal_id: UUID

    def info(self) -> bytes:
        return _info("transmission", self.origin, self.ticket_id, self.epoch) + (
            self.terminal_id.bytes
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """Bound to the slot of the medium it is recorded in."""

    origin: str
    ticket_id: UUID
    epoch: int
    medium_uid: bytes
    slot: int

    def info(self) -> bytes:
        place = self.slot.to_bytes(1) + self.medium_uid
        return _info("recording", self.origin, self.ticket_id, self.epoch) + place


Context = Transmission | Recording


def _info(purpose: str, origin: str, ticket_id: UUID, epoch: int) -> bytes:
    head = ["eticket-ledger", 1, purpose, origin, ticket_id.bytes, epoch]
    return cbor2.dumps(head, canonical=True)


def answer_digest(ticket_id: UUID, answer: str) -> bytes:
    """Digest an answer, salted by the ticket's id; case and punctuation don't count."""
    plain = unicodedata.normalize("NFKD", answer).casefold()
    kept = "".join(letter for letter in plain if letter.isalnum())
    mac = hmac.new(b"eticket-ledger answer" + ticket_id.bytes, kept.encode(), "sha256")
    return mac.digest()[:CHECK_DIGEST_LENGTH]


def key_id(public: Ed25519PublicKey) -> bytes:
    """Return the four-byte `kid` by which a signature names its key."""
    return hashlib.sha256(public.public_bytes_raw()).digest()[:4]


def sign(claims: TicketClaims, *, key: Ed25519PrivateKey, origin: str) -> bytes:
    """Sign claims as the issuer of the log `origin`; return a COSE_Sign1."""
    protected = cbor2.dumps({_ALG: _ED25519}, canonical=True)
    payload = claims.encode()
    signature = key.sign(_to_be_signed(protected, payload, origin))
    kid = key_id(key.public_key())
    signed = cbor2.dumps([protected, {_KID: kid}, payload, signature], canonical=True)
    if len(signed) > SIGNED_MAX:
        raise ValueError("the ticket is too long for a medium")
    return signed


def verify(
    signed: bytes, *, keys: Mapping[bytes, Ed25519PublicKey], origin: str
) -> TicketClaims:
    """Check an issuer's signature; raise `SealBroken` unless all is as it should be."""
    protected, unprotected, payload, signature = _structure(signed, 4)
    if _strict(protected) != {_ALG: _ED25519} or set(unprotected) != {_KID}:
        raise SealBroken("counterfeit", "The ticket is not signed as it should be.")
    kid = unprotected[_KID]
    key = keys.get(kid) if isinstance(kid, bytes) else None
    if key is None:
        raise SealBroken("counterfeit", "The ticket was signed by an unknown issuer.")
    try:
        key.verify(signature, _to_be_signed(protected, payload, origin))
    except (InvalidSignature, TypeError):
        raise SealBroken(
            "counterfeit", "The issuer's signature does not fit the ticket."
        ) from None
    return TicketClaims.decode(payload)


def _to_be_signed(protected: bytes, payload: bytes, origin: str) -> bytes:
    # Sig_structure, RFC 9052 section 4.4; the log's origin is the external data.
    structure = ["Signature1", protected, origin.encode(), payload]
    return cbor2.dumps(structure, canonical=True)


def seal(signed: bytes, *, to: X25519PublicKey, context: Context) -> bytes:
    """Encrypt a signed ticket for one reader in one place; return a COSE_Encrypt0."""
    protected = cbor2.dumps({_ALG: _HPKE_3}, canonical=True)
    whole = _SUITE.encrypt(signed, to, info=protected + context.info())
    ek, ciphertext = whole[:_ENC_LENGTH], whole[_ENC_LENGTH:]
    return cbor2.dumps([protected, {_EK: ek}, ciphertext], canonical=True)


def unseal(sealed: bytes, *, key: X25519PrivateKey, context: Context) -> bytes:
    """Decrypt what `seal` made; raise `SealBroken` if it was not made for here."""
    protected, unprotected, ciphertext = _structure(sealed, 3)
    ek = unprotected.get(_EK)
    if _strict(protected) != {_ALG: _HPKE_3} or set(unprotected) != {_EK}:
        raise SealBroken("malformed", "The ticket is not sealed as it should be.")
    if not (isinstance(ek, bytes) and len(ek) == _ENC_LENGTH):
        raise SealBroken("malformed", "The ticket is not sealed as it should be.")
    try:
        return _SUITE.decrypt(ek + ciphertext, key, info=protected + context.info())
    except (InvalidTag, ValueError, TypeError):
        raise SealBroken(
            "counterfeit", "The sealed ticket does not open for this reader."
        ) from None


def _structure(raw: bytes, length: int) -> list[Any]:
    """Read a COSE array: protected bytes, unprotected map, then bytes."""
    parts = _strict(raw)
    if not (isinstance(parts, list) and len(parts) == length):
        raise SealBroken("malformed", "The bytes are not a sealed ticket.")
    kinds = (bytes, dict) + (bytes,) * (length - 2)
    if not all(type(part) is kind for part, kind in zip(parts, kinds, strict=True)):
        raise SealBroken("malformed", "The bytes are not a sealed ticket.")
    return parts


def _strict(raw: bytes) -> Any:
    """Decode CBOR that is bounded and deterministic, or raise `SealBroken`."""
    if len(raw) > SEALED_MAX:
        raise SealBroken("malformed", "The bytes are too long for a ticket.")
    try:
        value = cbor2.loads(raw, max_depth=_CBOR_DEPTH_MAX)
        deterministic = cbor2.dumps(value, canonical=True) == raw
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError):
        deterministic = False
    if not deterministic:
        raise SealBroken("malformed", "The bytes are not deterministic CBOR.")
    return value
