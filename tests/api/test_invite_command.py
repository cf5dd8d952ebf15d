"""`ledgerctl invite`: an account without anybody's token, by a code shown once."""

import json


def test_the_first_operator_is_invited_from_the_command_line(ledgerctl, client):
    code, out, _ = ledgerctl(
        "invite", "--role", "operator", "--new-party", "Ada", "--json"
    )
    made = json.loads(out)
    assert code == 0
    body = {
        "invitation": made["invitation"],
        "login_name": "ada@example.org",
        "password": "a kettle of seven fish",
    }
    opened = client.post("/v1/sign-ups", json=body)
    assert (opened.status_code, opened.json["party_id"]) == (201, made["party_id"])
    again = client.post("/v1/sign-ups", json=body)
    assert again.status_code == 404


def test_who_is_invited_is_said_once_and_is_somebody(ledgerctl):
    assert ledgerctl("invite", "--role", "buyer")[0] == 2
    assert ledgerctl("invite", "--role", "terminal", "--new-party", "Ada")[0] == 2
    nobody = "00000000-0000-4000-8000-000000000000"
    code, _, said = ledgerctl("invite", "--role", "buyer", "--party", nobody)
    assert code != 0
    assert "There is no such" in said
