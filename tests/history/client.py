"""One client of the ledger: asks, reads, and writes down what it heard and when.

What it is not answered it asks for again under the same key, as a caller's server
would: with new ids for what that server makes up. What fails in a way that nobody has
foreseen is unknown as well, and the checker names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket
from ledger.application import Cause, CommitTerms, TicketUnknown
from ledger.bootstrap import Installation
from ledger.errors import Refusal
from ledger.log.recorder import Command, CommandRepeated
from ledger.projections.base import View
from ledger.projections.runner import Runner
from tests.history.line import Line, LineCut
from tests.history.operations import Notebook, Operation, Outcome

ASK_AGAIN = 4
WAIT_S = 10.0
AT_LEAST_SHARE = 0.5

Deed: TypeAlias = Callable[[Cause], int]
"""Carries a command out, with new ids each time; returns its position."""


class Client:
    """One of several; `number` is its own, `seed` everybody's."""

    def __init__(
        self,
        installation: Installation,
        notebook: Notebook,
        *,
        number: int,
        seed: str,
        cut_share: float = 0.0,
    ) -> None:
        self.its = installation
        self.ledger = installation.ledger
        self.notebook = notebook
        self.number = number
        self.chance = Random(f"{seed}/{number}")
        wire = Random(f"{seed}/{number}/line")
        self.line = Line(self.ledger.recorder, wire, cut_share)
        self.heard = 0
        """The furthest position that it was told."""

        self._runner = Runner(self.ledger)

    def fresh(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def ask(self, kind: str, deed: Deed, **said: Any) -> Operation:
        """Have one command carried out; return what became of it."""
        told = {name: plain(value) for name, value in said.items()}
        operation = self.notebook.ask(kind, told)
        request = hashlib.sha256(json.dumps([kind, told]).encode()).digest()
        outcome, answer = Outcome.UNKNOWN, dict[str, Any]()
        for attempt in range(ASK_AGAIN):
            try:
                position = deed(self._cause(operation.key, request))
            except LineCut:
                continue
            except CommandRepeated as repeated:
                stream, version = repeated.stream_id, repeated.version
                position = self.ledger.recorder.place_of(stream, version)
                answer["repeated"] = stream.hex
            except Refusal as refused:
                # Refused after it was cut: what came first may have happened.
                outcome = Outcome.UNKNOWN if attempt else Outcome.REFUSED
                answer["code"] = refused.code
                break
            except Exception as error:  # noqa: BLE001, told as what it is
                answer["fault"] = repr(error)
                break
            outcome = Outcome.OK
            answer |= {"position": position, "again": attempt > 0}
            self.heard = max(self.heard, position)
            break
        self.notebook.tell(operation, outcome, answer)
        return operation

    def _cause(self, key: str, request: bytes) -> Cause:
        client = self.notebook.client
        command = Command(actor=client, key=key, request=request)
        return Cause(client, command=key, terms=CommitTerms(command))

    # Reads of the streams: what they say has a position before it is told.

    def read_ticket(self, ticket_id: UUID) -> ETicket | None:
        found: list[ETicket] = []

        def now() -> list[object] | None:
            try:
                ticket = self.ledger.ticket(ticket_id)
            except TicketUnknown:
                return None
            self.ledger.recorder.place_of(ticket_id, ticket.version)
            found.append(ticket)
            return [ticket.version, ticket.owner_id.hex]

        self._read("owner", now, of=ticket_id.hex)
        return found[0] if found else None

    def read_purse(self, purse_id: UUID) -> None:
        def now() -> list[int]:
            purse = self.ledger.account(purse_id)
            self.ledger.recorder.place_of(purse_id, purse.version)
            return [purse.version, purse.balance_minor]

        self._read("purse", now, of=purse_id.hex)

    def read_head(self) -> None:
        self._read("head", self.ledger.position)

    # Reads of views, which may be behind, but not behind what is asked for.

    def see_title(self, ticket_id: UUID) -> None:
        view, least = self.its.views.ownership, self._least()

        def now() -> list[object] | None:
            self._wait_for(view, least)
            chain = view.chain(ticket_id)
            return [chain[-1].version, chain[-1].owner_id.hex] if chain else None

        self._read("title", now, of=ticket_id.hex, at_least=least)

    def see_balance(self, purse_id: UUID) -> None:
        view, least = self.its.views.accounts, self._least()

        def now() -> int:
            self._wait_for(view, least)
            return view.balance_minor(str(purse_id), "EUR")

        self._read("balance", now, of=str(purse_id), at_least=least)

    def wait(self) -> None:
        view, least = self.its.views.accounts, self.heard
        self._read("wait", lambda: self._wait_for(view, least), at_least=least)

    def _least(self) -> int:
        return self.heard if self.chance.random() < AT_LEAST_SHARE else 0

    def _wait_for(self, view: View, position: int) -> int:
        return self._runner.wait_for(view.name, position, WAIT_S)

    def _read(self, kind: str, what: Callable[[], object], **said: Any) -> None:
        operation = self.notebook.ask(kind, said)
        try:
            outcome, answer = Outcome.OK, {"value": what()}
        except Exception as error:  # noqa: BLE001, told as what it is
            outcome, answer = Outcome.UNKNOWN, {"fault": repr(error)}
        self.notebook.tell(operation, outcome, answer)


def plain(value: Any) -> Any:
    return value.hex if isinstance(value, UUID) else value
