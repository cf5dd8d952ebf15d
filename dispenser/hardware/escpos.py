"""The paper of a receipt printer: ESC/POS, 80 mm wide, cut off at the end.

The bytes are built first and sent after, so that a printer never stops half-way
because of us. The profile is Epson's TM-T88V; most printers understand what is used
here: styles, Windows-1252 text, the printer's own QR code and a cut.
"""

from textwrap import wrap

from escpos.constants import QR_ECLEVEL_M
from escpos.printer import Dummy

from dispenser.hardware.printer import TicketPaper, printable

PROFILE = "TM-T88V"
CHARACTERS = "CP1252"
COLUMNS = 42  # Font A on 80 mm paper.
QR_DOTS = 8  # A module's side: 1 mm at 203 dpi.


def render(paper: TicketPaper) -> bytes:
    """Return what is sent to the printer for one ticket."""
    out = Dummy(profile=PROFILE)
    out.hw("INIT")
    out.charcode(CHARACTERS)

    out.set(align="center", bold=True, custom_size=True, width=2, height=2)
    for line in _lines(paper.title, COLUMNS // 2):
        out.textln(line)
    out.set(align="center", normal_textsize=True, bold=False)
    out.textln("-" * COLUMNS)

    out.set(align="center", bold=True, custom_size=True, width=2, height=2)
    for line in _lines(paper.right, COLUMNS // 2):
        out.textln(line)
    out.set(align="center", normal_textsize=True, bold=False)
    out.ln()
    out.textln(_text(f"Valid from  {paper.opens}"))
    out.textln(_text(f"until  {paper.closes}"))
    out.ln()

    out.qr(paper.code, native=True, size=QR_DOTS, ec=QR_ECLEVEL_M)
    out.ln()
    out.set(align="center", bold=True)
    out.textln(f"No. {paper.serial}")
    out.set(align="center", bold=False)
    out.textln(_text(paper.code))
    for line in _lines(f"Issued by {paper.origin}", COLUMNS):
        out.textln(line)
    out.cut()
    sent: bytes = out.output
    return sent


def _lines(text: str, columns: int) -> list[str]:
    return wrap(_text(text), columns) or [""]


def _text(text: str) -> str:
    return printable(text, can=_in_code_page)


def _in_code_page(letter: str) -> bool:
    try:
        return bool(letter.encode(CHARACTERS))
    except UnicodeEncodeError:
        return False
