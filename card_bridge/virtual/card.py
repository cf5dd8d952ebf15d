"""A card to hold in the hand: chip, power, the file it lives in, and its misuse."""

import secrets
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from card_bridge.protocol.apdu import READER_GET_UID
from card_bridge.protocol.status import CardGone
from card_bridge.virtual import store
from card_bridge.virtual.chip import Chip
from card_bridge.virtual.core import Volatile
from card_bridge.virtual.files import MacFile
from card_bridge.virtual.session import RandomBytes
from card_bridge.virtual.state import ROOT, Application, CardState, Key

ATR = bytes.fromhex("3b8180018080")  # As PC/SC readers show a DESFire.
_UID_MANUFACTURER = b"\x04"
_OK = bytes.fromhex("9000")
RANDOM_ID_FIRST = b"\x08"  # ISO/IEC 14443-3, 6.5.4: uid0 of a random UID.


@dataclass(slots=True)
class _Tear:
    after: int
    processed: bool


class VirtualCard:
    """A DESFire EV3 or EV1 in software. With a `path`, changes are kept at once."""

    atr = ATR

    def __init__(
        self,
        state: CardState,
        *,
        path: Path | None = None,
        random: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._chip = Chip(state, random)
        self._path = path
        self._powered = True
        self._random_id = b""
        self._tear: _Tear | None = None
        self._lock = threading.RLock()
        self._keep()

    @classmethod
    def blank(
        cls,
        uid: bytes | None = None,
        *,
        path: Path | None = None,
        random: RandomBytes = secrets.token_bytes,
        generation: int = 3,
        signature: bytes = b"",
    ) -> Self:
        """A new card, EV3 or EV1: master key of zeros, no application.

        `signature` is what its maker has signed its UID with, if he has.
        """
        drawn = uid if uid is not None else _UID_MANUFACTURER + random(6)
        blank = CardState.blank(drawn, generation=generation, signature=signature)
        return cls(blank, path=path, random=random)

    @classmethod
    def load(cls, path: Path, *, random: RandomBytes = secrets.token_bytes) -> Self:
        """The card that lives in a file; CardFileDamaged or OSError otherwise."""
        return cls(store.load(path), path=path, random=random)

    @property
    def uid(self) -> bytes:
        return self._chip.state.uid

    # In the field.

    def transmit(self, command: bytes) -> bytes:
        """Answer a frame; CardGone without power. The reader's UID command too."""
        with self._lock:
            if not self._powered:
                raise CardGone
            torn = self._torn_now()
            if torn is not None and not torn.processed:
                self.power_off()
                raise CardGone
            answer = self._answer(command)
            if torn is not None:
                self.power_off()
                raise CardGone
            return answer

    def power_on(self) -> None:
        self._forget(powered=True)

    def power_off(self) -> None:
        self._forget(powered=False)

    def reset(self) -> None:
        self._forget(powered=True)

    def tear_after(self, exchanges: int, *, processed: bool = False) -> None:
        """Cut the power in the exchange after so many more.

        That exchange is lost on its way to the card, or, `processed`, the card has
        done it and its answer is lost. Power comes back by `power_on`.
        """
        with self._lock:
            self._tear = _Tear(exchanges, processed)

    # Misuse: what silicon does not allow, and an attacker would wish for.

    def snapshot(self) -> CardState:
        return self._chip.state

    def restore(self, image: CardState) -> None:
        """Put an old image back, counters and all: a card rolled back."""
        with self._lock:
            self._chip.state = image
            self.reset()
            self._keep()

    def copy_contents_from(self, other: "VirtualCard") -> None:
        """Take over every byte of another card's files; UID and keys stay one's own.

        An application that is not here comes with keys of zeros: a copier has none.
        """
        state = other.snapshot()
        with self._lock:
            mine = self._chip.state
            copied = {
                aid: _contents(application, mine.applications.get(aid))
                for aid, application in state.applications.items()
                if aid != ROOT
            }
            self._chip.state = replace(
                mine,
                applications={**mine.applications, **copied},
                blocks_used=max(mine.blocks_used, state.blocks_used),
            )
            self.reset()
            self._keep()

    def _answer(self, command: bytes) -> bytes:
        if command == READER_GET_UID:
            return self._shown_uid() + _OK
        before = self._chip.state
        answer = self._chip.transmit(command)
        if self._chip.state is not before:
            self._keep()
        return answer

    def _shown_uid(self) -> bytes:
        """The UID, or a random one of four bytes, new with each activation."""
        if not self._chip.state.random_id:
            return self.uid
        if not self._random_id:
            self._random_id = RANDOM_ID_FIRST + self._chip.random(3)
        return self._random_id

    def _torn_now(self) -> _Tear | None:
        if self._tear is None:
            return None
        if self._tear.after:
            self._tear.after -= 1
            return None
        torn, self._tear = self._tear, None
        return torn

    def _forget(self, *, powered: bool) -> None:
        with self._lock:
            self._chip.volatile = Volatile()
            self._random_id = b""
            self._powered = powered

    def _keep(self) -> None:
        if self._path is not None:
            store.save(self._chip.state, self._path)


def _contents(copied: Application, own: Application | None) -> Application:
    keys = own.keys if own else (Key(),) * len(copied.keys)
    macs = {
        number: file
        for number, file in (own.files.items() if own else ())
        if isinstance(file, MacFile)
    }
    files = {
        number: replace(file, key=macs[number].key if number in macs else Key().value)
        if isinstance(file, MacFile)
        else file
        for number, file in copied.files.items()
    }
    return Application(keys=keys, settings=copied.settings, files=files)
