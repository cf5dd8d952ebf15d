"""A key bundle opens for the device it was sealed for, and for no other."""

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.vocabulary.device_keys import BUNDLE_MAX, open_bundle, seal_bundle
from ledger.vocabulary.sealed_ticket import SealBroken

DEVICE, OTHER = UUID(int=1), UUID(int=2)
KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@given(st.binary(max_size=2_000))
def test_a_bundle_comes_back(plain):
    sealed = seal_bundle(plain, to=KEY.public_key(), device_id=DEVICE)
    assert open_bundle(sealed, key=KEY, device_id=DEVICE) == plain


@pytest.mark.parametrize(("key", "device_id"), [(STRANGER, DEVICE), (KEY, OTHER)])
def test_another_key_or_another_device_opens_nothing(key, device_id):
    sealed = seal_bundle(b"keys", to=KEY.public_key(), device_id=DEVICE)
    with pytest.raises(SealBroken) as refused:
        open_bundle(sealed, key=key, device_id=device_id)
    assert refused.value.code == "counterfeit"


def test_every_flipped_bit_is_refused():
    sealed = seal_bundle(b"keys", to=KEY.public_key(), device_id=DEVICE)
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            open_bundle(bytes(flipped), key=KEY, device_id=DEVICE)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 48, BUNDLE_MAX, BUNDLE_MAX + 1])
def test_bytes_of_any_length_are_refused(length):
    with pytest.raises(SealBroken):
        open_bundle(bytes(length), key=KEY, device_id=DEVICE)
