"""The list of cases says of each what the case itself says, whatever became of it.

Planted and caught: evidence that moves a case under review back; a reviewer kept after
the decision; tickets taken in from a merged case forgotten; a withdrawn case open.
"""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.aggregates.case import Case, Decision, DecisionKind
from ledger.errors import Refusal
from ledger.projections.cases import CasesView
from ledger.usecases import disputes
from tests.domain.examples import ALICE, NOON
from tests.projections.following import catch_up
from tests.usecases.court import CAUSE, CLERK, JUDGE, THIRD, Court, fresh


class Life:
    """A court in which anything is tried; what is refused is refused."""

    def __init__(self, court, chance):
        self.court, self.chance = court, chance
        self.tickets = [court.ticket() for _ in range(3)]
        self.cases = []
        self.moves = [
            self.complain,
            self.evidence,
            self.review,
            self.decide,
            self.appeal,
            self.execute,
            self.close,
            self.withdraw,
            self.merge,
            self.unused,
        ]

    def go_on(self):
        with suppress(Refusal, IndexError):
            self.chance.choice(self.moves)()

    def one(self):
        return self.chance.choice(self.cases)

    def operator(self):
        return self.chance.choice([JUDGE, CLERK, THIRD])

    def complain(self):
        count = self.chance.randint(1, 2)
        about = self.chance.choice(list(disputes.COMPLAINTS))
        chosen = self.chance.sample(self.tickets, count)
        self.cases.append(self.court.complain(*chosen, about=about))

    def evidence(self):
        disputes.give_evidence(
            self.court.ledger,
            self.court.personal,
            case_id=self.one(),
            evidence_id=fresh(),
            by=ALICE,
            as_operator=False,
            description="x",
            content=b"x",
            media_type="text/plain",
            at=NOON,
            cause=CAUSE,
        )

    def review(self):
        disputes.start_review(
            self.court.ledger,
            case_id=self.one(),
            by=self.operator(),
            at=NOON,
            cause=CAUSE,
        )

    def decide(self):
        disputes.decide(
            self.court.ledger,
            self.court.personal,
            case_id=self.one(),
            by=self.operator(),
            decision=Decision(DecisionKind.UPHOLD),
            grounds="It was shown.",
            at=NOON,
            cause=CAUSE,
        )

    def appeal(self):
        disputes.appeal(
            self.court.ledger,
            self.court.personal,
            case_id=self.one(),
            by=ALICE,
            reason="It was not.",
            at=NOON,
            cause=CAUSE,
        )

    def execute(self):
        self.court.execute(self.one(), by=self.operator())

    def close(self):
        self.court.close(self.one())

    def withdraw(self):
        self.court.withdraw(self.one())

    def merge(self):
        disputes.merge(
            self.court.ledger,
            case_id=self.one(),
            into_id=self.one(),
            by=CLERK,
            at=NOON,
            cause=CAUSE,
        )

    def unused(self):
        disputes.note_unused(
            self.court.ledger,
            case_id=self.one(),
            serials=["S-1"],
            by=CLERK,
            at=NOON,
            cause=CAUSE,
        )


@pytest.fixture
def court(installation):
    return Court(installation)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_the_list_agrees_with_the_cases(court, installation, seed):
    life = Life(court, Random(seed))
    for _ in range(40):
        life.go_on()
    catch_up(court.ledger, "cases")
    view = CasesView(installation.datastore)
    for case_id in life.cases:
        case = court.ledger.find(Case, case_id)
        (line,) = [each for each in view.newest() if each.case_id == case_id]
        assert (line.type, line.state) == (case.type, case.state)
        assert (line.opened_by, line.reviewer) == (case.opened_by, case.reviewer)
        assert set(line.ticket_ids) == set(case.ticket_ids)


def test_every_state_is_reached_by_these_lives(court):
    """Else the property above would say little."""
    seen = set()
    for seed in range(60):
        life = Life(court, Random(seed))
        for _ in range(10 + seed):
            life.go_on()
        seen |= {str(court.ledger.find(Case, each).state) for each in life.cases}
        if len(seen) == 9:
            return
    pytest.fail(f"only {sorted(seen)} were reached")
