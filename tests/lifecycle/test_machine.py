"""All lifecycles at once: whatever a town does, in whatever order, its rules hold.

People reserve, buy with every mix of tenders, give, resell, exchange, refund, load
cards, have tickets printed, redeem coupons, complain and are judged, while time passes
and cards decline or lose answers. The ledger is the real one, its log in memory. After
every step the rules of `tests/lifecycle/rules.py` are asked of the whole ledger, those
of `tests/lifecycle/chronicle.py` of each new event, and who owns what is held against a
model that knows only which commands were accepted; and the log alone, read event by
event, must tell the same state.

Not asked here, for nobody in this town does it: C5 (machines without the line), C6,
D3, M4 and M5, gifts of several lines. `docs/coverage.md` says what asks for these.

Bugs planted to see this fail, one at a time, each caught: a gift accepted under a hold;
a resale whose titles move without the escrow posting; a refund that keeps the place; a
capture that leaves the hold on the purse; a case that ends without releasing its holds;
a case that releases another's; a gift that forgets the allowance; a title that moves
without the epoch; a card write believed without its proof; a refund paid twice; a
party who judges; a price above the cap; a group sold
in part; a sale paid out before it is due; a receipt that redeems twice; a purchaser in
good faith who loses his title; a ticket left on a card that was blocked.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.errors import Refusal
from tests.lifecycle import rules
from tests.lifecycle.chronicle import Chronicle
from tests.lifecycle.world import MOVES, PEOPLE, World

# Some 46 steps a run: more than 20,000. `make campaign` makes nearly a million.
STEPS, RUNS = 50, max(480, settings().max_examples)

LIKELY = "likely"  # Two of three moves are such as lead somewhere from here.
NUMBER = st.integers(0, 419)  # The least common multiple of what choices look at.


class Town(RuleBasedStateMachine):
    """One town; every rule is a move, refused or done."""

    @initialize(
        payout=st.sampled_from(["at_sale", "after_start"]),
        sender_use=st.sampled_from(["wins", "blocked"]),
        on_medium=st.sampled_from(["exposure", "surrender"]),
        together=st.booleans(),
    )
    def begin(self, **terms):
        self.world = World(**terms)
        self.chronicle = Chronicle(self.world.ledger)

    @rule(
        move=st.sampled_from([LIKELY] * (2 * len(MOVES)) + MOVES),
        n=NUMBER,
        by=st.sampled_from(PEOPLE),
        more=NUMBER,
    )
    def step(self, move, n, by, more):
        if move == LIKELY:
            likely = self.world.likely(by)
            move = likely[n % len(likely)]
        before = self.world.title_state()
        try:
            getattr(self.world, move)(n, by, more)
        except Refusal as refusal:
            self.is_accountable(refusal)
        rules.moved_rightly(before, self.world.title_state(), decided=move == "judge")

    def is_accountable(self, refusal):
        """A refusal has its code, and names events that are there."""
        assert refusal.code
        assert set(refusal.because) <= self.world.ledger.names, refusal.because

    @invariant()
    def the_rules_hold(self):
        if hasattr(self, "world"):
            rules.check(self.world)
            self.chronicle.follow()

    def teardown(self):
        if hasattr(self, "world"):
            rules.orders_are_honest(self.world.ledger)
            assert self.chronicle.told == self.world.ledger.latest


Town.TestCase.settings = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


TestTown = pytest.mark.timeout(7_200)(Town.TestCase)
