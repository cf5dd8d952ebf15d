"""What a printer is to the machine, and what a paper says.

A printer that fails says which of two it was: nothing usable came out (`NotPrinted`),
or nobody here can tell (`PrintUnknown`). The first gives the ticket back to its
owner; after the second nothing is printed again before somebody has looked.
"""

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Protocol, Self

TEXT_MAX = 200  # Letters in one field: whatever is longer, no paper shows.
_TIME = "%a %d %b %Y, %H:%M %Z"

# Letters that Unicode does not decompose into a plain one and a mark.
_PLAIN = str.maketrans("ŁłĐđıØø", "LlDdiOo")


class PrinterFault(Exception):
    """Base of what can go wrong with paper. Its text is for the operator."""


class NotPrinted(PrinterFault):
    """Nothing usable came out, and the printer can prove it."""


class PrintUnknown(PrinterFault):
    """A paper may have come out, or not."""


@dataclass(frozen=True, slots=True)
class TicketPaper:
    """What one numbered paper says. Times are aware, in the zone to be printed."""

    serial: str
    code: str  # What the QR code holds.
    title: str
    right: str
    not_before: datetime
    not_after: datetime
    ticket_id: str
    origin: str

    def in_zone(self, zone: tzinfo) -> Self:
        """Return the same paper with its times told in another zone."""
        return replace(
            self,
            not_before=self.not_before.astimezone(zone),
            not_after=self.not_after.astimezone(zone),
        )

    @property
    def opens(self) -> str:
        return self.not_before.strftime(_TIME)

    @property
    def closes(self) -> str:
        return self.not_after.strftime(_TIME)


class Printer(Protocol):
    def ready(self) -> None:
        """Raise `NotPrinted` if a paper could not be printed just now."""
        ...

    def print_ticket(self, paper: TicketPaper) -> None:
        """Print one paper; raise `NotPrinted` or `PrintUnknown` if it did not work."""
        ...


class Printers:
    """Several printers as one: each ticket comes out of all of them."""

    def __init__(self, printers: Sequence[Printer]) -> None:
        self._printers = tuple(printers)

    def ready(self) -> None:
        for printer in self._printers:
            printer.ready()

    def print_ticket(self, paper: TicketPaper) -> None:
        for number, printer in enumerate(self._printers):
            try:
                printer.print_ticket(paper)
            except NotPrinted as fault:
                if number:  # An earlier one has printed.
                    raise PrintUnknown(str(fault)) from fault
                raise


class FilePrinter:
    """Papers into a folder, one file each: whole, or not there at all."""

    def __init__(
        self, folder: Path, *, suffix: str, render: Callable[[TicketPaper], bytes]
    ) -> None:
        self._folder = folder
        self._suffix = suffix
        self._render = render

    def ready(self) -> None:
        try:
            # Who holds a paper's code holds the ticket: not for everybody's eyes.
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as fault:
            raise NotPrinted(_told(self._folder, fault)) from fault
        if not os.access(self._folder, os.W_OK):
            raise NotPrinted(f"{self._folder} cannot be written to")

    def print_ticket(self, paper: TicketPaper) -> None:
        self.ready()
        place = self.place(paper.serial)
        rendered = self._render(paper)
        unfinished = place.with_name(f".{place.name}.part")
        try:
            with unfinished.open("wb") as file:
                file.write(rendered)
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, place)  # Refuses a name that is taken.
        except FileExistsError:
            raise PrintUnknown(f"{place.name} has been printed before") from None
        except OSError as fault:
            raise NotPrinted(_told(place, fault)) from fault
        finally:
            unfinished.unlink(missing_ok=True)
        self._flush(place)

    def _flush(self, place: Path) -> None:
        """Keep the new name, too, before anybody is told that it is there."""
        try:
            handle = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as fault:
            raise PrintUnknown(_told(place, fault)) from fault

    def place(self, serial: str) -> Path:
        """Return the file of the paper with this serial."""
        return self._folder / f"{serial}{self._suffix}"


class DevicePrinter:
    """Papers to a device file, such as /dev/usb/lp0, as they come."""

    def __init__(self, device: Path, *, render: Callable[[TicketPaper], bytes]) -> None:
        self._device = device
        self._render = render

    def ready(self) -> None:
        if not os.access(self._device, os.W_OK):
            raise NotPrinted(f"the printer at {self._device} does not answer")

    def print_ticket(self, paper: TicketPaper) -> None:
        rendered = self._render(paper)
        try:
            # Never made: a printer that was pulled out is not a file from now on.
            handle = os.open(self._device, os.O_WRONLY | os.O_APPEND)
        except OSError as fault:
            raise NotPrinted(_told(self._device, fault)) from fault
        rest = memoryview(rendered)
        with os.fdopen(handle, "ab", buffering=0) as file:
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError as fault:
                if len(rest) == len(rendered):
                    raise NotPrinted(_told(self._device, fault)) from fault
                raise PrintUnknown(_told(self._device, fault)) from fault


def printable(text: str, *, can: Callable[[str], bool]) -> str:
    """Return text with letters a printer lacks made plain: ć as c, and 日 as ?."""
    kept = []
    for letter in unicodedata.normalize("NFC", text)[:TEXT_MAX]:
        plain = unicodedata.normalize("NFKD", letter.translate(_PLAIN))
        if letter.isprintable() and can(letter):
            kept.append(letter)
        elif plain[0].isprintable() and can(plain[0]):
            kept.append(plain[0])
        else:
            kept.append("?")
    return "".join(kept)


def _told(place: Path, fault: OSError) -> str:
    return f"{place}: {fault.strerror or fault}"
