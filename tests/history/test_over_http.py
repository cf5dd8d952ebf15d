"""What people see of one ticket over HTTP alone has one order that explains it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

from api.app import create_app
from ledger.bootstrap import open_installation
from ledger.settings import Settings
from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers, Said, SetClock
from tests.history.one_ticket import explained
from tests.history.operations import Notebook, Operation, Outcome

STEPS = 25


class Guest:
    """Somebody with a browser, who wants the ticket or wants to be rid of it."""

    def __init__(
        self, me: Caller, door: Caller, path: str, friends: Sequence[str], seed: int
    ) -> None:
        self.me, self.door, self.path, self.friends = me, door, path, friends
        self.chance = Random(seed)
        self.notebook = Notebook(str(me.party_id))

    def busy(self, offers: list[str]) -> list[Operation]:
        for _ in range(STEPS):
            way = self.chance.random()
            if way < 0.4:
                self.look()
            elif way < 0.7 or not offers:
                self.offer(offers)
            else:
                self.answer(offers[-1])
        return self.notebook.operations

    def look(self) -> None:
        operation = self.notebook.ask("owner", {})
        seen = self.door.get(self.path)
        assert seen.status == 200, seen.json
        value = {"value": [0, seen.json["owner_id"]]}
        self.notebook.tell(operation, Outcome.OK, value)

    def offer(self, offers: list[str]) -> None:
        to = self.chance.choice(self.friends)
        operation = self.notebook.ask("offer", {"to_party_id": to})
        said = self.me.post(f"{self.path}/gift-offers", to_party_id=to)
        if self._heard(operation, said):
            offer_id = said.json["offer_id"]
            operation.said = {**operation.said, "offer_id": offer_id}
            offers.append(offer_id)

    def answer(self, offer_id: str) -> None:
        kind, way = self.chance.choice(
            [
                ("accept", "acceptance"),
                ("accept", "acceptance"),
                ("decline", "decline"),
                ("withdraw", "withdrawal"),
            ]
        )
        offer = f"{self.path}/gift-offers/{offer_id}"
        body: dict[str, Any] = {}
        if kind == "accept":
            seen = self.me.get(offer)
            if seen.status != 200:
                return  # It is not for him, so he does not see it.
            body = {"terms_hash": seen.json["terms_hash"]}
        taker = str(self.me.party_id)
        operation = self.notebook.ask(kind, {"offer_id": offer_id, "owner_id": taker})
        self._heard(operation, self.me.post(f"{offer}/{way}", **body))

    def _heard(self, operation: Operation, said: Said) -> bool:
        done = said.status < 300
        assert done or said.status < 500, said.json
        outcome = Outcome.OK if done else Outcome.REFUSED
        self.notebook.tell(operation, outcome, {"position": 1})
        return done


def test_guests_who_pass_a_ticket_on_see_one_history(settings: Settings):
    quiet = replace(settings, log_level="error")
    with open_installation(quiet, clock=SetClock()) as installation:
        app = create_app(installation)
        everybody = Callers(app.test_client(), installation)
        people = [everybody.ada, everybody.ben, everybody.cleo]
        ticket_id = everybody.ticket(everybody.ada)
        names = [str(each.party_id) for each in people]
        guests = [
            Guest(
                Caller(app.test_client(), each.token, party_id=each.party_id),
                everybody.caller(Role.OPERATOR, party_id=each.party_id),
                f"/v1/tickets/{ticket_id}",
                [name for name in names if name != str(each.party_id)],
                seed,
            )
            for seed, each in enumerate(people)
        ]
        offers: list[str] = []
        with ThreadPoolExecutor(len(guests)) as pool:
            told = [
                operation
                for its in pool.map(lambda each: each.busy(offers), guests)
                for operation in its
            ]
    begun = Operation("", "", "issue", 0, 1, Outcome.OK, {"owner_id": names[0]})
    assert explained([begun, *told])
    nobody = Notebook("nobody")
    lie = nobody.ask("owner", {})
    nobody.tell(lie, Outcome.OK, {"value": [0, "nobody"]})
    assert not explained([begun, *told, lie])
