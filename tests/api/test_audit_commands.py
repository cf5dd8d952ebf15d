"""`ledgerctl audit`: an auditor's questions at a terminal, of a log or of an export.

Bugs planted to see this fail, one at a time: markup of a title that gets into the
picture; an export that is not told to be unproven; a database that is asked although
an export is given.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import pytest

from api.cli.chain_picture import mermaid, svg
from ledger.usecases import audit
from tests.api.callers import NOON, Callers

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</text><script>alert(1)</script> "]; click A & B'


def bought_and_given(callers: Callers, clock: Any, **offering: Any) -> str:
    """Ada bought it at noon and gave it to Ben a minute later."""
    ticket_id = callers.ticket(callers.ada, **offering)
    clock.passes(minutes=1)
    offers = f"/v1/tickets/{ticket_id}/gift-offers"
    offer = callers.ada.post(offers, to_party_id=str(callers.ben.party_id)).json
    accepted = callers.ben.post(
        f"{offers}/{offer['offer_id']}/acceptance", terms_hash=offer["terms_hash"]
    )
    assert accepted.status == 200, accepted.json
    return ticket_id


@pytest.fixture
def ticket_id(callers: Callers, clock: Any) -> str:
    return bought_and_given(callers, clock)


@pytest.fixture
def export(ledgerctl, ticket_id, tmp_path) -> Path:
    """An export of that log; only those who ask for `ticket_id` too know of what."""
    path: Path = tmp_path / "log.jsonl"
    assert ledgerctl("log", "export", "--output", path)[0] == 0
    return path


def objects(done: tuple[int, str, str]) -> list[dict[str, Any]]:
    assert done[0] == 0, done
    return [json.loads(line) for line in done[1].splitlines()]


def test_the_owner_at_a_time_and_at_a_position(ledgerctl, callers, ticket_id):
    ada, ben = str(callers.ada.party_id), str(callers.ben.party_id)
    noon = NOON.isoformat()
    (first,) = objects(ledgerctl("audit", "owner", ticket_id, "--at", noon, "--json"))
    assert (first["owner_id"], first["event"], first["life"]) == (
        ada,
        "Issued",
        "OWNED",
    )
    assert (first["since"], first["until"]) == (noon, "2026-11-22T12:01:00+00:00")
    (now,) = objects(ledgerctl("audit", "owner", ticket_id, "--json"))
    assert (now["owner_id"], now["until"], now["as_of"]["newest"]) == (ben, None, True)
    at = now["position"] - 1
    (before,) = objects(ledgerctl("audit", "owner", ticket_id, "--at", at, "--json"))
    assert before["owner_id"] == ada
    _, said, _ = ledgerctl("audit", "owner", ticket_id)
    assert f"{ben}  since 2026-11-22T12:01:00+00:00, to this day" in said


def test_a_ticket_as_of_a_moment_is_told_part_by_part(ledgerctl, callers, ticket_id):
    (now,) = objects(ledgerctl("audit", "as-of", "now", ticket_id, "--json"))
    assert set(now) == {"ticket_id", "as_of", *audit.PARTS, "media", "stream"}
    assert now["title"]["owner_id"] == str(callers.ben.party_id)
    assert now["form"]["kind"] == "ELECTRONIC"
    noon = "2026-11-22T13:00:00+01:00"
    code, said, _ = ledgerctl("audit", "as-of", noon, ticket_id)
    assert code == 0
    assert f"title     owner_id           {callers.ada.party_id}\n" in said
    assert "holds     none\n" in said


def test_the_log_as_of_a_moment_has_the_root_of_its_checkpoint(ledgerctl, ticket_id):
    _, size, root = ledgerctl("log", "checkpoint", "--sign")[1].splitlines()[:3]
    (now,) = objects(ledgerctl("audit", "as-of", "now", "--json"))
    assert (str(now["size"]), now["root"]) == (size, root)
    assert sum(now["events"].values()) == now["size"]
    assert root in ledgerctl("audit", "as-of", size)[1]
    (empty,) = objects(ledgerctl("audit", "as-of", "0", "--json"))
    assert (empty["size"], empty["as_of"]["at"], empty["events"]) == (0, None, {})


def test_a_diff_of_a_ticket_and_of_the_log(ledgerctl, callers, ticket_id):
    ada, ben = str(callers.ada.party_id), str(callers.ben.party_id)
    noon = NOON.isoformat()
    changes = objects(ledgerctl("audit", "diff", noon, "now", ticket_id, "--json"))
    moved = next(each for each in changes if each["field"] == "owner_id")
    assert (moved["part"], moved["before"], moved["after"]) == ("title", ada, ben)
    assert f"{ada} → {ben}" in ledgerctl("audit", "diff", noon, "now", ticket_id)[1]
    since = objects(ledgerctl("audit", "diff", noon, "now", "--json"))
    assert {"e-ticket.gift-offered", "e-ticket.gift-accepted"} <= {
        each["topic"] for each in since
    }
    positions = [each["position"] for each in since]
    assert positions == list(range(positions[0], positions[0] + len(positions)))
    last = ledgerctl("audit", "diff", noon, "now")[1].splitlines()[-2]
    assert last.startswith(f"{len(positions)} events after position ")
    nothing = ledgerctl("audit", "diff", "now", "now", ticket_id)[1]
    assert nothing.endswith("Nothing changed.\n")
    assert ledgerctl("audit", "diff", "3", "3")[1].startswith("Nothing after")


def test_a_history_says_who_and_why_and_what_belongs_to_it(
    ledgerctl, callers, ticket_id
):
    lines = objects(ledgerctl("audit", "history", ticket_id, "--json"))
    assert [line["event"] for line in lines] == [
        "Issued",
        "GiftOffered",
        "GiftAccepted",
    ]
    ben = callers.ben.party_id
    assert lines[-1]["by"] == str(ben)
    assert lines[-1]["credential"]
    assert lines[-1]["command"]
    related = objects(ledgerctl("audit", "history", ticket_id, "--related", "--json"))
    assert {"gift.offered", "order.confirmed"} <= {line["topic"] for line in related}
    first = objects(
        ledgerctl("audit", "history", ticket_id, "--at", NOON.isoformat(), "--json")
    )
    assert first == lines[:1]


def test_an_export_answers_as_the_log_does_without_a_database(
    ledgerctl, ticket_id, export, monkeypatch
):
    asked = [
        ("history", ticket_id, "--related"),
        ("owners", ticket_id),
        ("owners", ticket_id, "--mermaid"),
        ("owner", ticket_id, "--at", NOON.isoformat()),
        ("as-of", "now", ticket_id),
        ("as-of", NOON.isoformat()),
        ("diff", NOON.isoformat(), "now", ticket_id),
        ("diff", "0", "now"),
    ]
    of_log = [ledgerctl("audit", *words) for words in asked]
    assert [done[0] for done in of_log] == [0] * len(asked)
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("LEDGER_HOME", "/nonexistent")
    for words, (_, said, _) in zip(asked, of_log, strict=True):
        code, again, told = ledgerctl("audit", *words, "--export", export)
        assert (code, again) == (0, said)
        assert told.startswith("Read from an export, unproven: `ledgerctl log verify ")


def test_the_chain_is_drawn_and_what_somebody_wrote_is_text_in_it(
    ledgerctl, callers, clock, tmp_path
):
    ticket_id = bought_and_given(callers, clock, title=HOSTILE)
    path = tmp_path / "chain.svg"
    assert ledgerctl("audit", "owners", ticket_id, "--svg", path) == (0, "", "")
    drawn = ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314, our own
    names = {each.tag.removeprefix(SVG) for each in drawn.iter()}
    assert names == {"svg", "title", "rect", "text", "path"}
    texts = [each.text for each in drawn.iter(f"{SVG}text")]
    assert texts[0] is not None
    assert texts[0].startswith(HOSTILE[:40])
    assert {str(callers.ada.party_id), str(callers.ben.party_id)} <= set(texts)
    chart = ledgerctl("audit", "owners", ticket_id, "--mermaid")[1]
    assert chart.startswith('flowchart TD\n  start(["#60;#47;text#62;')
    assert chart.count("owner1") == 3
    assert '|"GiftAccepted, position ' in chart
    assert "script>" not in chart


def test_a_title_with_characters_that_no_picture_can_have_is_drawn_without(
    installation, callers, clock
):
    ticket_id = bought_and_given(callers, clock)
    found = audit.as_of(installation.ledger, ticket_id=UUID(ticket_id), when=None)
    found.parts["right"]["title"] = "A\x00B\nC"
    assert 'start(["A B C, ' in mermaid(found, [])
    drawn = ElementTree.fromstring(svg(found, []))  # noqa: S314, our own
    assert next(drawn.iter(f"{SVG}text")).text == "A B C, Row 4 seat 12"


def test_what_cannot_be_answered_is_one_sentence(ledgerctl, ticket_id, export):
    def refused(*words: object) -> str:
        code, out, told = ledgerctl("audit", *words)
        assert (code, out) == (1, "")
        return str(told.splitlines()[-1])

    unknown = "There is no such ticket."
    assert refused("as-of", "now", uuid4()) == unknown
    assert refused("owner", uuid4(), "--export", export) == unknown
    assert "has no position 9999; its last is" in refused("as-of", 9999)
    assert "has no position 9999" in refused("as-of", 9999, "--export", export)
    assert "it begins at" in refused("as-of", "2001-01-01T00:00:00Z")
    assert "no moment" in refused("owner", ticket_id, "--at", "2026-11-22T12:00:00")
    assert "not there yet" in refused("as-of", 1, ticket_id)
    assert "name the earlier one first" in refused("diff", 3, 2)
    missing = export.with_name("nowhere") / "chain.svg"
    assert "cannot be written" in refused("owners", ticket_id, "--svg", missing)
    export.write_bytes(export.read_bytes()[:-200])
    assert "is no whole export" in refused("as-of", "now", "--export", export)
    nothing = ("audit", "as-of", "now", "--export", export.with_name("nothing"))
    assert ledgerctl(*nothing)[0] == 2
    assert ledgerctl("audit", "owner", "somebody")[0] == 2


@pytest.mark.parametrize("schema", ["not_made", "ledger"])
def test_a_log_that_is_not_there_is_said_in_a_sentence(
    ledgerctl, monkeypatch, schema, tmp_path
):
    monkeypatch.setenv("LEDGER_SCHEMA", schema)
    if schema == "ledger":
        monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://x@127.0.0.1:1/none")
    code, out, told = ledgerctl("audit", "as-of", "now")
    assert (code, out, len(told.splitlines())) == (1, "", 1)
    assert told.startswith(f"The log {schema} cannot be read as its auditor: ")
    assert "`ledgerctl init`" in told
