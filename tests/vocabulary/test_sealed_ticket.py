"""Tickets signed and sealed: what is bound stays bound, and nothing loose is read.

Planted and caught: the slot left out of a recording's context; the origin left out of
what is signed; claims compared by `==` instead of by type (`True` is 1); a key id of
any type looked up; the depth of CBOR unbounded.
"""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.vocabulary.codes import Question
from ledger.vocabulary.sealed_ticket import (
    RIGHT_MAX,
    SEALED_MAX,
    SIGNED_MAX,
    HolderCheck,
    Recording,
    SealBroken,
    TicketClaims,
    Transmission,
    answer_digest,
    key_id,
    seal,
    sign,
    unseal,
    verify,
)

ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_ISSUER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
READER = X25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
OTHER_READER = X25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
KEYS = {key_id(ISSUER.public_key()): ISSUER.public_key()}
ORIGIN = "tickets.example/log"
TICKET, TERMINAL = UUID(int=7), UUID(int=8)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UID = bytes.fromhex("04112233445566")
SENT = Transmission(ORIGIN, TICKET, 3, TERMINAL)
KEPT = Recording(ORIGIN, TICKET, 3, UID, 2)

moments = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - made aware below
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=0))
rights = st.text(st.characters(exclude_categories=["Cs"]), max_size=RIGHT_MAX).filter(
    lambda right: len(right.encode()) <= RIGHT_MAX
)
checks = st.builds(
    HolderCheck, st.sampled_from(Question), st.binary(min_size=16, max_size=16)
)
claims_of_all_kinds = st.builds(
    TicketClaims,
    ticket_id=st.uuids(),
    epoch=st.integers(1, (1 << 24) - 1),
    offering_id=st.uuids(),
    kind=st.sampled_from(["admission", "coupon"]),
    right=rights,
    not_before=moments,
    not_after=moments,
    uses=st.integers(1, (1 << 16) - 1),
    check=st.none() | checks,
)


def claims(**changes):
    given_: dict[str, Any] = {
        "ticket_id": TICKET,
        "epoch": 3,
        "offering_id": UUID(int=9),
        "kind": "admission",
        "right": "Row 4 seat 12",
        "not_before": NOON,
        "not_after": NOON + timedelta(hours=4),
    }
    return TicketClaims(**(given_ | changes))


SIGNED = sign(claims(), key=ISSUER, origin=ORIGIN)
SEALED = seal(SIGNED, to=READER.public_key(), context=KEPT)


def signed_as(fields):
    """Signed as it should be, whatever the claims are."""
    protected = cbor2.dumps({1: -19}, canonical=True)
    payload = (
        fields if isinstance(fields, bytes) else cbor2.dumps(fields, canonical=True)
    )
    structure = ["Signature1", protected, ORIGIN.encode(), payload]
    signature = ISSUER.sign(cbor2.dumps(structure, canonical=True))
    kid = next(iter(KEYS))
    return cbor2.dumps([protected, {4: kid}, payload, signature], canonical=True)


def fields(**changes):
    return cbor2.loads(claims().encode()) | {
        int(name[1:]): value for name, value in changes.items()
    }


@given(claims_of_all_kinds)
def test_what_is_signed_and_sealed_comes_back_as_it_was_and_fits_its_slot(every):
    signed = sign(every, key=ISSUER, origin=ORIGIN)
    assert len(signed) <= SIGNED_MAX
    for context in (SENT, KEPT):
        sealed = seal(signed, to=READER.public_key(), context=context)
        assert len(sealed) <= SEALED_MAX
        assert sealed != seal(signed, to=READER.public_key(), context=context)
        opened = unseal(sealed, key=READER, context=context)
        assert verify(opened, keys=KEYS, origin=ORIGIN) == every


def test_every_flipped_bit_of_a_sealed_ticket_is_refused():
    for bit in range(len(SEALED) * 8):
        flipped = bytearray(SEALED)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken) as refused:
            unseal(bytes(flipped), key=READER, context=KEPT)
        assert refused.value.code in ("counterfeit", "malformed")


def test_every_flipped_bit_of_a_signed_ticket_is_refused():
    for bit in range(len(SIGNED) * 8):
        flipped = bytearray(SIGNED)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            verify(bytes(flipped), keys=KEYS, origin=ORIGIN)


def test_every_cut_is_refused():
    for end in range(len(SEALED)):
        with pytest.raises(SealBroken):
            unseal(SEALED[:end], key=READER, context=KEPT)
    for end in range(len(SIGNED)):
        with pytest.raises(SealBroken):
            verify(SIGNED[:end], keys=KEYS, origin=ORIGIN)


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(KEPT, slot=3),
        dataclasses.replace(KEPT, epoch=4),
        dataclasses.replace(KEPT, medium_uid=bytes(7)),
        dataclasses.replace(KEPT, ticket_id=UUID(int=70)),
        dataclasses.replace(KEPT, origin="another.example/log"),
        SENT,
    ],
)
def test_a_recorded_ticket_opens_in_its_own_place_alone(elsewhere):
    with pytest.raises(SealBroken) as refused:
        unseal(SEALED, key=READER, context=elsewhere)
    assert refused.value.code == "counterfeit"


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(SENT, terminal_id=UUID(int=80)),
        dataclasses.replace(SENT, epoch=2),
        dataclasses.replace(SENT, origin="another.example/log"),
        KEPT,
    ],
)
def test_a_sent_ticket_opens_at_its_own_terminal_alone(elsewhere):
    sealed = seal(SIGNED, to=READER.public_key(), context=SENT)
    with pytest.raises(SealBroken):
        unseal(sealed, key=READER, context=elsewhere)
    with pytest.raises(SealBroken):
        unseal(sealed, key=OTHER_READER, context=SENT)


def test_another_issuer_another_log_and_another_key_id_are_counterfeit():
    other = sign(claims(), key=OTHER_ISSUER, origin=ORIGIN)
    posing = {key_id(OTHER_ISSUER.public_key()): ISSUER.public_key()}
    for signed, keys, origin in [
        (other, KEYS, ORIGIN),
        (other, posing, ORIGIN),
        (SIGNED, KEYS, "another.example/log"),
        (SIGNED, {}, ORIGIN),
    ]:
        with pytest.raises(SealBroken) as refused:
            verify(signed, keys=keys, origin=origin)
        assert refused.value.code == "counterfeit"


@pytest.mark.parametrize("kid", [b"", b"four", "text", None, [1], {1: 2}, 4, b"x" * 60])
def test_a_key_id_of_any_form_is_an_unknown_issuer(kid):
    protected = cbor2.dumps({1: -19}, canonical=True)
    signed = cbor2.dumps([protected, {4: kid}, b"x", bytes(64)], canonical=True)
    with pytest.raises(SealBroken) as refused:
        verify(signed, keys=KEYS, origin=ORIGIN)
    assert refused.value.code == "counterfeit"


@pytest.mark.parametrize("algorithm", [-8, -7, 0, None, "EdDSA", -19.0])
def test_no_other_algorithm_is_taken(algorithm):
    protected = cbor2.dumps({1: algorithm}, canonical=True)
    parts = cbor2.loads(SIGNED)
    with pytest.raises(SealBroken):
        verify(
            cbor2.dumps([protected, *parts[1:]], canonical=True),
            keys=KEYS,
            origin=ORIGIN,
        )
    _, header, text = cbor2.loads(SEALED)
    with pytest.raises(SealBroken):
        unseal(
            cbor2.dumps([protected, header, text], canonical=True),
            key=READER,
            context=KEPT,
        )


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x81" * 60 + b"\x00", id="deep"),
        pytest.param(b"\x9b" + b"\x7f" * 8, id="endless array"),
        pytest.param(b"\x5b" + b"\x7f" * 8, id="endless bytes"),
        pytest.param(b"\x9f" + SEALED[1:] + b"\xff", id="indefinite length"),
        pytest.param(b"\x98\x03" + SEALED[1:], id="longer than it need be"),
        pytest.param(SEALED + b"\0", id="something behind it"),
        pytest.param(SEALED.ljust(SEALED_MAX + 1, b"\0"), id="oversized"),
        pytest.param(bytes.fromhex("d81c81d81d00"), id="within itself"),
        pytest.param(bytes.fromhex("d81e820100"), id="one over zero"),
        pytest.param(cbor2.dumps(["a", {}, b""]), id="text for bytes"),
        pytest.param(cbor2.dumps([b"", [], b""]), id="list for a map"),
        pytest.param(cbor2.dumps([b"", {}]), id="two parts"),
        pytest.param(cbor2.dumps({}), id="a map"),
    ],
)
def test_loose_oversized_and_deep_bytes_are_malformed(raw):
    for attempt in (
        lambda: unseal(raw, key=READER, context=KEPT),
        lambda: verify(raw, keys=KEYS, origin=ORIGIN),
        lambda: TicketClaims.decode(raw),
    ):
        with pytest.raises(SealBroken) as refused:
            attempt()
        assert refused.value.code == "malformed"


def test_what_is_deep_is_not_even_decoded():
    """Four levels are allowed; five are not looked at, however well they are formed."""
    for levels in (5, 60):
        deep = b"\x81" * levels + b"\x00"
        with pytest.raises(SealBroken, match="deterministic"):
            unseal(deep, key=READER, context=KEPT)


def test_keys_of_low_order_open_nothing():
    protected = cbor2.dumps({1: 41}, canonical=True)
    sealed = cbor2.dumps([protected, {-4: bytes(32)}, b"x" * 40], canonical=True)
    with pytest.raises(SealBroken):
        unseal(sealed, key=READER, context=KEPT)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_do_more_than_be_refused(raw):
    with pytest.raises(SealBroken):
        unseal(raw, key=READER, context=KEPT)
    with pytest.raises(SealBroken):
        verify(raw, keys=KEYS, origin=ORIGIN)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=20)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 3), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.integers(1, 9), anything)
def test_a_claim_of_any_other_form_is_malformed_though_well_signed(number, value):
    """Either the claims read back as they were signed, or they are refused."""
    said = fields() | {number: value}
    try:
        raw = cbor2.dumps(said, canonical=True)
    except (ValueError, OverflowError):
        return
    try:
        read = TicketClaims.decode(raw)
    except SealBroken as broken:
        assert broken.code == "malformed"  # noqa: PT017
    else:
        assert read.encode() == raw


@pytest.mark.parametrize(
    "wrong",
    [
        fields(_9=[]),
        fields(_9={0: 1}),
        fields(_9={0: 1, 1: bytes(16)}),
        fields(_9=[1, "x" * 16]),
        fields(_9=[True, bytes(16)]),
        fields(_9=[1, bytes(16), 0]),
        fields(_9=[1, bytes(15)]),
        fields(_9=[99, bytes(16)]),
        fields(_9=0),
        fields(_4=-1),
        fields(_4=2),
        fields(_2=True),
        fields(_2=0),
        fields(_2=1 << 24),
        fields(_8=0),
        fields(_8=1 << 16),
        fields(_5="x" * 25),
        fields(_1=bytes(15)),
        fields(_7=1 << 62),
        fields() | {10: 1},
        dict.fromkeys(range(1, 9), 1),
        [1, 2],
    ],
)
def test_claims_out_of_bounds_are_malformed_though_well_signed(wrong):
    with pytest.raises(SealBroken) as refused:
        verify(signed_as(wrong), keys=KEYS, origin=ORIGIN)
    assert refused.value.code == "malformed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"right": "é" * 13},
        {"epoch": 0},
        {"epoch": 1 << 24},
        {"uses": 0},
        {"uses": 1 << 16},
        {"kind": "season"},
    ],
)
def test_claims_out_of_bounds_cannot_be_made(wrong):
    with pytest.raises(ValueError, match=r"right|range|admission"):
        claims(**wrong)


def test_an_answer_counts_without_case_space_and_punctuation():
    check = HolderCheck(Question.POSTCODE, answer_digest(TICKET, "17 Rose Lane, AB1"))
    for said in ("17roselaneab1", "17 ROSE LANE AB1", " 17-Rose.Lane AB1! "):
        assert check.accepts(TICKET, said)
    for said in ("17 Rose Lane", "", "71 Rose Lane, AB1"):
        assert not check.accepts(TICKET, said)
    assert not check.accepts(UUID(int=70), "17 Rose Lane, AB1")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Straße", "STRASSE"),
        ("cafe\u0301", "caf\u00e9"),
        ("ﬁnn", "Finn"),
        ("Ⅷ", "viii"),
    ],
)
def test_one_name_in_two_spellings_has_one_digest(said, meant):
    assert answer_digest(TICKET, said) == answer_digest(TICKET, meant)


@given(st.text(max_size=40))
def test_any_answer_can_be_digested(answer):
    assert len(answer_digest(TICKET, answer)) == 16
