"""One line of an export as an event: read strictly, and in one form only."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from ledger.log.export import ExportedEvent

LINE_BYTES_MAX = 64 * 1024 * 1024

_decode = json.JSONDecoder().decode


class Wrong(ValueError):
    """What is wrong with a line."""


def exported_events(lines: Iterable[bytes]) -> Iterator[ExportedEvent]:
    """Read the events of an export, unproven. Raises `Wrong`."""
    for raw in lines:
        said = parse(raw)
        if "index" in said:
            yield event_of(said)


def parse(raw: bytes) -> dict[str, Any]:
    """Return the object of a line that still has its line feed. Raises `Wrong`."""
    if len(raw) > LINE_BYTES_MAX:
        raise Wrong(f"the line is longer than {LINE_BYTES_MAX} bytes")
    if not raw.endswith(b"\n"):
        raise Wrong("the line does not end with a line feed")
    try:
        said = _decode(raw.decode())
    except (ValueError, RecursionError):
        raise Wrong("the line is not JSON") from None
    if not isinstance(said, dict):
        raise Wrong("the line is not a JSON object")
    return said


def event_of(said: dict[str, Any]) -> ExportedEvent:
    """Return the event that a line tells; its leaf is not looked at. Raises `Wrong`."""
    named = text(said, "originator_id")
    try:
        originator_id = UUID(named)
    except ValueError:
        raise Wrong("originator_id is not a UUID") from None
    return ExportedEvent(
        index=_number(said, "index"),
        position=_number(said, "position"),
        originator_id=originator_id,
        version=_number(said, "version"),
        topic=text(said, "topic"),
        state=_state(said),
    )


def text(said: dict[str, Any], name: str) -> str:
    """Return a text that can be encoded. Raises `Wrong`."""
    value = said.get(name)
    if not isinstance(value, str):
        raise Wrong(f"{name} is missing")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{name} is not Unicode text") from None
    return value


def _state(said: dict[str, Any]) -> bytes:
    if "state" in said:
        return text(said, "state").encode()
    try:
        return base64.b64decode(text(said, "state_base64"), validate=True)
    except binascii.Error:
        raise Wrong("state_base64 is not base64") from None


def _number(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"{name} is not a whole number")
    return value
