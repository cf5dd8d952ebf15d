"""Writes docs/refusals.md from the code: `python -m tests.house.refusal_catalogue`.

Codes and sentences come from the classes, what to do about them from `api.advice`; a
test compares.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path

import api
import ledger
from api import problems
from api.advice import DO
from ledger.aggregates.medium.judge import CODES
from ledger.errors import Refusal
from ledger.vocabulary.codes import VERDICT_SAYS, Verdict

PATH = Path(__file__).parents[2] / "docs" / "refusals.md"

OPENING = """\
# Refusals

A refusal is an outcome that the caller can act on. Over HTTP it leaves as
`application/problem+json` (RFC 9457) with the `code`, one sentence (`detail`), the
`facts` that the sentence was made of, `do`: what to do now, and `because`: the events
that decided it, as `stream id/version`. On the command line it is the sentence, with
exit code 1.

A code is stable and never changes its meaning; sentences may be told better. The kinds
have one status each: what is *missing* 404, a *conflict* with the present state 409,
what this caller is *denied* 403, what makes no sense in whatever state (*malformed*)
422.

Made by `python -m tests.house.refusal_catalogue`.
"""

TAPS = """
## What a tap says

A card that is judged is not refused: the answer has a verdict, and a code unless the
card is good. Its slots have codes of their own, which mean what they mean above.

| verdict | code | what the person reads |
|---|---|---|
"""

OTHERS = """
## Answers that are no refusals

| code | status | when | what to do |
|---|---|---|---|
"""
_OTHERS = (
    ("unauthenticated", 401, "There is no bearer token, or none that is valid now."),
    ("unavailable", 503, "The database cannot be reached just now."),
    ("took_too_long", 503, "The database took longer over this than is allowed here."),
    ("projection_behind", 503, "A view has not reached the position asked for yet."),
)


def refusals() -> dict[str, list[type[Refusal]]]:
    """All refusals of the ledger and its doors, by code."""
    for package in (ledger, api):
        _import_all(package.__path__, package.__name__)
    found: dict[str, list[type[Refusal]]] = {}
    for kind in sorted(set(_below(Refusal)), key=_order):
        if kind.__module__.partition(".")[0] in ("ledger", "api") and "code" in vars(
            kind
        ):
            found.setdefault(kind.code, []).append(kind)
    return dict(sorted(found.items()))


def _import_all(path: Iterable[str], name: str) -> None:
    for module in pkgutil.walk_packages(path, f"{name}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _order(kind: type[Refusal]) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


def catalogue() -> str:
    sections = "".join(_section(code, kinds) for code, kinds in refusals().items())
    return OPENING + sections + TAPS + _taps() + OTHERS + _answers()


def _section(code: str, kinds: list[type[Refusal]]) -> str:
    rows = "".join(f"| {_told(kind)} |\n" for kind in kinds)
    head = "| sentence | status | where |\n|---|---|---|\n"
    return f"\n## `{code}`\n\n{DO.get(code, '')}\n\n{head}{rows}"


def _told(kind: type[Refusal]) -> str:
    where = f"`{kind.__module__}.{kind.__name__}`"
    return f"{kind.says} | {_status(kind).value} | {where}"


def _status(kind: type[Refusal]) -> HTTPStatus:
    if issubclass(kind, problems.MalformedJson):
        return HTTPStatus.BAD_REQUEST
    return next(
        status
        for each, status in problems.STATUS_BY_KIND.items()
        if issubclass(kind, each)
    )


def _taps() -> str:
    return "".join(
        f"| `{verdict}` | {_code(CODES[verdict])} | {VERDICT_SAYS[verdict]} |\n"
        for verdict in Verdict
    )


def _code(code: str | None) -> str:
    return f"`{code}`" if code else "–"


def answers() -> list[tuple[str, int, str]]:
    """What is answered without a refusal of ours: code, status, when."""
    framework = problems.FRAMEWORK.items()
    return [*_OTHERS, *((code, status, says) for status, (code, says) in framework)]


def _answers() -> str:
    return "".join(
        f"| `{code}` | {status} | {says} | {DO[code]} |\n"
        for code, status, says in answers()
    )


if __name__ == "__main__":
    PATH.write_text(catalogue(), "utf-8")
    sys.stdout.write(f"{PATH} written\n")
