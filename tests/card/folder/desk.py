"""A folder in somebody's hand, registered at the ledger, and what both say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from card_bridge.folder.image import uid_of
from card_bridge.folder.medium import FolderMedium
from card_bridge.folder.prepare import FLASH_CARD, prepare
from card_bridge.profile.personalise import CardKeys
from card_bridge.protocol.status import CardError
from ledger.aggregates.medium import Medium
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.device_keys import open_bundle
from ledger.vocabulary.medium_record import decode_slots
from tests.api.callers import Caller
from tests.card.bridge.stage import Stage, party
from tests.card.folder.volumes import (
    CALLS_MAX,
    Cut,
    Dead,
    Volume,
    as_flushed,
    as_seen,
    newest,
    pulled_out,
)

DATE_OF_BIRTH = 1
LEAST_CALLS = 15  # Fewer, and the writer was not looked at.


def made(
    stage: Stage, holder: Caller, volume: Volume, profile: str = FLASH_CARD
) -> Volume:
    """Make a ticket medium of a folder, as the desk does; may be done again."""
    desk = stage.machine("personaliser", Role.PERSONALISER)
    gateway = stage.gateway(desk)

    def version_of(uid: bytes) -> int:
        sealed = gateway.personalisation(uid, holder_id=party(holder), profile=profile)
        assert desk.key is not None
        assert desk.device_id is not None
        plain = open_bundle(sealed, key=desk.key, device_id=desk.device_id)
        return CardKeys.read(plain).version

    volume.root.mkdir(exist_ok=True)
    with volume.laid() as medium:
        version = prepare(medium, key_version_of=version_of)
        uid = medium.uid
    gateway.register_medium(
        uid, holder_id=party(holder), profile=profile, key_version=version
    )
    return volume


def a_folder(
    stage: Stage,
    holder: Caller,
    root: Path,
    name: str = "uuid:1b2c-3d4e",
    profile: str = FLASH_CARD,
) -> Volume:
    return made(stage, holder, Volume(root, name), profile)


def uid(volume: Volume) -> bytes:
    return uid_of(volume.name, newest(volume).nonce)


def known(stage: Stage, volume: Volume) -> Medium:
    return stage.its.ledger.medium(uid(volume))


def a_ticket(stage: Stage, buyer: Caller) -> UUID:
    """A ticket that asks its holder a question when it is dispensed."""
    return stage.ticket_of(buyer, question=DATE_OF_BIRTH)


def require_agreed(stage: Stage, volume: Volume) -> None:
    """Hold the ledger's stream against the folder's bytes, and open every ticket."""
    medium, image = known(stage, volume), newest(volume)
    assert medium.pending is None
    assert image.stamp == medium.stamp().encode()
    entries = tuple(state.entry() for state in medium.slots)
    assert entries == decode_slots(image.slots)
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with volume.laid() as laid:
        presented = reader.present(laid)
        assert presented.tapped.verdict in (Verdict.FRESH, Verdict.AMBIGUOUS)
        for slot in presented.usable:
            claims, _ = reader.open_ticket(laid, presented, slot)
            ticket = stage.its.ledger.ticket(slot.ticket_id)
            assert (claims.epoch, claims.right) == (ticket.epoch, ticket.right)
            assert ticket.form.is_at(medium.uid, slot.slot)


Attempt = Callable[[FolderMedium], object]


def _dies(cut: Cut) -> Callable[[Volume, Attempt, int], bool]:
    def attempt(volume: Volume, do: Attempt, number: int) -> bool:
        volume.fails_at(number)
        try:
            with volume.laid() as laid:
                do(laid)
        except Dead:
            volume.cut(cut)
        volume.left = None
        return volume.struck

    return attempt


def _is_pulled_out(volume: Volume, do: Attempt, number: int) -> bool:
    """The medium goes, and the program lives to say so."""
    volume.fails_at(number, pulled_out)
    with suppress(CardError), volume.laid() as laid:
        do(laid)
    volume.left = None
    return volume.struck


ENDS = {
    "killed": _dies(as_seen),
    "power": _dies(as_flushed),
    "pulled": _is_pulled_out,
}


def every_tear(volume: Volume, do: Attempt, *, end: str) -> Iterator[int]:
    """Attempt it stopped at its first call of the system, its second, ... and once not.

    The calls are those of the folder. Yields after each attempt.
    """
    for number in range(CALLS_MAX):
        stopped = ENDS[end](volume, do, number)
        yield number
        if not stopped:
            assert number > LEAST_CALLS
            return
    raise AssertionError("the writing does not end")
