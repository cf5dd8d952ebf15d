"""The paper of a page printer: one ticket of 210 × 82 mm, with a stub to tear off.

    ┌───┬──────────────────────────────────┬ ─ ┬──────────┐
    │ A │  ADMISSION                       ╎   │ ▓▓▓▓▓▓▓▓ │
    │ D │  Hamlet, opening night           ╎   │ ▓▓ QR ▓▓ │
    │ M │  Row 4 seat 12                   ╎   │ ▓▓▓▓▓▓▓▓ │
    │ I │  from … until …                  ╎   │ No. D1-… │
    └───┴──────────────────────────────────┴ ─ ┴──────────┘

The same ticket gives the same bytes, always. Fonts are embedded, the QR code is drawn
as squares and stays sharp at any resolution.
"""

import io
from functools import cache
from textwrap import wrap

import segno
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import getFont, registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from dispenser.hardware.printer import TicketPaper, printable

WIDTH, HEIGHT = 210 * mm, 82 * mm
STUB = 52 * mm
BAND = 17 * mm
MARGIN = 9 * mm
QR_SIDE = 33 * mm
QR_QUIET_MODULES = 4  # ISO/IEC 18004: light all around.

INK = HexColor("#1d1a2b")
ACCENT = HexColor("#7a1f3d")
SOFT = HexColor("#6d6878")
PAPER = HexColor("#fbf7f0")
GOLD = HexColor("#c9a45c")
WHITE = HexColor("#ffffff")

REGULAR, BOLD = "Vera", "VeraBd"  # Bitstream Vera, which comes with reportlab.


def render(paper: TicketPaper) -> bytes:
    """Return a PDF of one page."""
    _fonts()
    whole = io.BytesIO()
    page = Canvas(whole, pagesize=(WIDTH, HEIGHT), invariant=True, pageCompression=1)
    page.setTitle(_text(f"{paper.title}: {paper.serial}"))
    page.setAuthor(_text(paper.origin))
    page.setSubject("Ticket")
    _ground(page)
    _body(page, paper)
    _stub(page, paper)
    page.showPage()
    page.save()
    return whole.getvalue()


def _ground(page: Canvas) -> None:
    page.setFillColor(PAPER)
    page.rect(0, 0, WIDTH, HEIGHT, stroke=0, fill=1)
    page.setFillColor(ACCENT)
    page.rect(0, 0, BAND, HEIGHT, stroke=0, fill=1)
    page.setFillColor(GOLD)
    page.rect(BAND, 0, 1.1 * mm, HEIGHT, stroke=0, fill=1)

    page.saveState()
    page.translate(BAND / 2, HEIGHT / 2)
    page.rotate(90)
    page.setFillColor(PAPER)
    page.setFont(BOLD, 15)
    page.drawCentredString(0, -5.2, "A D M I T   O N E")
    page.restoreState()

    tear = WIDTH - STUB
    page.setStrokeColor(SOFT)
    page.setLineWidth(0.7)
    page.setDash(2, 2.4)
    page.line(tear, 5 * mm, tear, HEIGHT - 5 * mm)
    page.setDash()
    page.setFillColor(WHITE)
    for edge in (0, HEIGHT):  # Where to tear.
        page.circle(tear, edge, 3 * mm, stroke=0, fill=1)


def _body(page: Canvas, paper: TicketPaper) -> None:
    left = BAND + MARGIN
    width = WIDTH - STUB - MARGIN - left
    bottom = HEIGHT - 14 * mm
    _label(page, left, bottom, "ADMISSION")
    page.setFillColor(INK)
    bottom = _block(
        page, left, bottom - 4 * mm, paper.title, width, sizes=(25, 21, 17, 14)
    )
    page.setStrokeColor(GOLD)
    page.setLineWidth(1.2)
    page.line(left, bottom - 3.4 * mm, left + 26 * mm, bottom - 3.4 * mm)
    page.setFillColor(ACCENT)
    _block(page, left, bottom - 6.6 * mm, paper.right, width, sizes=(20, 17, 14, 11))

    for at, label, when in (
        (left, "VALID FROM", paper.opens),
        (left + width / 2, "UNTIL", paper.closes),
    ):
        _label(page, at, 20.4 * mm, label)
        page.setFillColor(INK)
        page.setFont(BOLD, 9.2)
        page.drawString(at, 15.6 * mm, _text(when))
    page.setFillColor(SOFT)
    page.setFont(REGULAR, 6)
    issued = _text(f"Issued by {paper.origin}  ·  Ticket {paper.ticket_id}")
    page.drawString(left, 7 * mm, _shortened(issued, REGULAR, 6, width))


def _stub(page: Canvas, paper: TicketPaper) -> None:
    centre = WIDTH - STUB / 2
    quiet = _qr(page, paper.code, centre, HEIGHT - 9 * mm)
    page.setFillColor(INK)
    page.setFont(BOLD, 12)
    page.drawCentredString(centre, quiet - 8 * mm, f"No. {_text(paper.serial)}")
    page.setFont(REGULAR, 6.6)
    page.setFillColor(SOFT)
    page.drawCentredString(centre, quiet - 12.5 * mm, _text(paper.code))
    page.setFont(REGULAR, 6)
    width = STUB - 8 * mm
    for row, text in enumerate((paper.title, paper.right)):
        short = _shortened(_text(text), REGULAR, 6, width)
        page.drawCentredString(centre, (10 - 3 * row) * mm, short)


def _qr(page: Canvas, code: str, centre: float, top: float) -> float:
    """Draw the code on white under `top`; return where its white ends below."""
    matrix = segno.make(code, error="m", micro=False).matrix
    modules = len(matrix) + 2 * QR_QUIET_MODULES
    side = QR_SIDE + 2 * QR_QUIET_MODULES * QR_SIDE / len(matrix)
    unit = side / modules
    left, bottom = centre - side / 2, top - side
    page.setFillColor(WHITE)
    page.rect(left, bottom, side, side, stroke=0, fill=1)
    page.setFillColor(INK)
    dark = page.beginPath()
    for row, line in enumerate(matrix):
        for column, bit in enumerate(line):
            if bit:
                x = left + (column + QR_QUIET_MODULES) * unit
                y = top - (row + QR_QUIET_MODULES + 1) * unit
                dark.rect(x, y, unit, unit)
    page.drawPath(dark, stroke=0, fill=1)
    return bottom


def _label(page: Canvas, left: float, bottom: float, text: str) -> None:
    page.setFillColor(SOFT)
    page.setFont(BOLD, 6.4)
    page.drawString(left, bottom, text, charSpace=1.1)


def _block(
    page: Canvas,
    left: float,
    top: float,
    text: str,
    width: float,
    *,
    sizes: tuple[int, ...],
) -> float:
    """Set bold text in at most two lines, as large as it fits; return its bottom."""
    size, lines = _fitted(_text(text), width, sizes)
    bottom = top
    for line in lines:
        bottom -= size
        page.setFont(BOLD, size)
        page.drawString(left, bottom, line)
        bottom -= size * 0.18
    return bottom


def _fitted(
    text: str, width: float, sizes: tuple[int, ...]
) -> tuple[int, tuple[str, ...]]:
    for size in sizes:
        for lines in ((text,), tuple(wrap(text, max(1, (len(text) + 6) // 2)))):
            fits = all(stringWidth(line, BOLD, size) <= width for line in lines)
            if fits and len(lines) <= 2:
                return size, lines
    size = sizes[-1]
    return size, (_shortened(text, BOLD, size, width),)


def _shortened(text: str, font: str, size: float, width: float) -> str:
    if stringWidth(text, font, size) <= width:
        return text
    while text and stringWidth(text + "…", font, size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _text(text: str) -> str:
    return printable(text, can=_drawable)


def _drawable(letter: str) -> bool:
    font = getFont(REGULAR)
    return isinstance(font, TTFont) and ord(letter) in font.face.charToGlyph


@cache
def _fonts() -> None:
    for name in (REGULAR, BOLD):
        registerFont(TTFont(name, f"{name}.ttf"))
