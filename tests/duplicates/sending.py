"""Sending: every command several times, in no order, by many callers at once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from random import Random
from typing import Any, TypeAlias

COPIES = (1, 2, 3, 4, 6)
TWINS_SHARE = 0.1
"""So many keys are used for another request, too."""

ASKS_AGAIN_MAX = 400
"""A caller that is told to ask later does so, but not for ever."""

LATER = {(409, "in_flight"), (409, "overtaken")}
"""Another is at it, or was faster four times in a row: that is no answer yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one caller asks under one key. `effect` names what is to be counted."""

    effect: str
    token: str = field(repr=False)
    key: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    twin: Mapping[str, Any] | None = None
    """Another body that comes under the same key."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: what has to be the same each time."""

    status: int
    body: bytes
    position: str | None

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    @property
    def code(self) -> str | None:
        return self.json.get("code") if self.status >= 400 else None


Call: TypeAlias = Callable[[Command, bytes], Said]
"""Sends a command with a body, once."""

Caller: TypeAlias = Callable[[], Call]
"""Makes what one thread sends with."""


@dataclass(slots=True)
class Told:
    """What a command's copies were answered, and those of its twin."""

    command: Command
    its: list[Said] = field(default_factory=list)
    twins: list[Said] = field(default_factory=list)
    later: int = 0

    @property
    def done(self) -> Said | None:
        """What the command did, under either body."""
        return next((said for said in self.its + self.twins if said.status < 400), None)

    @property
    def sent(self) -> int:
        return len(self.its) + len(self.twins) + self.later


def send(
    commands: Sequence[Command], callers: Sequence[Caller], chance: Random
) -> list[Told]:
    """Send all copies of all commands, mixed, and gather what was told."""
    copies: list[tuple[Command, bool]] = []
    for command in commands:
        many = chance.choice(COPIES)
        copies += [(command, False)] * many
        if command.twin is not None:
            copies += [(command, True)] * max(1, many // 2)
    near(copies, chance)
    mine = [copies[number :: len(callers)] for number in range(len(callers))]
    told = {command.key: Told(command) for command in commands}
    with ThreadPoolExecutor(len(callers)) as crew:
        work = [
            partial(_work, caller, each)
            for caller, each in zip(callers, mine, strict=True)
        ]
        for command, twin, said, waited in chain(*crew.map(lambda do: do(), work)):
            its = told[command.key]
            (its.twins if twin else its.its).append(said)
            its.later += waited
    return list(told.values())


def near(copies: list[tuple[Command, bool]], chance: Random) -> None:
    """Mix: copies of one command come about together, for that is when they meet."""
    chance.shuffle(copies)
    groups = defaultdict[str, float](chance.random)
    copies.sort(key=lambda each: groups[each[0].key] + chance.random() / 20)


def _work(
    caller: Caller, mine: Iterable[tuple[Command, bool]]
) -> list[tuple[Command, bool, Said, int]]:
    call = caller()
    done = []
    later: list[tuple[Command, bool, int]] = [(*each, 0) for each in mine]
    for command, twin, asked in later:  # Who is told to wait comes once more, at last.
        body = command.twin if twin else command.body
        said = call(command, b"" if body is None else json.dumps(body).encode())
        if (said.status, said.code) in LATER and asked < ASKS_AGAIN_MAX:
            later.append((command, twin, asked + 1))
        else:
            done.append((command, twin, said, asked))
    return done
