"""A page's session: a cookie out of reach of scripts, over in time, of its own pages.

Planted and caught: a session that use keeps alive beyond its end; the token of any
session taken for any other; sessions that another password leaves open; a cookie that
scripts can read.
"""

from datetime import timedelta

import pytest

from ledger.adapters.sessions import ABSOLUTE, IDLE
from tests.api.signed_in import BOATS, KETTLE, Page, account
from tests.api.statements import listening


@pytest.fixture
def page(callers, client):
    account(callers, callers.ada)
    return Page(client.application)


def mine(page):
    return page.call("GET", "/v1/me/session").status


def asked(page, **headers):
    """Something that changes something, with other headers than a page's."""
    return page.call("POST", "/v1/webhooks", json={}, headers=headers)


def test_who_signs_in_is_known_by_the_cookie_alone(page, callers):
    begun = page.sign_in()
    assert begun.status == 201, begun.json
    assert begun.json["party_id"] == str(callers.ada.party_id)
    told = page.call("GET", "/v1/me/session")
    assert (told.status, told.json) == (200, begun.json)
    assert page.call("GET", "/v1/me").json["roles"] == ["buyer"]
    assert page.call("GET", "/v1/projections").refusal == (403, "role_missing")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(page):
    cookie = page.sign_in().headers["Set-Cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert not any(each.startswith("Domain") for each in attributes)


def test_the_plain_name_is_for_this_machine_alone(page, client):
    here = Page(client.application, at="http://localhost:8470")
    cookie = here.sign_in(address="127.0.0.1").headers["Set-Cookie"]
    assert cookie.startswith("session=")
    assert "Secure" not in cookie
    elsewhere = Page(client.application, at="http://tickets.example.org")
    for address in ("127.0.0.1", "198.51.100.7"):
        cookie = elsewhere.sign_in(address=address).headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=")
    # A plain cookie opens nothing where there is TLS.
    page.client.set_cookie("session", here.session, domain="tickets.example.org")
    assert mine(page) == 401


def test_the_table_holds_no_session(page, installation):
    page.sign_in()
    with installation.datastore.get_connection() as connection:
        (row,) = connection.execute("SELECT * FROM people_sessions").fetchall()
    assert page.session not in repr(dict(row))
    assert page.session.encode() not in row["session_sha256"]


def test_a_session_is_over_when_idle(page, clock):
    page.sign_in()
    for _ in range(3):
        clock.at += IDLE - timedelta(minutes=2)
        assert mine(page) == 200
    clock.at += IDLE
    assert mine(page) == 401


def test_a_session_is_over_at_the_latest_however_busy(page, clock):
    page.sign_in()
    end = clock.at + ABSOLUTE
    while clock.at + timedelta(minutes=20) < end:
        clock.at += timedelta(minutes=20)
        assert mine(page) == 200
    clock.at = end
    assert mine(page) == 401


def test_signing_in_again_ends_the_session_before(page, client):
    page.sign_in()
    old = Page(client.application)
    old.client.set_cookie(
        "__Host-session", page.session, domain="tickets.example.org", secure=True
    )
    assert mine(old) == 200
    page.sign_in()
    assert (mine(page), mine(old)) == (200, 401)


def test_signing_out_ends_the_session_and_takes_the_cookie(page, client):
    page.sign_in()
    kept = Page(client.application)
    kept.client.set_cookie(
        "__Host-session", page.session, domain="tickets.example.org", secure=True
    )
    out = page.call("DELETE", "/v1/sessions/current")
    assert out.status == 204
    assert "Expires=Thu, 01 Jan 1970" in out.headers["Set-Cookie"]
    assert mine(kept) == 401


def test_another_password_ends_every_session(page, client):
    other = Page(client.application)
    page.sign_in()
    other.sign_in()
    changed = page.call(
        "PUT", "/v1/me/password", json={"current": KETTLE, "new": BOATS}
    )
    assert (changed.status, changed.json) == (200, {"sessions_ended": 2})
    assert (mine(page), mine(other)) == (401, 401)
    assert Page(client.application).sign_in().refusal == (403, "wrong_password")
    assert Page(client.application).sign_in(password=BOATS).status == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"CSRF-Token": None},
        {"CSRF-Token": "x" * 43},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://tickets.example.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_another_sites_page_sends_changes_nothing(page, headers):
    page.sign_in()
    assert asked(page, **headers).refusal == (403, "from_elsewhere")
    assert asked(page).refusal == (422, "malformed")  # It came in, and was looked at.


def test_another_site_signs_nobody_in(page):
    said = page.sign_in(headers={"Origin": "https://elsewhere.example"})
    assert said.refusal == (403, "from_elsewhere")


def test_the_token_of_one_session_is_none_for_another(page, client):
    other = Page(client.application)
    page.sign_in()
    other.sign_in()
    page.token = other.token
    assert asked(page).refusal == (403, "from_elsewhere")


def test_a_bearer_token_needs_no_header_beside_it_and_the_cookie_says_nothing(
    page, callers
):
    page.sign_in()
    bearer = {"Authorization": f"Bearer {callers.ben.token}", "CSRF-Token": None}
    told = page.call("GET", "/v1/me", headers=bearer)
    assert told.json["party_id"] == str(callers.ben.party_id)
    assert page.call("DELETE", "/v1/sessions/current", headers=bearer).status == 404
    wrong = {"Authorization": "Bearer etl_wrong"}
    assert page.call("GET", "/v1/me", headers=wrong).status == 401


def test_a_bearers_request_takes_one_statement_to_come_in_as_ever(
    page, callers, monkeypatch
):
    with listening(monkeypatch) as said:
        callers.ben.get("/v1/me")
    assert len(said) == 1
    assert "access_tokens" in said[0]


def test_an_erased_person_is_signed_out_for_good(page, callers, installation):
    page.sign_in()
    where = f"/v1/parties/{callers.ada.party_id}"
    callers.ada.post(f"{where}/erasure-request")
    assert callers.operator.post(f"{where}/erasure").status in {200, 201}
    assert mine(page) == 401
    assert page.sign_in().refusal == (403, "wrong_password")
    with installation.datastore.get_connection() as connection:
        assert connection.execute("SELECT FROM people_logins").rowcount == 0
