"""The kinds of values that travel as JSON, each strict about its own form.

Nothing is guessed: "5" is no number, a time has a zone, hex is lower-case, and an id
has one way of being written.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from marshmallow import Schema, ValidationError, fields, validate

from ledger.vocabulary.text import is_text

TEXT_MAX = 200
YEAR_MIN = 2000
YEAR_MAX = 2199
INTEGER_MAX = 2**53 - 1  # What every JSON reader keeps exact (RFC 8259 section 6).

_CANONICAL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"([0-9a-f]{2})*")
_BASE64_PATTERN = "^[A-Za-z0-9+/]*={0,2}$"


class Text(fields.String):
    """Text of bounded length, without control characters."""

    def __init__(self, *, most: int = TEXT_MAX, least: int = 1, **more: Any) -> None:
        super().__init__(validate=validate.Length(min=least, max=most), **more)

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if not is_text(text):
            raise ValidationError("Text has no control characters.")
        return text


class Whole(fields.Integer):
    """A whole number within bounds; neither 5.0 nor true is one."""

    def __init__(self, *, least: int = 0, most: int = INTEGER_MAX, **more: Any) -> None:
        within = validate.Range(min=least, max=most)
        super().__init__(strict=True, validate=within, **more)


class Digits(fields.Integer):
    """A whole number within bounds, as it stands in a query."""

    def __init__(self, *, least: int = 0, most: int = INTEGER_MAX, **more: Any) -> None:
        super().__init__(validate=validate.Range(min=least, max=most), **more)

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit()
        if not digits or len(value) > len(str(INTEGER_MAX)):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *rest, **more)


class Flag(fields.Boolean):
    """true or false; no other word for them."""

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Id(fields.UUID):
    """A UUID in its canonical form (RFC 9562 section 4)."""

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> UUID:
        if not isinstance(value, str) or not _CANONICAL_ID.fullmatch(value):
            raise self.make_error("invalid_uuid")
        return UUID(value)


class Time(fields.AwareDateTime):
    """A moment with its zone (RFC 3339), told in UTC."""

    def _serialize(self, value: datetime | None, *rest: Any, **more: Any) -> Any:
        if value is None:
            return None
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> datetime:
        moment = super()._deserialize(value, *rest, **more)
        if not YEAR_MIN <= moment.year <= YEAR_MAX:
            raise ValidationError(f"The year is between {YEAR_MIN} and {YEAR_MAX}.")
        # Whole minutes, as RFC 3339 writes an offset.
        if (moment.utcoffset() or timedelta()) % timedelta(minutes=1):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return moment.astimezone(UTC)


class Hex(fields.String):
    """Bytes in lower-case hex; `size` is how many bytes, exactly or at most."""

    def __init__(self, *, size: int | None = None, most: int = 0, **more: Any) -> None:
        count = f"{{{2 * size}}}" if size is not None else f"{{0,{2 * most}}}"
        metadata = {"pattern": f"^[0-9a-f]{count}$", **more.pop("metadata", {})}
        super().__init__(metadata=metadata, **more)
        self._size = size
        self._most = most

    def _serialize(self, value: Any, *rest: Any, **more: Any) -> str | None:
        return value.hex() if isinstance(value, bytes) else value

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> Any:
        text = super()._deserialize(value, *rest, **more)
        fits = len(text) <= 2 * self._most
        if self._size is not None:
            fits = len(text) == 2 * self._size
        if not fits or not _HEX.fullmatch(text):
            size = self._size if self._size is not None else f"at most {self._most}"
            raise ValidationError(f"This is {size} bytes in lower-case hex.")
        return bytes.fromhex(text)


class Base64(fields.String):
    """Bytes in base64 with its padding (RFC 4648 section 4)."""

    def __init__(self, *, most: int, **more: Any) -> None:
        metadata = {"pattern": _BASE64_PATTERN, **more.pop("metadata", {})}
        super().__init__(metadata=metadata, **more)
        self._most = most

    def _serialize(self, value: Any, *rest: Any, **more: Any) -> str | None:
        return None if value is None else b64encode(value).decode()

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> Any:
        text = super()._deserialize(value, *rest, **more)
        try:
            raw = b64decode(text, validate=True)
        except ValueError:
            raise ValidationError("This is not base64.") from None
        if len(raw) > self._most:
            raise ValidationError(f"This is at most {self._most} bytes.")
        return raw


class Choice(fields.String):
    """One word of a closed list."""

    def __init__(self, *words: str, **more: Any) -> None:
        super().__init__(validate=validate.OneOf(words), **more)


def about(says: str, *examples: object) -> dict[str, Any]:
    """Describe a field for the document."""
    described: dict[str, Any] = {"description": says}
    if examples:
        described["examples"] = list(examples)
    return described


def words(kind: type[Enum]) -> list[str]:
    return [str(member.value) for member in kind]


def sentence(messages: Mapping[str, Any] | list[Any]) -> str:
    """Make one sentence of what is wrong, naming the first field it is wrong with."""
    path: list[str] = []
    found: Any = messages
    while isinstance(found, dict) and found:
        name, found = next(iter(found.items()))
        if name != "_schema":
            path.append(str(name))
    says = str(found[0] if isinstance(found, list) and found else found)
    if path[:1] == ["json"]:
        del path[0]
    return f"{'.'.join(path)}: {says}" if path else says


class Strict(Schema):
    """A JSON object without fields that nobody reads."""
