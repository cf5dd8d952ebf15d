"""People sign in at an OpenID provider: a real one on this machine, over HTTP.

Planted and caught: a nonce that is not looked at; a departure that opens twice; a
token's issuer that may be any; keys that are never fetched anew; a return to `//host`.
"""

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from api.app import create_app
from ledger.bootstrap import open_installation
from ledger.settings import Settings, SettingsError
from tests.api.callers import Callers
from tests.api.openid_provider import CLIENT, SECRET, serving
from tests.api.signed_in import Page, invited


@pytest.fixture
def provider(clock):
    with serving(clock) as its:
        yield its


@pytest.fixture
def installation(database, tmp_path, clock, provider):
    settings = Settings(
        database_url=database.server_url,
        schema=database.schema,
        home=tmp_path,
        log_level="error",
        public_url="https://tickets.example.org",
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
    )
    with open_installation(settings, clock=clock) as opened:
        yield opened


@pytest.fixture
def page(client):
    return Page(client.application)


def leave(page, return_to="/tickets"):
    said = page.call("GET", f"/v1/oidc/login?{urlencode({'return_to': return_to})}")
    assert said.status == 303, said.json
    return said.headers["Location"]


def sign_up(page, invitation):
    said = page.call("POST", "/v1/oidc/sign-ups", json={"invitation": invitation})
    assert said.status == 201, said.json
    return said.json["location"]


def come_back(page, provider, address, subject="ada-1", **more):
    code, state = provider.code_for(address, subject)
    query = {"code": code, "state": state} | more
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": None}
    return page.call("GET", f"/v1/oidc/callback?{urlencode(query)}", headers=headers)


def mine(page):
    said = page.call("GET", "/v1/me/session")
    return said.json["party_id"] if said.status == 200 else said.status


@pytest.fixture
def linked(page, callers, provider, client):
    """Ada has an account that the provider opens."""
    other = Page(client.application)
    back = come_back(other, provider, sign_up(other, invited(callers, callers.ada)))
    assert back.status == 303, back.json
    return other


def test_who_was_invited_opens_an_account_and_signs_in_without_a_password(
    linked, page, callers, provider
):
    assert mine(linked) == str(callers.ada.party_id)
    back = come_back(page, provider, leave(page))
    assert (back.status, back.headers["Location"]) == (303, "/tickets")
    cookies = back.headers.getlist("Set-Cookie")
    (session,) = [each for each in cookies if each.startswith("__Host-session=")]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(session.split("; "))
    assert mine(page) == str(callers.ada.party_id)
    assert page.call("GET", "/v1/me").json["roles"] == ["buyer"]


def test_who_comes_for_a_program_may_sign_in_elsewhere_and_comes_back_to_it(
    linked, page, callers, provider
):
    where = "https://wallet.example.org/back"
    made = callers.operator.post(
        "/v1/clients", name="Wallet", redirect_uris=[where], roles=["buyer"]
    )
    asked = {
        "client_id": made.json["client_id"],
        "redirect_uri": where,
        "response_type": "code",
        "state": "s" * 500,
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
    shown = page.client.get(f"/oauth/sign-in?{urlencode(asked)}", base_url=page.at).text
    (link,) = re.findall(r'href="([^"]+)"', shown)
    left = page.call("GET", unescape(link)).headers["Location"]
    there = come_back(page, provider, left).headers["Location"]
    assert there.startswith("/oauth/authorize?")
    assert "May Wallet act for you?" in page.client.get(there, base_url=page.at).text


def test_who_was_not_invited_comes_in_nowhere(linked, page, provider):
    back = come_back(page, provider, leave(page), subject="somebody")
    assert back.refusal == (403, "not_invited")
    assert mine(page) == 401


def test_an_invitation_opens_one_account_and_a_subject_is_one_party(
    linked, page, callers, provider
):
    code = invited(callers, callers.ben)
    taken = come_back(page, provider, sign_up(page, code), subject="ada-1")
    assert taken.refusal == (409, "login_taken")
    assert come_back(page, provider, sign_up(page, code), "ben-1").status == 303
    said = page.call("POST", "/v1/oidc/sign-ups", json={"invitation": code})
    assert said.refusal == (404, "unknown")


def test_the_tables_hold_nothing_that_opens_or_names(linked, page, installation):
    address = leave(page)
    with installation.datastore.get_connection() as connection:
        rows = [
            repr(dict(row))
            for table in ("people_links", "people_departures")
            for row in connection.execute(f"SELECT * FROM {table}").fetchall()
        ]
    assert len(rows) == 2
    (cookie,) = (page.client._cookies or {}).values()
    secrets = {cookie.value, "ada-1", *address.split("=")}
    assert not any(each in row for each in secrets if len(each) > 4 for row in rows)


def test_a_token_that_is_not_for_this_sign_in_opens_nothing(linked, page, provider):
    for claims in (
        {"nonce": "another"},
        {"iss": "http://127.0.0.1:1"},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"exp": 1_000_000_000},
        {"iat": 1_000_000_000},
        {"iat": 4_000_000_000},
        {"exp": None},
        {"sub": ""},
        {"sub": 7},
    ):
        provider.claims = claims
        said = come_back(page, provider, leave(page))
        assert said.refusal == (403, "provider_refused"), claims
    assert mine(page) == 401


def test_a_token_without_the_providers_signature_opens_nothing(linked, page, provider):
    for algorithm in ("none", "HS256"):
        provider.algorithm = algorithm
        said = come_back(page, provider, leave(page))
        assert said.refusal == (403, "provider_refused"), algorithm
    provider.algorithm = "ES256"
    provider.rotate("first")  # Another key under a known name.
    assert come_back(page, provider, leave(page)).refusal == (403, "provider_refused")


def test_a_new_key_is_fetched_when_a_token_names_it(linked, page, provider, clock):
    provider.rotate("second")
    assert come_back(page, provider, leave(page)).status == 403  # Just fetched.
    clock.passes(seconds=31)
    assert come_back(page, provider, leave(page)).status == 303
    before = provider.asked.count("/keys")
    assert come_back(page, provider, leave(page)).status == 303
    assert provider.asked.count("/keys") == before == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_a_way_back_is_gone_once(linked, page, provider):
    address = leave(page)
    kept = page.client.get_cookie(
        "__Host-departure", domain="tickets.example.org"
    ).value
    assert come_back(page, provider, address).status == 303
    page.client.set_cookie(
        "__Host-departure", kept, domain="tickets.example.org", secure=True
    )
    again = come_back(page, provider, address)
    assert again.refusal == (409, "sign_in_not_under_way")


def test_another_browser_does_not_come_back_with_it(linked, page, provider, client):
    other = Page(client.application)
    leave(other)
    for stranger in (other, Page(client.application)):
        said = come_back(stranger, provider, leave(page))
        assert said.refusal == (409, "sign_in_not_under_way")


def test_who_stays_away_too_long_begins_anew(linked, page, provider, clock):
    address = leave(page)
    clock.passes(minutes=10)
    said = come_back(page, provider, address)
    assert said.refusal == (409, "sign_in_not_under_way")


def test_the_answer_of_another_provider_is_not_taken(linked, page, provider):
    said = come_back(page, provider, leave(page), iss="https://mixed-up.example")
    assert said.refusal == (403, "provider_refused")
    right = come_back(page, provider, leave(page), iss=provider.issuer)
    assert right.status == 303


def test_a_provider_that_names_itself_always_is_not_believed_without(
    page, callers, provider
):
    provider.about = {"authorization_response_iss_parameter_supported": True}
    address = sign_up(page, invited(callers, callers.ada))
    assert come_back(page, provider, address).refusal == (403, "provider_refused")


def test_who_says_no_at_the_provider_is_not_signed_in(linked, page, provider):
    _, state = provider.code_for(leave(page), "ada-1")
    query = urlencode({"state": state, "error": "access_denied"})
    said = page.call("GET", f"/v1/oidc/callback?{query}")
    assert said.refusal == (403, "provider_refused")


def test_a_provider_that_is_down_is_said_to_be(linked, page, provider):
    address = leave(page)
    provider.down = True
    said = come_back(page, provider, address)
    assert said.refusal == (503, "provider_unavailable")
    assert said.headers["Retry-After"] == "5"


def test_no_host_is_asked_but_the_providers_and_none_for_long(
    page, callers, provider, clock
):
    invitation = {"invitation": invited(callers, callers.ada)}
    for about in (
        {"token_endpoint": "http://169.254.169.254/token"},
        {"jwks_uri": "https://127.0.0.1/keys"},
        {"issuer": "http://127.0.0.1:1"},
        {"padding": "x" * 300_000},
    ):
        provider.about = about
        clock.passes(hours=1)  # What was said before is asked anew.
        said = page.call("POST", "/v1/oidc/sign-ups", json=invitation)
        if said.status == 201:
            said = come_back(page, provider, said.json["location"])
        assert said.refusal == (503, "provider_unavailable"), about.keys()


def test_the_browser_goes_on_at_this_server_alone(page):
    for there in ("//other.example", "/\\other.example", "https://other.example", "x"):
        said = page.call("GET", f"/v1/oidc/login?{urlencode({'return_to': there})}")
        assert said.refusal == (422, "malformed"), there


def test_an_erased_person_does_not_come_in_by_the_provider(
    linked, page, callers, provider
):
    where = f"/v1/parties/{callers.ada.party_id}"
    callers.ada.post(f"{where}/erasure-request")
    assert callers.operator.post(f"{where}/erasure").status in {200, 201}
    assert mine(linked) == 401
    assert come_back(page, provider, leave(page)).refusal == (403, "not_invited")


def test_without_a_provider_in_the_settings_there_is_no_such_sign_in(
    database, tmp_path, clock
):
    settings = Settings(
        database_url=database.server_url,
        schema=database.schema,
        home=tmp_path,
        log_level="error",
    )
    with open_installation(settings, clock=clock) as opened:
        app = create_app(opened)
        assert Callers(app.test_client(), opened).nobody.get(
            "/v1/oidc/login"
        ).refusal == (404, "unknown")


def test_half_a_provider_is_no_setting():
    with pytest.raises(SettingsError, match="need each other"):
        Settings.from_environ({"LEDGER_OIDC_ISSUER": "https://id.example.org"})
    with pytest.raises(SettingsError, match="OIDC_ISSUER"):
        Settings.from_environ({"LEDGER_OIDC_ISSUER": "http://id.example.org"})
