"""The chain of title as a picture: a Mermaid flowchart, or an SVG that stands alone.

Whatever somebody wrote is text in both, and never a part of the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from xml.sax.saxutils import escape

from ledger.usecases import audit as tell

WIDTH, BOX_HEIGHT, GAP, TOP, MARGIN = 560, 58, 52, 84, 28
_HEADING_MAX = 44
_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" \
viewBox="0 0 {width} {height}" role="img" font-family="system-ui, sans-serif">
<title>{title}</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{left}" y="34" font-size="18" font-weight="600" fill="#1b1f24">{heading}</text>
<text x="{left}" y="58" font-size="12" fill="#57606a">{below}</text>
"""
_BOX = """\
<rect x="{left}" y="{y}" width="{wide}" height="{high}" rx="8" fill="{fill}" \
stroke="{stroke}"/>
<text x="{inner}" y="{name_y}" font-size="14" font-family="ui-monospace, monospace" \
fill="#1b1f24">{name}</text>
<text x="{inner}" y="{time_y}" font-size="12" fill="#57606a">{time}</text>
"""
_ARROW = """\
<path d="M {x} {y1} V {y2}" stroke="#57606a" stroke-width="1.5"/>
<path d="M {x_left} {head} L {x} {y2} L {x_right} {head}" fill="none" \
stroke="#57606a" stroke-width="1.5"/>
<text x="{label_x}" y="{label_y}" font-size="12" fill="#1b1f24">{label}</text>
"""


def mermaid(ticket: tell.TicketAsOf, chain: Sequence[tell.OwnerLine]) -> str:
    """Return a flowchart: owners are nodes, title events the arrows between them."""
    lines = ["flowchart TD", f'  start(["{_quoted(_right(ticket))}"])']
    before = "start"
    for number, line in enumerate(chain, 1):
        node = f"owner{number}"
        held = f"{line.owner_id}<br/>{_time(line.since)} to {_until(line)}"
        lines += [
            f'  {node}["{held}"]',
            f'  {before} -->|"{line.event}, position {line.position}"| {node}',
        ]
        before = node
    life = ticket.parts["life"]["life"]
    if life != "OWNED":
        lines += [f'  ended(["{_quoted(life)}"])', f"  {before} -.-> ended"]
    return "\n".join(lines) + "\n"


def svg(ticket: tell.TicketAsOf, chain: Sequence[tell.OwnerLine]) -> str:
    """Return the chain from top to bottom; who owns it now stands out."""
    height = TOP + len(chain) * (BOX_HEIGHT + GAP) + MARGIN
    life = ticket.parts["life"]["life"]
    drawn = _HEAD.format(
        width=WIDTH,
        height=height,
        left=MARGIN,
        title=escape(f"Chain of title of ticket {ticket.ticket_id}"),
        heading=escape(_cut(_right(ticket))),
        below=f"ticket {ticket.ticket_id}, position {ticket.moment.position}",
    )
    for number, line in enumerate(chain):
        y = TOP + number * (BOX_HEIGHT + GAP) + GAP - 8
        drawn += _arrow(y, f"{line.event}, position {line.position}")
        drawn += _box(y, line, life if line.until is None else None)
    return drawn + "</svg>\n"


def _box(y: int, line: tell.OwnerLine, life: str | None) -> str:
    """Draw an owner; `life` is said of the present one alone."""
    said = f"{_time(line.since)} to {_until(line)}"
    return _BOX.format(
        left=MARGIN,
        y=y,
        wide=WIDTH - 2 * MARGIN,
        high=BOX_HEIGHT,
        fill="#f6f8fa" if life is None else "#ddf4ff",
        stroke="#d0d7de" if life is None else "#0969da",
        inner=MARGIN + 16,
        name_y=y + 25,
        time_y=y + 45,
        name=line.owner_id,
        time=escape(said if life is None else f"{said} · {life}"),
    )


def _arrow(y: int, label: str) -> str:
    x = MARGIN + 40
    return _ARROW.format(
        x=x,
        y1=y - GAP + 8,
        y2=y - 4,
        x_left=x - 5,
        x_right=x + 5,
        head=y - 10,
        label_x=x + 16,
        label_y=y - 18,
        label=escape(label),
    )


def _right(ticket: tell.TicketAsOf) -> str:
    said = ticket.parts["right"]
    text = ", ".join(part for part in (said["title"], said["right"]) if part)
    return "".join(each if each.isprintable() else " " for each in text)


def _cut(said: str) -> str:
    return said if len(said) <= _HEADING_MAX else f"{said[: _HEADING_MAX - 1]}…"


def _until(line: tell.OwnerLine) -> str:
    return _time(line.until) if line.until else "now"


def _time(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")


def _quoted(said: str) -> str:
    """Write text as Mermaid takes it between quotes: nothing of it is markup."""
    return "".join(
        each if each.isalnum() or each in " ,.-" else f"#{ord(each)};" for each in said
    )
