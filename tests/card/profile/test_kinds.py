"""Cards of other kinds are refused in words, before anything is written on them.

Planted and caught: the ATR looked at before GetVersion; every memory card a Classic.
"""

from __future__ import annotations

import pytest

from card_bridge.profile.card import TicketCard
from card_bridge.profile.kinds import WrongCard
from card_bridge.profile.personalise import uid_of_blank
from card_bridge.protocol.commands import Picc

OF_PCSC = "3b8f8001804f0ca000000306"
DESFIRE_ATR = "3b8180018080"


class Other:
    """A card that answers GetVersion by its hardware alone, or knows no such command.

    A memory card's reader refuses what it cannot carry.
    """

    def __init__(self, hardware: str, refusal: str = "6d00") -> None:
        self._answer = bytes.fromhex(hardware + ("9100" if hardware else refusal))
        self.asked: set[int] = set()

    def transmit(self, command: bytes, /) -> bytes:
        self.asked.add(command[1])
        return self._answer


@pytest.mark.parametrize(
    ("atr", "hardware", "named"),
    [
        (OF_PCSC + "03000100000000", "", "it is a MIFARE Classic of 1K."),
        (OF_PCSC + "03000200000000", "", "it is a MIFARE Classic of 4K."),
        (OF_PCSC + "03000300000000", "", "it is a MIFARE Ultralight or an NTAG."),
        (OF_PCSC + "03003a00000000", "", "it is a MIFARE Ultralight C."),
        (OF_PCSC + "03ffff00000000", "", "EV2 or 3."),
        (OF_PCSC, "", "EV2 or 3."),
        ("", "", "EV2 or 3."),
        (DESFIRE_ATR, "04010100001605", "it is a MIFARE DESFire of the first gen"),
        (DESFIRE_ATR, "04010101001605", "it is a MIFARE DESFire EV1, which proves no"),
        (DESFIRE_ATR, "04080130001305", "it is a MIFARE DESFire Light."),
        (DESFIRE_ATR, "04020111001605", "it is a MIFARE Plus."),
        (DESFIRE_ATR, "04040230001105", "it is an NTAG."),
        (DESFIRE_ATR, "04030101000b03", "it is a MIFARE Ultralight."),
        (DESFIRE_ATR, "040f0101000b03", "EV2 or 3."),
        (OF_PCSC + "03000100000000", "04040230001105", "it is an NTAG."),
    ],
)
def test_a_card_of_another_kind_is_named_and_left_alone(
    atr: str, hardware: str, named: str
) -> None:
    other = Other(hardware)
    with pytest.raises(WrongCard) as refused:
        uid_of_blank(TicketCard(Picc(other), atr=bytes.fromhex(atr)))
    assert named in str(refused.value)
    assert str(refused.value).startswith("This card is not a DESFire of generation")
    assert other.asked == {0x60}


@pytest.mark.parametrize("refusal", ["6d00", "6a81", "6300", "911c"])
def test_however_a_reader_says_no_it_is_the_wrong_card(refusal: str) -> None:
    with pytest.raises(WrongCard):
        uid_of_blank(TicketCard(Picc(Other("", refusal))))
