"""The numbered paper in the machine: how much there is, and which number is next.

A number is spent before it is printed and never comes back, whatever happens then.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dispenser.alone import alone

LOW = 20
PAPERS_MAX = 100_000
# So that six digits more make a serial that the ledger takes.
PREFIX = re.compile(r"[A-Z0-9][A-Z0-9-]{0,15}", re.ASCII)


class StockError(Exception):
    """There is no paper to print on, or the stock's file is damaged."""

    code = "incomplete"


@dataclass(frozen=True, slots=True)
class Stock:
    prefix: str
    next_number: int
    left: int

    def __post_init__(self) -> None:
        """Raise TypeError for what no stock can be."""
        counts = (self.next_number, self.left)
        if not PREFIX.fullmatch(self.prefix):
            raise TypeError("a prefix has capital letters, digits and hyphens")
        if not all(type(count) is int and count >= 0 for count in counts):
            raise TypeError("numbers and papers are counted from zero")

    @property
    def is_low(self) -> bool:
        return self.left <= LOW


class PaperStock:
    """The stock of one machine, kept in a file that changes whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Stock:
        """Return what there is. Raises `StockError` if nobody ever filled it."""
        try:
            return Stock(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            raise StockError("No paper was put in; see `dispenserctl stock`.") from None
        except (OSError, ValueError, TypeError):
            raise StockError(f"{self._path} cannot be read.") from None

    def require(self) -> None:
        """Raise `StockError` unless a paper is left."""
        if self.look().left < 1:
            raise StockError("The machine is out of paper.")

    def take(self) -> str:
        """Spend the next number and return its serial; it is on disk by then."""
        with self._alone():
            return self._taken()

    def _taken(self) -> str:
        self.require()
        stock = self.look()
        serial = f"{stock.prefix}-{stock.next_number:06d}"
        self._keep(Stock(stock.prefix, stock.next_number + 1, stock.left - 1))
        return serial

    def add(self, papers: int, *, prefix: str) -> Stock:
        """Put papers in; the prefix of a machine's serials is set the first time."""
        if not 0 < papers <= PAPERS_MAX:
            raise StockError(f"1 to {PAPERS_MAX} papers can be put in at once.")
        if not PREFIX.fullmatch(prefix):
            raise StockError(
                "A prefix has 1 to 16 capital letters, digits and hyphens."
            )
        with self._alone():
            try:
                stock = self.look()
            except StockError:
                if self._path.exists():
                    raise
                stock = Stock(prefix, 1, 0)
            self._keep(replace(stock, left=stock.left + papers))
            return self.look()

    def _alone(self) -> AbstractContextManager[None]:
        """Paper is put in by one program while another prints on it."""
        return alone(self._path.with_suffix(".lock"), wait=True)

    def _keep(self, stock: Stock) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        with draft.open("w") as file:
            json.dump(asdict(stock), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        handle = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)  # The new name, too: an old one would repeat a serial.
        finally:
            os.close(handle)
