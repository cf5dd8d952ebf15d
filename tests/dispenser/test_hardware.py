"""Paper, display and keyboard: what is on the paper is read back off it.

The PDF is drawn by poppler and its code read by zbar, as a scanner at the door would;
the roll's bytes are taken apart by Epson's command reference (GS ( k, ESC t, GS V).

Seen to fail: the code's modules turned, a time in the PDF, letters the printer lacks,
no cut, a cut before the code, a file written in place, a fault after the first byte
called NotPrinted, a device file made where the printer was.
"""

import hashlib
import io
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from dispenser.hardware import escpos, pdf
from dispenser.hardware.display import TerminalDisplay
from dispenser.hardware.keyboard import LINE_MAX, AnswersKeyboard, LineKeyboard
from dispenser.hardware.printer import (
    TEXT_MAX,
    DevicePrinter,
    FilePrinter,
    NotPrinted,
    Printers,
    PrintUnknown,
    TicketPaper,
    printable,
)

PAPER = TicketPaper(
    serial="D1-000017",
    code="ETL1:D1-000017:9f3ac07b",
    title="Hamlet, opening night",
    right="Row 4 seat 12",
    not_before=datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
    not_after=datetime(2026, 11, 22, 23, 30, tzinfo=UTC),
    ticket_id="7f8a3c52-8d7e-4b1c-9a55-2f6b1f0a9d11",
    origin="ledger.example/2026",
)
ODD = (
    "Zażółć gęślą jaźń", "Ærø – “Łódź” €9", "日本の夜", "\u202eevil\u0000\n\r\t\x1b@",
    "[/red] (bold) \\ <b>", "😀" * 40, "\ud800", "e\u0301" * 30, "",
)  # fmt: skip
LONG = ("W" * 400, "a b " * 100, "Die " + "Donaudampfschifffahrtsgesellschaft" * 6)
CUT = b"\x1dV"


def test_the_pages_code_is_read_back_off_the_page(tmp_path):
    assert _scanned(tmp_path, pdf.render(PAPER)) == PAPER.code


@pytest.mark.parametrize("text", [ODD[0], ODD[2], LONG[0], LONG[2]], ids=ascii)
def test_odd_and_long_words_leave_the_code_readable(tmp_path, text):
    paper = replace(PAPER, title=text, right=text, origin=text)
    assert _scanned(tmp_path, pdf.render(paper)) == PAPER.code


def test_the_page_says_what_the_ticket_is_for(tmp_path):
    said = _text_of(tmp_path, pdf.render(PAPER))
    for wanted in (
        "Hamlet, opening night", "Row 4 seat 12", "No. D1-000017", PAPER.code,
        "Sun 22 Nov 2026, 18:00 UTC", "Sun 22 Nov 2026, 23:30 UTC", PAPER.origin,
    ):  # fmt: skip
        assert wanted in said


def test_the_page_has_the_size_of_a_ticket_and_one_page(tmp_path):
    (tmp_path / "ticket.pdf").write_bytes(pdf.render(PAPER))
    said = _run("pdfinfo", tmp_path / "ticket.pdf")
    assert re.search(r"Pages: +1\n", said)
    width, height = re.findall(r"Page size: +([\d.]+) x ([\d.]+) pts", said)[0]
    assert (round(float(width) / 72 * 25.4), round(float(height) / 72 * 25.4)) == (
        210, 82,
    )  # fmt: skip


@pytest.mark.parametrize("render", [pdf.render, escpos.render], ids=["page", "roll"])
def test_one_ticket_gives_the_same_bytes_always(render):
    assert render(PAPER) == render(replace(PAPER))
    other = render(replace(PAPER, code="ETL1:D1-000018:9f3ac07b"))
    assert other != render(PAPER)


def test_the_same_ticket_is_the_same_in_another_program():
    program = (
        "import hashlib; from dispenser.hardware import escpos, pdf\n"
        "from tests.dispenser.test_hardware import PAPER\n"
        "print(*(hashlib.sha256(r(PAPER)).hexdigest()"
        " for r in (pdf.render, escpos.render)))"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )  # fmt: skip
    here = [hashlib.sha256(r(PAPER)).hexdigest() for r in (pdf.render, escpos.render)]
    assert there.stdout.split() == here


@pytest.mark.parametrize("text", [*ODD, *LONG], ids=ascii)
@pytest.mark.parametrize("render", [pdf.render, escpos.render], ids=["page", "roll"])
def test_no_word_makes_a_paper_fail(render, text):
    render(replace(PAPER, title=text, right=text, origin=text))


@settings(max_examples=20)
@given(text=st.text(max_size=250))
def test_no_text_makes_a_paper_fail(text):
    for render in (pdf.render, escpos.render):
        assert render(replace(PAPER, title=text, right=text))


def test_the_roll_begins_anew_and_ends_with_a_cut():
    sent = escpos.render(PAPER)
    assert sent.startswith(b"\x1b@")
    assert sent.count(CUT) == 1
    assert sent.index(CUT) > sent.index(PAPER.code.encode(), sent.index(b"\x1d(k"))
    assert sent[sent.index(CUT) :] in (b"\x1dV\x00", b"\x1dVA\x00", b"\x1dVB\x00")


def test_the_rolls_code_is_stored_and_printed_by_the_printer_itself():
    functions = _qr_functions(escpos.render(PAPER))
    # GS ( k: 65 model, 67 module size, 69 error correction, 80 store, 81 print.
    assert [number for number, _ in functions] == [65, 67, 69, 80, 81]
    said = dict(functions)
    assert said[67] == bytes([escpos.QR_DOTS])
    assert said[69] == b"1"  # M
    assert said[80] == b"0" + PAPER.code.encode()


def test_the_roll_is_in_the_code_page_that_it_chooses():
    sent = escpos.render(replace(PAPER, title="Zoë’s €9 Łódź", right="Grün 日"))
    table = re.findall(rb"\x1bt(.)", sent, re.DOTALL)
    assert set(table) == {b"\x10"}  # 16 is WPC1252 in the TM-T88V's list.
    assert "Zoë’s €9 Lódz".encode("cp1252") in sent
    assert "Grün ?".encode("cp1252") in sent


def test_the_roll_says_what_the_ticket_is_for_within_its_columns():
    lines = _lines(escpos.render(replace(PAPER, title=LONG[1], origin=LONG[2])))
    said = " ".join(lines)
    for wanted in ("No. D1-000017", "Row 4 seat 12", "Sun 22 Nov 2026, 18:00 UTC"):
        assert wanted in said
    assert max(map(len, lines)) <= escpos.COLUMNS


def test_no_word_of_an_issuer_reaches_the_printer_as_a_command():
    evil = "\x1b@\x1dV\x00\x1b=\x02"
    sent = escpos.render(replace(PAPER, title=evil, right=evil, origin=evil))
    assert (sent.count(CUT), sent.count(b"\x1b@"), sent.count(b"\x1b=")) == (1, 1, 0)


def test_times_are_told_in_the_zone_that_is_asked_for():
    tokyo = PAPER.in_zone(timezone(timedelta(hours=9), "JST"))
    assert tokyo.opens == "Mon 23 Nov 2026, 03:00 JST"


@given(text=st.text())
def test_what_is_printable_is_bounded_and_of_the_printers_letters(text):
    kept = printable(text, can=str.isascii)
    assert len(kept) <= TEXT_MAX
    assert all(letter.isascii() and letter.isprintable() for letter in kept)


# Printers that fail.


def test_a_file_comes_whole_or_not_at_all(tmp_path, monkeypatch):
    printer = FilePrinter(tmp_path, suffix=".pdf", render=lambda _: b"paper")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(NotPrinted, match="No space left"):
            printer.print_ticket(PAPER)
    assert list(tmp_path.iterdir()) == []
    printer.print_ticket(PAPER)
    assert [path.name for path in tmp_path.iterdir()] == ["D1-000017.pdf"]


def test_a_paper_whose_name_may_not_be_on_disk_is_a_doubt(tmp_path, monkeypatch):
    printer = FilePrinter(tmp_path, suffix=".pdf", render=lambda _: b"paper")
    flush, flushed = os.fsync, []

    def full(handle: int) -> None:
        flushed.append(handle)
        if len(flushed) == 2:
            raise OSError(5, "Input/output error")
        flush(handle)

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(PrintUnknown, match="Input/output error"):
            printer.print_ticket(PAPER)
    assert len(flushed) == 2


def test_papers_are_not_for_everybodys_eyes(tmp_path):
    FilePrinter(tmp_path / "papers", suffix=".pdf", render=pdf.render).ready()
    assert (tmp_path / "papers").stat().st_mode & 0o077 == 0


def test_a_file_is_never_printed_over(tmp_path):
    printer = FilePrinter(tmp_path, suffix=".pdf", render=lambda _: b"second")
    printer.place(PAPER.serial).write_bytes(b"first")
    with pytest.raises(PrintUnknown, match="printed before"):
        printer.print_ticket(PAPER)
    assert printer.place(PAPER.serial).read_bytes() == b"first"


def test_a_folder_that_cannot_be_is_said_before_the_lease(tmp_path):
    (tmp_path / "papers").write_bytes(b"a file")
    with pytest.raises(NotPrinted):
        FilePrinter(tmp_path / "papers", suffix=".x", render=lambda _: b"").ready()


def test_a_printer_that_is_away_has_not_printed(tmp_path):
    printer = DevicePrinter(tmp_path / "away" / "lp0", render=escpos.render)
    with pytest.raises(NotPrinted, match="does not answer"):
        printer.ready()
    with pytest.raises(NotPrinted):
        printer.print_ticket(PAPER)


def test_a_printer_gets_every_byte(tmp_path):
    device = tmp_path / "lp0"
    device.write_bytes(b"")
    printer = DevicePrinter(device, render=escpos.render)
    printer.ready()
    printer.print_ticket(PAPER)
    assert device.read_bytes() == escpos.render(PAPER)


@pytest.mark.parametrize(
    ("taken", "fault"), [(0, NotPrinted), (1, PrintUnknown), (100, PrintUnknown)]
)
def test_a_printer_that_stops_has_not_printed_only_if_it_took_nothing(
    tmp_path, taken, fault
):
    device = tmp_path / "lp0"
    device.write_bytes(b"")
    with pytest.raises(fault, match="too large"), _bytes_at_most(taken):
        DevicePrinter(device, render=escpos.render).print_ticket(PAPER)
    assert len(device.read_bytes()) == taken


def test_of_several_printers_the_first_decides_whether_it_was_printed(tmp_path):
    good = FilePrinter(tmp_path, suffix=".a", render=lambda _: b"a")
    away = DevicePrinter(tmp_path / "lp0", render=escpos.render)
    with pytest.raises(NotPrinted):
        Printers([away, good]).print_ticket(PAPER)
    with pytest.raises(PrintUnknown):
        Printers([good, away]).print_ticket(PAPER)


# Display and keyboard.


@pytest.mark.parametrize("text", [*ODD[:8], LONG[0]], ids=ascii)
def test_no_word_on_the_display_is_a_command_or_a_fault(text):
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=False)
    TerminalDisplay(console, name="Dispenser").show(printable(text, can=bool), "[b]")
    assert "[b]" in out.getvalue()


def test_an_empty_line_and_the_end_of_the_lines_are_giving_up():
    keyboard = LineKeyboard(io.StringIO("  12.03.1990 \n\n"))
    assert [keyboard.line() for _ in range(3)] == ["12.03.1990", None, None]


def test_one_long_line_is_one_answer():
    keyboard = LineKeyboard(io.StringIO("9" * 5 * LINE_MAX + "\nnext\n"))
    assert len(keyboard.line() or "") == LINE_MAX
    assert keyboard.line() == "next"


def test_given_answers_come_once_each():
    keyboard = AnswersKeyboard(["a", "b"])
    assert [keyboard.line() for _ in range(3)] == ["a", "b", None]


# How papers are read.


def _scanned(folder: Path, page: bytes) -> str:
    (folder / "ticket.pdf").write_bytes(page)
    _run("pdftoppm", "-r", "150", "-png", folder / "ticket.pdf", folder / "ticket")
    (picture,) = folder.glob("ticket*.png")
    return _run("zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", picture)[
        :-1
    ]


def _text_of(folder: Path, page: bytes) -> str:
    (folder / "ticket.pdf").write_bytes(page)
    return _run("pdftotext", "-layout", folder / "ticket.pdf", "-")


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def _qr_functions(sent: bytes) -> list[tuple[int, bytes]]:
    """Take the GS ( k commands apart: length, cn = 49, function, parameters."""
    found, at = [], sent.find(b"\x1d(k")
    while at >= 0:
        length = int.from_bytes(sent[at + 3 : at + 5], "little")
        body = sent[at + 5 : at + 5 + length]
        assert body[0] == 49
        found.append((body[1], body[2:]))
        at = sent.find(b"\x1d(k", at + 5 + length)
    return found


def _lines(sent: bytes) -> list[str]:
    """Return what stands on the roll, the commands taken out."""
    plain, at = bytearray(), 0
    while at < len(sent):
        if sent[at : at + 3] == b"\x1d(k":
            at += 5 + int.from_bytes(sent[at + 3 : at + 5], "little")
        elif sent[at : at + 2] == b"\x1b@":
            at += 2
        elif sent[at] in b"\x1b\x1d":
            at += 3
        else:
            plain.append(sent[at])
            at += 1
    return plain.decode("cp1252").split("\n")


@contextmanager
def _bytes_at_most(count: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as a printer takes no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
