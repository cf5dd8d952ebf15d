"""What a machine may do: as it was delegated, and nothing once it was revoked."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.device import BadPrefix, Device, DeviceNotAuthorised, Rights
from tests.domain.examples import BOB, CAROL, ISSUER, NOON, OFFERING

IDS = st.sampled_from([UUID(int=n) for n in range(1, 5)])
RIGHTS = st.builds(
    Rights,
    issuers=st.none() | st.lists(IDS, max_size=3).map(tuple),
    offerings=st.none() | st.lists(IDS, max_size=3).map(tuple),
    offline=st.booleans(),
    serial_prefix=st.none() | st.sampled_from(["D", "D1", "D1-", "E"]),
)


def a_dispenser():
    return Device.enrol(
        device_id=UUID(int=21),
        kind="dispenser",
        keeper_id=CAROL,
        public_key="00" * 32,
        label="Foyer",
        at=NOON,
    )


def delegate(device, *, widen=True, **rights):
    device.delegate(rights=Rights(**rights), by=CAROL, widen=widen, at=NOON)


def test_what_was_never_delegated_is_open_on_the_line_only():
    device = a_dispenser()
    device.require("dispenser", issuer_id=ISSUER, offering_id=OFFERING, serial="X-1")
    assert not device.rights.offline


def test_a_machine_works_only_for_whom_it_was_delegated():
    device = a_dispenser()
    delegate(device, issuers=(ISSUER,), offerings=(OFFERING,), serial_prefix="D1-")
    device.require("dispenser", issuer_id=ISSUER, offering_id=OFFERING, serial="D1-7")
    for wrong in (
        {"issuer_id": BOB},
        {"offering_id": BOB},
        {"serial": "D2-7"},
        {"serial": "D1"},
    ):
        with pytest.raises(DeviceNotAuthorised) as refused:
            device.require("dispenser", **wrong)
        assert refused.value.because == (f"{device.id}/2",)
    with pytest.raises(DeviceNotAuthorised, match="enrolled as dispenser"):
        device.require("point_of_sale")


def test_a_revoked_machine_does_nothing_more_and_is_given_nothing():
    device = a_dispenser()
    device.revoke(reason="stolen", at=NOON)
    with pytest.raises(DeviceNotAuthorised, match="revoked") as refused:
        device.require("dispenser")
    assert refused.value.because == (f"{device.id}/2",)
    with pytest.raises(DeviceNotAuthorised, match="revoked"):
        delegate(device, offline=True)


def test_a_keeper_narrows_what_an_operator_has_given():
    device = a_dispenser()
    delegate(device, issuers=(ISSUER, BOB), offline=True)
    delegate(device, widen=False, issuers=(ISSUER,), serial_prefix="D1")
    for more in ({"issuers": None}, {"issuers": (BOB,)}, {"offline": True}):
        with pytest.raises(DeviceNotAuthorised, match="keeper"):
            delegate(device, widen=False, **({"issuers": (ISSUER,)} | more))
    with pytest.raises(DeviceNotAuthorised, match="keeper"):
        delegate(device, widen=False, issuers=(ISSUER,), serial_prefix="D")


def test_a_prefix_is_one_that_serials_can_have():
    for wrong in ("", "d1", "D1 ", "-1", "D" * 17):
        with pytest.raises(BadPrefix):
            delegate(a_dispenser(), serial_prefix=wrong)


@given(RIGHTS, RIGHTS, IDS, IDS, st.sampled_from(["D1-1", "D2-1", "E-1"]))
def test_what_a_keeper_delegates_never_allows_more(first, second, issuer, show, serial):
    device = a_dispenser()
    device.delegate(rights=first, by=CAROL, widen=True, at=NOON)
    wide = allows(device, issuer, show, serial)
    try:
        device.delegate(rights=second, by=CAROL, widen=False, at=NOON)
    except DeviceNotAuthorised:
        assert device.rights == first
        return
    assert wide or not allows(device, issuer, show, serial)
    assert first.offline or not device.rights.offline


def allows(device, issuer, show, serial):
    try:
        device.require("dispenser", issuer_id=issuer, offering_id=show, serial=serial)
    except DeviceNotAuthorised:
        return False
    return True
