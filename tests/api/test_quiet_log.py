"""The log of a busy day: JSON lines with the members told of, and nobody's data.

Planted and caught: a path with its query logged instead of its route; the words of an
exception in a traceback; what was answered, or a token, in a request's line.
"""

import json
from dataclasses import replace

import pytest

from api.app import create_app
from tests.api.callers import Caller, Callers
from tests.api.signed_in import ADA, KETTLE, Page, account

NAME = "Ida Lovelace-Quux"
ANSWER = "12.03.1990"
CARD_NUMBER = "4000056655665556"
KEY = "a-key-nobody-else-has"
QUESTION = "what-was-looked-for"
REQUEST = {
    *("event", "level", "timestamp", "request", "trace"),
    *("method", "route", "status", "code", "ms"),
}
BUG = {"event", "level", "timestamp", "request", "exception"}


@pytest.fixture
def loud(installation):
    """Everybody of the story, before a server that logs as it does in service."""
    settings = replace(installation.settings, log_level="info")
    its = replace(installation, settings=settings)
    return Callers(create_app(its).test_client(), its)


def busy_day(callers):
    """Ask what people ask in a day, with much that a log should not know."""
    by, ada = callers.operator, callers.ada
    said = [
        by.call(
            "POST",
            "/v1/parties",
            json={"kind": "person", "name": NAME},
            headers={"Idempotency-Key": KEY},
        )
    ]
    account(callers, ada)
    page = Page(callers.client.application)
    said += [page.sign_in(), page.sign_in(password=ANSWER)]
    ticket = f"/v1/tickets/{callers.ticket(ada, question=1)}"
    to = str(callers.ben.party_id)
    said += [
        ada.get(ticket),
        ada.get(f"{ticket}?name={QUESTION}"),
        ada.post(f"{ticket}/gift-offers", to_party_id=to),
        callers.ben.post(f"{ticket}/gift-offers", to_party_id=to),
        ada.post("/v1/orders", card_number=CARD_NUMBER),
        ada.call(
            *("POST", "/v1/orders"),
            data=f'{{"name": "{NAME}"',
            headers={"Content-Type": "application/json"},
        ),
        Caller(callers.client, f"etl_{CARD_NUMBER}").get("/v1/me"),
        ada.get(f"/v1/{ADA}/{CARD_NUMBER}?q={QUESTION}"),
    ]
    return said, page


def test_no_line_of_a_busy_day_tells_of_anybody(loud, capsys):
    said, page = busy_day(loud)
    wanted = {200, 201, 400, 401, 403, 404, 422}
    assert {each.status for each in said} == wanted

    told = capsys.readouterr()
    assert told.out == ""
    lines = [json.loads(each) for each in told.err.splitlines()]
    assert len(lines) >= len(said)
    assert {frozenset(each) for each in lines} == {frozenset(REQUEST)}
    tokens = [loud.operator.token, loud.ada.token, loud.ben.token, page.session]
    ids = [str(loud.ada.party_id), str(loud.ben.party_id)]
    known = [NAME, ADA, KETTLE, ANSWER, CARD_NUMBER, KEY, QUESTION, *tokens, *ids]
    assert [each for each in known if each in told.err] == []


def test_a_bug_that_quotes_what_was_asked_is_told_without_its_words(loud, capsys):
    def broken():
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise RuntimeError(f"{ADA} asked with {loud.ada.token}") from error

    loud.client.application.view_functions["parties.me"] = broken
    answer = loud.ada.get(f"/v1/me?q={QUESTION}")
    assert answer.refusal == (500, "internal_error")
    told = capsys.readouterr().err
    bug, request = [json.loads(each) for each in told.splitlines()]
    assert (set(bug), set(request)) == (BUG, REQUEST)
    assert "builtins.RuntimeError\n" in bug["exception"]
    assert "builtins.KeyError\n" in bug["exception"]
    known = (NAME, ADA, loud.ada.token, QUESTION)
    assert [each for each in known if each in told] == []
