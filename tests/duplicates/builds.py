"""Broken servers: each forgets a part of what a key promises, and must be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from api import idempotency
from ledger.adapters.answers import AnswerStore, Asked, InFlight, New

Put: TypeAlias = Callable[[object, str, object], None]
"""Puts something in an attribute's place, until the build is over."""


@dataclass(frozen=True, slots=True)
class Build:
    """What is broken; `says` stands in a sentence of those that find it."""

    breaks: Callable[[Put], None]
    says: str


def _nothing_kept(put: Put) -> None:
    """No key is known to the store, and none goes into the log."""
    put(AnswerStore, "begin", _as_if_new)
    put(idempotency, "_command", lambda _: None)


def _not_in_the_log(put: Put) -> None:
    """Who comes while another is at it begins as well; the log does not mind."""
    begin = AnswerStore.begin

    def hasty(self: AnswerStore, asked: Asked, *, at: datetime) -> object:
        begun = begin(self, asked, at=at)
        return New(asked, 1, at) if isinstance(begun, InFlight) else begun

    put(AnswerStore, "begin", hasty)
    put(idempotency, "_command", lambda _: None)


def _answers_forgotten(put: Put) -> None:
    """Commands are carried out once, and what was answered is not kept."""

    def forgetful(self: AnswerStore, new: New, *_: object) -> None:
        self.let_go(new)

    put(AnswerStore, "keep", forgetful)


def _any_request(put: Put) -> None:
    """A key stands for whatever comes under it."""
    asked = idempotency._asked

    def same() -> Asked | None:
        its = asked()
        return its and Asked(its.actor, its.key, bytes(32))

    put(idempotency, "_asked", same)


def _as_if_new(_: Any, asked: Asked, *, at: datetime) -> New:
    return New(asked, 1, at)


BUILDS: Mapping[str, Build] = {
    "nothing kept": Build(_nothing_kept, "effects"),
    "not in the log": Build(_not_in_the_log, "effects"),
    "answers forgotten": Build(_answers_forgotten, "answered in"),
    "any request": Build(_any_request, "not exactly one was refused"),
}
