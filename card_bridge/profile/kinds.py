"""Which card is it, if it is none of ours? Asked before anything is written.

A card that speaks ISO 14443-4 tells its maker, type and version by GetVersion; memory
cards are told apart by the ATR that a PC/SC reader makes up for them.
"""

from __future__ import annotations

from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardRefused, IntegrityError

# GetVersion, hardware: vendor, type, subtype, major version, ... (MF2DLHX0, 11.5.2;
# the numbers of the others stand in the data sheets of their products).
_TYPE, _MAJOR = 1, 3
_DESFIRE, _DESFIRE_EV1, _DESFIRE_EV2 = 0x01, 0x01, 0x12
_OTHER_TYPES = {
    0x02: "a MIFARE Plus",
    0x03: "a MIFARE Ultralight",
    0x04: "an NTAG",
    0x08: "a MIFARE DESFire Light",
}
# PC/SC part 3, 3.1.3.2.3.2: an ATR of a memory card names it after the RID of PC/SC.
_PCSC_RID = bytes.fromhex("a000000306")
_NAME = slice(1, 3)  # After the RID: standard 1, name 2.
_MEMORY_CARDS = {
    0x0001: "a MIFARE Classic of 1K",
    0x0002: "a MIFARE Classic of 4K",
    0x0003: "a MIFARE Ultralight or an NTAG",
    0x0026: "a MIFARE Mini",
    0x003A: "a MIFARE Ultralight C",
}


class WrongCard(Exception):
    """The card cannot be made one of ours; the message says why."""

    code = "malformed"


def require_right_kind(picc: Picc, *, atr: bytes = b"") -> None:
    """Raise `WrongCard`, in words, unless it is a DESFire of generation EV2 or EV3.

    Only these have the Transaction MAC by which a card proves what it did.
    """
    try:
        hardware = picc.get_version()
    except (CardRefused, IntegrityError):
        hardware = b""
    if len(hardware) > _MAJOR and _is_ours(hardware):
        return
    found = _named(hardware) or _memory_card(atr)
    wanted = "This card is not a DESFire of generation EV2 or 3"
    raise WrongCard(f"{wanted}: it is {found}." if found else f"{wanted}.")


def _is_ours(hardware: bytes) -> bool:
    return hardware[_TYPE] & 0x0F == _DESFIRE and hardware[_MAJOR] >= _DESFIRE_EV2


def _named(hardware: bytes) -> str | None:
    if len(hardware) <= _MAJOR:
        return None
    kind, major = hardware[_TYPE] & 0x0F, hardware[_MAJOR]
    if kind != _DESFIRE:
        return _OTHER_TYPES.get(kind)
    if major >= _DESFIRE_EV1:
        return "a MIFARE DESFire EV1, which proves no write"
    return "a MIFARE DESFire of the first generation"


def _memory_card(atr: bytes) -> str | None:
    before, rid, after = atr.partition(_PCSC_RID)
    if not (before and rid):
        return None
    return _MEMORY_CARDS.get(int.from_bytes(after[_NAME]))
