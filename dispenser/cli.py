"""`dispenserctl`: the machine's program.

Exit codes: 0 dispensed, 2 refused (with a code and a sentence), 3 in doubt, 1 an error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from card_bridge.folder.medium import laid
from card_bridge.folder.option import FolderType
from card_bridge.gateway import LedgerRefusal, LedgerUnreachable
from card_bridge.http_gateway import HttpGateway
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey, KeyBundle, KeysError
from card_bridge.line import credentials, gateway
from card_bridge.profile.card import TicketCard
from card_bridge.profile.medium import TicketMedium
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardError
from card_bridge.reader import CardReader
from card_bridge.signing import SigningKey
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.transport.pcsc import (
    PcscUnavailable,
    ReaderMissing,
    reader_names,
    wait_for_card,
    wait_until_taken,
)
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.store import CardFileDamaged
from dispenser.alone import alone
from dispenser.hardware import escpos, pdf
from dispenser.hardware.display import TerminalDisplay
from dispenser.hardware.keyboard import AnswersKeyboard, Keyboard, LineKeyboard
from dispenser.hardware.printer import DevicePrinter, FilePrinter, Printer, Printers
from dispenser.machine import State
from dispenser.outbox import Job, Outbox, OutboxDamaged, Stage
from dispenser.station import NotDispensed, Station, Visit
from dispenser.stock import PaperStock, StockError
from ledger.vocabulary.sealed_ticket import SealBroken

ERROR, REFUSED, IN_DOUBT = 1, 2, 3
IDLE_S = 1.0  # How often an idle machine looks at its outbox.
EXIT_CODES = {State.DONE: 0, State.REFUSED: REFUSED, State.IN_DOUBT: IN_DOUBT}
_SAID_IN_A_SENTENCE = (
    CardError,
    CardFileDamaged,
    KeysError,
    LedgerRefusal,
    LedgerUnreachable,
    NotDispensed,
    OutboxDamaged,
    PcscUnavailable,
    ReaderMissing,
    SealBroken,
    StockError,
)


class Machine:
    """The machine's folder and its line to the ledger, as the options name them."""

    def __init__(self, home: Path, server: str, token: str, *, as_json: bool) -> None:
        self.home = home
        self.as_json = as_json
        self._server = server
        self._token = token

    @property
    def key(self) -> DeviceKey:
        return DeviceKey.at(self.home / "device.key")

    @property
    def papers(self) -> Path:
        return self.home / "papers"

    @property
    def stock(self) -> PaperStock:
        return PaperStock(self.home / "stock.json")

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.home / "outbox")

    def gateway(self, device_id: UUID) -> HttpGateway:
        """Return the line to the ledger, by the machine's own key unless it is said."""
        return gateway(
            self._server,
            self._token
            or credentials(self.home, self._server, device_id, program="dispenserctl"),
        )

    def printer(self, device: Path | None) -> Printer:
        """Print into the machine's folder, and on paper if there is a printer."""
        kept: list[Printer] = [
            FilePrinter(self.papers, suffix=".pdf", render=pdf.render),
            FilePrinter(self.papers, suffix=".escpos", render=escpos.render),
        ]
        if device is not None:
            kept.insert(0, DevicePrinter(device, render=escpos.render))
        return Printers(kept)

    def station(
        self,
        device_id: UUID,
        *,
        keyboard: Keyboard,
        printer: Path | None = None,
        zone: tzinfo = UTC,
    ) -> Station:
        """Take the machine in hand, until this program ends: two would print twice."""
        try:
            click.get_current_context().with_resource(
                alone(self.home / "machine.lock", wait=False)
            )
        except BlockingIOError:
            raise click.ClickException(
                "Another program is running this machine."
            ) from None
        line = self.gateway(device_id)
        bundle = KeyBundle.fetch(line, device_id=device_id, key=self.key)
        display = TerminalDisplay(Console(stderr=True), name="Ticket dispenser")
        return Station(
            gateway=line,
            reader=CardReader(line, bundle),
            journal=Journal(self.home / "journal"),
            outbox=self.outbox,
            stock=self.stock,
            printer=self.printer(printer),
            display=display,
            keyboard=keyboard,
            clock=lambda: datetime.now(UTC),
            zone=zone,
        )

    def tell(self, facts: dict[str, Any], sentence: str) -> None:
        click.echo(json.dumps(facts, default=str) if self.as_json else sentence)

    def tell_visit(self, visit: Visit) -> None:
        """Say how a visit went, and where its papers are."""
        order = visit.order if visit.state == State.DONE else None
        serial = order.serial if order else None
        made = sorted(self.papers.glob(f"{serial}.*")) if serial else []
        facts = {
            "state": visit.state,
            "code": visit.code,
            "says": visit.says,
            "verdict": visit.verdict,
            "ticket_id": visit.claims.ticket_id if visit.claims else None,
            "serial": serial,
            "print_code": order.code if order else None,
            "files": [str(path) for path in made],
        }
        sentence = visit.says if visit.code is None else f"{visit.says} ({visit.code})"
        self.tell(facts, sentence)
        if order and (tray := self.stock.look()).is_low:
            click.echo(f"Only {tray.left} papers are left.", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    envvar="DISPENSER_HOME",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".dispenser"),
    help="Where the machine keeps its key, journals, stock and papers.",
)
@click.option("--server", envvar="DISPENSER_SERVER", default="http://127.0.0.1:8470")
@click.option("--token", envvar="DISPENSER_TOKEN", default="", help="A bearer token.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def dispenserctl(
    context: click.Context, /, home: Path, server: str, token: str, *, as_json: bool
) -> None:
    """Dispense physical tickets from cards, each exactly once."""
    context.obj = Machine(home, server, token, as_json=as_json)


@dispenserctl.command()
@click.pass_obj
def enrol(machine: Machine) -> None:
    """Print this machine's public key, for the centre to enrol; made if missing."""
    public = machine.key.public_hex
    machine.tell({"public_key": public}, public)


@dispenserctl.command("signing-key")
@click.pass_obj
def signing_key(machine: Machine) -> None:
    """Print the key that this machine signs who it is with; made if missing.

    It is the body of POST /v1/devices/{id}/signing-keys. Then no token is needed.
    """
    told = {"jwk": SigningKey.made(machine.home).jwk}
    machine.tell(told, json.dumps(told))


@dispenserctl.command()
@click.option("--add", type=int, help="Put so many papers in.")
@click.option("--prefix", default="D1", help="How this machine's serials begin.")
@click.pass_obj
def stock(machine: Machine, add: int | None, prefix: str) -> None:
    """Say how much paper there is, or put some in."""
    tray = machine.stock
    now = tray.look() if add is None else tray.add(add, prefix=prefix)
    low = " It is running low." if now.is_low else ""
    facts = {"prefix": now.prefix, "next": now.next_number, "left": now.left}
    machine.tell(facts, f"{now.left} papers are left.{low}")


def _zone(_context: Any, _option: Any, name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise click.BadParameter(f"{name!r} is no time zone known here.") from None


def _card_options(command: Any) -> Any:
    for option in (
        click.argument("device_id", type=click.UUID),
        click.option("--reader", help="A PC/SC reader's name; the first one, if not."),
        click.option(
            "--printer",
            type=click.Path(path_type=Path),
            help="An ESC/POS printer's device, such as /dev/usb/lp0.",
        ),
        click.option(
            "--zone",
            default="UTC",
            callback=_zone,
            help="The time zone on the papers, such as Europe/Berlin.",
        ),
    ):
        command = option(command)
    return command


@dispenserctl.command()
@_card_options
@click.option("--answer", "answers", multiple=True, help="Typed for the person.")
@click.option(
    "--card-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A card in software, in this file. Needs --virtual.",
)
@click.option("--virtual", is_flag=True, help="Yes, a card in software is meant.")
@click.option(
    "--medium",
    "folder",
    type=FolderType(),
    help="A flash card or a disk instead, as folder:/path of where it is mounted.",
)
@click.pass_obj
def present(
    machine: Machine,
    device_id: UUID,
    reader: str | None,
    printer: Path | None,
    zone: tzinfo,
    answers: tuple[str, ...],
    card_file: Path | None,
    folder: Path | None,
    *,
    virtual: bool,
) -> None:
    """Serve one card, and end."""
    if card_file is not None and not virtual:
        raise click.UsageError("--card-file is a card in software: say --virtual, too.")
    if folder is not None and (card_file or reader):
        raise click.UsageError("Say --medium, or which card is meant, not both.")
    keyboard = AnswersKeyboard(answers) if answers else LineKeyboard(sys.stdin)
    station = machine.station(device_id, keyboard=keyboard, printer=printer, zone=zone)
    _tell_doubts(station, told=())
    with _medium(reader, card_file, folder) as card:
        visit = station.present(card)
    machine.tell_visit(visit)
    sys.exit(EXIT_CODES[visit.state])


@dispenserctl.command()
@_card_options
@click.pass_obj
def run(
    machine: Machine,
    device_id: UUID,
    reader: str | None,
    printer: Path | None,
    zone: tzinfo,
) -> None:
    """Serve one card after the other, until it is stopped."""
    keyboard = LineKeyboard(sys.stdin)
    station = machine.station(device_id, keyboard=keyboard, printer=printer, zone=zone)
    name = _attached(reader)
    told: Sequence[Job] = ()
    while True:
        station.invite()
        transport = None
        while transport is None:
            told = _tell_doubts(station, told=told)
            transport = wait_for_card(name, timeout_s=IDLE_S)
        with transport:
            machine.tell_visit(station.present(TicketCard(Picc(transport))))
        while not wait_until_taken(name):
            pass  # One tap is one visit, however long the card is left lying.


@dispenserctl.command()
@click.pass_obj
def jobs(machine: Machine) -> None:
    """List the jobs whose end the ledger may not know."""
    for job in machine.outbox.jobs():
        facts = {"job_id": job.job_id, "stage": job.stage, "serial": job.serial}
        machine.tell(facts, f"{job.job_id}  {job.stage}  {job.serial or ''}")


@dispenserctl.command()
@click.argument("device_id", type=click.UUID)
@click.argument("job_id", type=click.UUID)
@click.option("--printed/--not-printed", required=True, help="What a person has found.")
@click.pass_obj
def resolve(machine: Machine, device_id: UUID, job_id: UUID, *, printed: bool) -> None:
    """Say what became of a job that is in doubt, after looking at the printer."""
    station = machine.station(device_id, keyboard=AnswersKeyboard(()))
    known = station.resolve(job_id, printed=printed)
    machine.tell({"reported": known}, "Reported." if known else "Kept, to be reported.")


@contextmanager
def _medium(
    reader: str | None, card_file: Path | None, folder: Path | None
) -> Iterator[TicketMedium]:
    """Wait for a card in the reader, or open the folder, or the card in software."""
    if folder is not None:
        with laid(folder) as medium:
            yield medium
        return
    if card_file is not None:
        card = VirtualCard.load(card_file)
        with InProcessTransport(card.transmit, power_on=card.power_on) as lying:
            yield TicketCard(Picc(lying))
        return
    name = _attached(reader)
    transport = wait_for_card(name)
    if transport is None:
        raise click.ClickException(f"No card was laid on {name}.")
    with transport:
        yield TicketCard(Picc(transport))


def _attached(reader: str | None) -> str:
    name = reader or next(iter(reader_names()), None)
    if name is None:
        raise click.ClickException("This machine has no card reader.")
    return name


def _tell_doubts(station: Station, *, told: Sequence[Job]) -> Sequence[Job]:
    """Settle what was left; what a person must look at is said aloud, once."""
    left = station.recover()
    for job in left:
        if job in told:
            continue
        wanted = (
            "needs somebody to look: see `dispenserctl resolve`"
            if job.stage == Stage.PRINTING
            else "is kept, to be reported to the ledger"
        )
        click.echo(f"Job {job.job_id} ({job.stage}, {job.serial}) {wanted}.", err=True)
    return left


def main() -> None:
    """Run `dispenserctl`."""
    try:
        dispenserctl(prog_name="dispenserctl", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(ERROR)  # And not click's own 2, which says "refused" here.
    except click.Abort:
        sys.exit(ERROR)
    except _SAID_IN_A_SENTENCE as error:
        code = getattr(error, "code", "incomplete")
        click.echo(f"{error} ({code})", err=True)
        sys.exit(ERROR)


if __name__ == "__main__":
    main()
