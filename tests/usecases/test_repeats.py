"""A command said again, its answer lost, tells of a time at which it was so."""

import pytest

from tests.domain.examples import BOB
from tests.usecases.town import Town


class LineCut(Exception):
    """Between the commit and the answer."""


def test_a_repeat_is_told_a_position_by_which_it_was_so(installation, monkeypatch):
    town = Town(installation)
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    recorder = installation.ledger.recorder

    def cut(*_):
        raise LineCut

    with monkeypatch.context() as lost:  # Committed, and not placed yet.
        lost.setattr(recorder, "place_of", cut)
        with pytest.raises(LineCut):
            town.accept(ticket_id, offer)
    again = town.accept(ticket_id, offer)
    version = installation.ledger.ticket(ticket_id).version
    assert again.position >= recorder.place_of(ticket_id, version)
    assert installation.ledger.ticket(ticket_id).owner_id == BOB
