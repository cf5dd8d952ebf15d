"""`ledgerctl`: the same use cases from a terminal; one sentence when it refuses."""

import json
import sys
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest

from ledger.adapters.roles import DatabaseRole
from ledger.aggregates.e_ticket import Terms
from ledger.application import Cause
from ledger.projections.rebuild import Progress, Rebuild
from ledger.projections.registry import projection
from ledger.usecases import catalogue
from ledger.vocabulary.ids import imported_ticket_id
from ledger.vocabulary.money import Money
from tests.api.callers import Callers
from tests.domain.examples import ISSUER, NOON


def test_an_installation_is_made_once_and_stays(ledgerctl):
    code, migrated, _ = ledgerctl("migrate")
    assert code == 0
    assert migrated.startswith("0001_")
    first = ledgerctl("init")
    assert first[0] == 0
    assert ledgerctl("init") == first
    assert ledgerctl("migrate") == (0, "The database is up to date.\n", "")


def test_the_first_operator_comes_in_and_is_put_out_again(ledgerctl, client):
    code, out, _ = ledgerctl(
        "token", "issue", "--role", "operator", "--new-party", "Centre", "--json"
    )
    made = json.loads(out)
    assert code == 0
    headers = {"Authorization": f"Bearer {made['token']}"}
    me = client.get("/v1/me", headers=headers).json
    # The clock of the test application stands: only who it is matters here.
    assert (me["party_id"], me["roles"]) == (made["party_id"], ["operator"])
    assert ledgerctl("token", "revoke", made["token"])[0] == 0
    assert client.get("/v1/me", headers=headers).status_code == 401
    again = ledgerctl("token", "revoke", made["token"])
    assert again == (1, "", "There is no such token, or it is over already.\n")


def test_a_token_for_somebody_unknown_is_refused_in_a_sentence(ledgerctl):
    ledgerctl("init")
    refused = ledgerctl("token", "issue", "--role", "buyer", "--party", uuid4())
    assert refused == (1, "", "There is no such party.\n")
    nobody = ledgerctl("token", "issue", "--role", "buyer")
    assert nobody == (1, "", "A token speaks for a party, a device or both.\n")


def test_an_auditor_replays_a_ticket(ledgerctl, callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    code, out, _ = ledgerctl("audit", "history", ticket_id, "--json")
    (event,) = [json.loads(line) for line in out.splitlines()]
    assert (code, event["event"], event["version"]) == (0, "Issued", 1)
    _, shown, _ = ledgerctl("audit", "history", ticket_id)
    assert "Issued" in shown
    _, owners, _ = ledgerctl("audit", "owners", ticket_id)
    assert owners.startswith(
        f"{callers.ada.party_id}  2026-11-22T12:00:00+00:00 to now"
    )
    _, out, _ = ledgerctl("audit", "owners", ticket_id, "--json")
    assert json.loads(out)["owner_id"] == str(callers.ada.party_id)
    unknown = ledgerctl("audit", "owners", uuid4())
    assert unknown == (1, "", "There is no such ticket.\n")


def test_an_export_is_verified_without_database_and_settings(
    ledgerctl, callers: Callers, tmp_path, monkeypatch
):
    callers.offering()
    exported = tmp_path / "log.jsonl"
    assert ledgerctl("log", "export", "--output", exported)[0] == 0
    assert (
        ledgerctl("log", "export")[1].splitlines()[:-1]
        == (exported.read_text().splitlines()[:-1])
    )
    key = ledgerctl("log", "key")[1].strip()
    assert ledgerctl("log", "verify", exported)[0] == 0
    assert ledgerctl("log", "checkpoint")[0] == 1  # Nothing is published yet.
    signed = ledgerctl("log", "checkpoint", "--sign")[1]
    assert signed.startswith("eticket-ledger.local/log\n")

    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path / "elsewhere"))
    code, out, _ = ledgerctl("log", "verify", exported, "--key", key)
    assert (code, out.split(":")[0]) == (0, "The log is whole")
    unsure = ledgerctl("log", "verify", exported)
    assert unsure[0] == 2
    assert "--key" in unsure[2]
    nonsense = ledgerctl("log", "verify", exported, "--key", "nonsense")
    assert nonsense[0] == 2
    assert "A --key is no verifier key" in nonsense[2]

    lines = exported.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"version":1', b'"version":2')
    exported.write_bytes(b"".join(lines))
    code, out, said = ledgerctl("log", "verify", exported, "--key", key)
    assert (code, said) == (1, "")
    assert out == "Refuted: line 3: the event does not fit its leaf.\n"


def test_views_are_told_of_and_rebuilt(ledgerctl, callers: Callers, installation):
    callers.ticket(callers.ada)
    behind = json.loads(ledgerctl("projections", "status", "--json")[1].splitlines()[0])
    position = installation.ledger.position()
    assert (behind["position"], behind["lag_events"]) == (0, position)
    code, out, _ = ledgerctl("projections", "rebuild", "wallet")
    assert (code, out) == (0, f"wallet: rebuilt from {position} events.\n")
    assert ledgerctl("projections", "rebuild")[0] == 0
    assert "wallet       unattended  position" in ledgerctl("projections", "status")[1]
    assert ledgerctl("projections", "rebuild", "nothing")[0] == 2
    assert len(callers.ada.get("/v1/tickets").json["tickets"]) == 1


def test_a_rebuild_tells_how_far_it_is_and_a_status_of_one_that_was_cut_short(
    ledgerctl, callers: Callers, installation
):
    callers.ticket(callers.ada)
    total = installation.ledger.position()
    code, out, said = ledgerctl("projections", "rebuild", "gifts")
    assert (code, out) == (0, f"gifts: rebuilt from {total} events.\n")
    assert said.startswith(f"gifts: {total} of {total} events, ")
    code, out, said = ledgerctl("projections", "rebuild", "gifts", "--json")
    told, ended = map(json.loads, out.splitlines())
    assert (told["done"], told["total"]) == (total, total)
    assert (ended, said) == ({"name": "gifts", "rebuilt": total}, "")

    def cut(_: Progress) -> None:
        raise KeyboardInterrupt

    with installation.ledger_as(DatabaseRole.VIEWS) as ledger:
        view = projection("gifts", ledger.recorder.datastore)
        with pytest.raises(KeyboardInterrupt):
            Rebuild(ledger, view, batch_max=4).run(cut)
    lines = ledgerctl("projections", "status")[1].splitlines()
    assert [each.split() for each in lines if "rebuild" in each] == [
        f"rebuild cut short, 4 of {total} events".split()
    ]
    assert ledgerctl("projections", "rebuild", "gifts", "--abandon")[0] == 0
    assert "rebuild" not in ledgerctl("projections", "status")[1]


def test_a_terminal_is_shown_a_bar(
    ledgerctl, callers: Callers, installation, monkeypatch
):
    callers.ticket(callers.ada)
    total = installation.ledger.position()
    screen = StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    assert ledgerctl("projections", "rebuild", "wallet")[0] == 0
    assert f"#]  {total}/{total}  " in screen.getvalue()
    assert " a second" in screen.getvalue()


def test_a_wrong_setting_stops_at_once_with_its_name(ledgerctl, monkeypatch):
    monkeypatch.setenv("LEDGER_PORT", "many")
    code, out, said = ledgerctl("init")
    assert (code, out) == (2, "")
    assert said == "LEDGER_PORT must be a whole number from 1 to 65535.\n"


def test_a_database_that_is_not_there_is_said_in_a_sentence(ledgerctl, monkeypatch):
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, out, said = ledgerctl("init")
    assert (code, out) == (1, "")
    assert said.startswith("The database cannot be reached")
    assert len(said.splitlines()) == 1


FOR_SALE: dict[str, Any] = {
    "issuer_id": ISSUER,
    "title": "Cup final",
    "kind": "admission",
    "price": Money(2_000, "EUR"),
    "places": [f"A{n}" for n in range(1, 11)],
    "purchase_limit": 1,
    "uses_limit": 1,
    "question": None,
    "terms": Terms(),
}


@pytest.fixture
def offering_id(installation):
    """Ten places, as long as the clock that the command line reads may go."""
    its, begin = uuid4(), NOON - timedelta(days=1)
    end = NOON + timedelta(days=10_000)
    times = {"sale_from": begin, "sale_until": end}
    times |= {"valid_from": begin, "valid_until": end}
    cause = Cause(actor="test")
    said: dict[str, Any] = {**FOR_SALE, **times, "offering_id": its}
    catalogue.open_offering(installation.ledger, **said, at=NOON, cause=cause)
    return its


def test_tickets_are_imported_from_a_file_and_again_nothing_happens(
    ledgerctl, installation, offering_id, tmp_path
):
    file = tmp_path / "final.csv"
    file.write_text("reference,name,place,price_minor\nR-1,Zoë,A7,1500\nR-2,Ben,,\n")
    words = ("tickets", "import", file, "--offering", offering_id, "--json")
    code, out, told = ledgerctl(*words)
    assert code == 0
    done = json.loads(out)
    assert (done["count"], done["issued_now"]) == (2, 2)
    assert told.splitlines() == [
        "places held, issued 0 of 2",
        "places held, issued 2 of 2",
    ]
    batch_id = UUID(done["batch_id"])
    first, second = (
        installation.ledger.ticket(imported_ticket_id(batch_id, reference))
        for reference in ("R-1", "R-2")
    )
    assert (first.right, first.price_minor) == ("A7", 1_500)
    assert (second.right, second.price_minor) == ("A1", 2_000)
    again = json.loads(ledgerctl(*words)[1])
    assert (again["issued_now"], again["position"]) == (0, done["position"])


def test_bad_lines_are_told_and_nothing_is_issued(
    ledgerctl, installation, offering_id, tmp_path
):
    file = tmp_path / "final.csv"
    file.write_text(
        "reference,owner_id,name,place,price_minor\n"
        "R-1,,Zoë,A7,1500\n"
        "R-1,,Ben,A8,\n"
        "R-3,nobody,,A9,\n"
        "R-4,,Ben,B1,\n"
        "R-5,,Ben,A7,twelve\n"
        "R-6,,Ben,A6,,,,\n"
    )
    before = installation.ledger.position()
    code, out, told = ledgerctl("tickets", "import", file, "--offering", offering_id)
    assert (code, out) == (1, "")
    assert told.splitlines() == [
        "line 3: R-1 stands there twice",
        "line 4: nobody is no id of a party",
        "line 5: there is no place B1",
        "line 6: twelve is no price in minor units",
        "line 7: it has more fields than the first line",
        "5 lines cannot be issued, so nothing was.",
    ]
    assert installation.ledger.position() == before


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"who,what\n1,2\n", "its first line names columns out of reference"),
        (b"", "its first line names columns out of reference"),
        (b"reference,name\nR-1,\xff\xfe\n", "utf-8"),
        (b'reference,name\nR-1,"Zo\n', "unexpected end of data"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(
    ledgerctl, offering_id, tmp_path, content, says
):
    file = tmp_path / "final.csv"
    file.write_bytes(content)
    code, out, told = ledgerctl("tickets", "import", file, "--offering", offering_id)
    assert (code, out) == (1, "")
    assert told.startswith("final.csv is no table of tickets: ")
    assert says in told
