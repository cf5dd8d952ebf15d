"""Reading answers: JSON into frozen values, by what their classes say.

A member that a value's class does not name is passed over: a server may come to tell
more. A member that is missing without a default, or of another kind, makes the answer
unreadable, and an unreadable answer is none.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from ledger_client.connection import Answer
from ledger_client.problems import Json, Problem, Unreachable, retry_after_s

_T = TypeVar("_T")
Reader = Callable[[Any], Any]


def read_answer(answer: Answer) -> Json:
    """Return what an answer says; `{}` if it has no body.

    Raises `Problem` for a refusal, and `Unreachable` for what is no answer of a
    ledger: a redirection, another server's page, JSON that is no object.
    """
    try:
        said = json.loads(answer.body) if answer.body else {}
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and 200 <= answer.status < 300:
        return said
    if isinstance(said, dict) and answer.status >= 400:
        problem = Problem.read(answer.status, said, answer.headers)
        if problem is not None:
            raise problem
    raise Unreachable(
        f"What answered with {answer.status} is no ledger.",
        retry_after_s=retry_after_s(answer.headers),
    )


def read(kind: type[_T], said: Any) -> _T:
    """Read one value of a dataclass. Raises `Unreachable` if it is not of the form."""
    its: Any = kind  # A class is hashable, whatever `type[T]` promises.
    try:
        value: _T = _reader(its)(said)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unreachable(f"The answer is no {kind.__name__}: {error}.") from error
    return value


@cache
def _reader(kind: Any) -> Reader:
    """Return what reads a kind of value from its JSON."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _of_members(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        each = _reader(inner[0])
        return lambda said: tuple(each(one) for one in _exactly(list, said))
    if origin in (Union, UnionType) and NoneType in inner:
        (given,) = (one for one in inner if one is not NoneType)
        some = _reader(given)
        return lambda said: None if said is None else some(said)
    if origin is dict:
        return lambda said: _exactly(dict, said)
    raise TypeError(f"no answer holds a {kind}")


def _of_members(kind: type) -> Reader:
    hints = get_type_hints(kind)
    readers: dict[str, Reader] = {}
    wanted: set[str] = set()
    for each in dataclasses.fields(kind):
        readers[each.name] = _reader(hints[each.name])
        if each.default is dataclasses.MISSING:
            wanted.add(each.name)

    def members(said: Any) -> Any:
        told = _exactly(dict, said)
        return kind(
            **{
                name: reader(told[name])
                for name, reader in readers.items()
                if name in told or name in wanted
            }
        )

    return members


def _exactly(kind: type[_T], said: Any) -> _T:
    # `type` and not `isinstance`: a truth value is no number.
    if type(said) is not kind:
        raise TypeError(f"{said!r:.40} is no {kind.__name__}")
    return said


def _time(said: Any) -> datetime:
    at = datetime.fromisoformat(_exactly(str, said))
    if at.tzinfo is None:
        raise ValueError(f"{said} tells no time zone")
    return at


_SCALARS: dict[Any, Reader] = {
    str: lambda said: _exactly(str, said),
    int: lambda said: _exactly(int, said),
    bool: lambda said: _exactly(bool, said),
    UUID: lambda said: UUID(_exactly(str, said)),
    datetime: _time,
    bytes: lambda said: bytes.fromhex(_exactly(str, said)),
}
