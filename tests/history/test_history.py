"""Many clients at once see one history: nothing lost, doubled or stale."""

from __future__ import annotations

from tests.history.crowd import Crowd

SEED = "7"


def test_clients_that_want_the_same_things_see_one_history(settings):
    with Crowd(settings, clients=3, places=40, seed=SEED, cut_share=0.01) as crowd:
        story = crowd.goes_out(3_000)
    assert story.anomalies() == []
