"""People let programs act for them: by a page, a code good once, tokens that rotate.

Planted and caught: a code that opens twice; a verifier that is not compared; a used
refresh token that ends nothing; a redirect URI compared by its beginning; a form taken
without the session's token.
"""

import base64
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from ledger.adapters.consents import CODE_LIFETIME, CONSENT_LIFETIME
from tests.api.signed_in import ADA, BOATS, KETTLE, Page, account

BACK = "https://wallet.example.org/back"
HERE = "http://127.0.0.1/back"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .rstrip(b"=")
    .decode()
)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def program(callers, client):
    """A registered program, and Ada who is signed in."""
    account(callers, callers.ada)
    page = Page(client.application)
    page.sign_in()
    made = callers.operator.post(
        "/v1/clients", name="Wallet <app>", redirect_uris=[BACK, HERE], roles=["buyer"]
    )
    assert made.status == 201, made.json
    return SimpleNamespace(page=page, id=made.json["client_id"], callers=callers)


def asked(program, **changes):
    said = {
        "response_type": "code",
        "client_id": program.id,
        "redirect_uri": BACK,
        "state": "s&1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def look(program, page=None, **changes):
    where = f"/oauth/authorize?{urlencode(asked(program, **changes))}"
    return (page or program.page).client.get(
        where, base_url="https://tickets.example.org"
    )


def say(program, says="yes", token=None, origin=None, **changes):
    """Send the page's form, as a browser without scripts does."""
    page = program.page
    form = asked(program, **changes) | {"says": says, "csrf_token": token or page.token}
    return page.call(
        "POST",
        "/oauth/authorize",
        data=form,
        headers={"CSRF-Token": None} | ({"Origin": origin} if origin else {}),
    )


def answered(said):
    assert said.status == 303, said.json
    there = said.headers["Location"]
    query = parse_qs(urlsplit(there).query)
    return there.split("?")[0], {name: value[0] for name, value in query.items()}


def code(program, **changes):
    return answered(say(program, **changes))[1]["code"]


def ask(program, **form):
    form = {"client_id": program.id} | form
    return program.callers.nobody.call("POST", "/oauth/token", data=form)


def redeem(program, given, **changes):
    form = {
        "grant_type": "authorization_code",
        "code": given,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    } | changes
    return ask(program, **form)


def renew(program, token, **changes):
    form = {"grant_type": "refresh_token", "refresh_token": token} | changes
    return ask(program, **form)


def opens(program, token):
    bearer = {"Authorization": f"Bearer {token}"}
    return program.callers.nobody.call("GET", "/v1/me", headers=bearer)


def over(said):
    return (said.status, said.json["error"]) == (400, "invalid_grant")


def test_a_program_acts_for_whoever_says_yes_on_the_page(program, callers):
    shown = look(program)
    page = shown.get_data(as_text=True)
    assert shown.status_code == 200
    assert "Wallet &lt;app&gt;" in page
    assert "<script" not in page
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
    assert shown.headers["Cache-Control"] == "no-store"
    hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    assert hidden["csrf_token"] == program.page.token
    there, answer = answered(say(program, token=hidden["csrf_token"]))
    assert there == BACK
    assert answer["state"] == "s&1"
    assert answer["iss"] == callers.its.settings.base_url
    given = redeem(program, answer["code"])
    assert given.status == 200, given.json
    assert (given.json["token_type"], given.json["scope"]) == ("Bearer", "buyer")
    assert given.headers["Cache-Control"] == "no-store"
    me = opens(program, given.json["access_token"]).json
    assert (me["party_id"], me["roles"]) == (str(callers.ada.party_id), ["buyer"])


def test_a_code_opens_once_and_a_second_time_ends_what_it_gave(program):
    given = code(program)
    first = redeem(program, given).json
    assert opens(program, first["access_token"]).status == 200
    assert over(redeem(program, given))
    assert opens(program, first["access_token"]).status == 401
    assert over(renew(program, first["refresh_token"]))


def test_a_code_opens_for_its_client_its_address_and_its_verifier_alone(
    program, callers, clock
):
    other = callers.operator.post(
        "/v1/clients", name="Other", redirect_uris=[BACK], roles=["buyer"]
    ).json["client_id"]
    for changes in (
        {"client_id": other},
        {"redirect_uri": HERE},
        {"code_verifier": "w" * 43},
        {"code_verifier": "short"},
        {"code_verifier": CHALLENGE},
    ):
        given = code(program)
        assert over(redeem(program, given, **changes)), changes
        assert over(redeem(program, given)), changes
    given = code(program)
    clock.at += CODE_LIFETIME
    assert over(redeem(program, given))


def test_a_refresh_token_opens_once_and_a_copy_ends_the_family(program):
    first = redeem(program, code(program)).json
    second = renew(program, first["refresh_token"])
    assert second.status == 200, second.json
    third = renew(program, second.json["refresh_token"]).json
    assert opens(program, third["access_token"]).status == 200
    assert over(renew(program, first["refresh_token"]))
    assert opens(program, third["access_token"]).status == 401
    assert over(renew(program, third["refresh_token"]))


def test_whoever_has_a_refresh_token_ends_it_and_what_it_gave(program):
    given = redeem(program, code(program)).json
    form = {"token": given["refresh_token"]}
    assert program.callers.nobody.call("POST", "/oauth/revoke", data=form).status == 200
    assert opens(program, given["access_token"]).status == 401
    assert over(renew(program, given["refresh_token"]))


def test_of_two_at_once_one_at_most_gets_on(program):
    token = redeem(program, code(program)).json["refresh_token"]
    with ThreadPoolExecutor(2) as both:
        said = list(both.map(lambda _: renew(program, token), range(2)))
    assert sum(each.status == 200 for each in said) <= 1
    for each in said:
        if each.status == 200:
            assert over(renew(program, each.json["refresh_token"]))


def test_a_refresh_token_is_its_clients_and_over_in_time(program, callers, clock):
    token = redeem(program, code(program)).json["refresh_token"]
    assert over(renew(program, token, client_id="00000000-0000-4000-8000-000000000000"))
    assert renew(program, token).status == 200  # Another's guess ended nothing.
    token = redeem(program, code(program)).json["refresh_token"]
    clock.at += CONSENT_LIFETIME + timedelta(seconds=1)
    assert over(renew(program, token))
    assert callers.its.consents.clean(at=clock.at, limit=10) == 2


def test_nothing_is_sent_to_an_address_that_is_not_the_clients(program):
    for uri in (
        f"{BACK}/more",
        f"{BACK}?a=b",
        "https://wallet.example.org.evil.example/back",
        "http://wallet.example.org/back",
        "http://localhost/back",
        "http://127.0.0.1:8080/other",
        "https://127.0.0.1/back",
        None,
    ):
        assert look(program, redirect_uri=uri).status_code == 422, uri
        assert say(program, redirect_uri=uri).refusal == (422, "malformed"), uri
    assert look(program, client_id="x").status_code == 404
    at_a_port = "http://127.0.0.1:49152/back"  # RFC 8252 section 7.3.
    given = code(program, redirect_uri=at_a_port)
    assert redeem(program, given, redirect_uri=at_a_port).status == 200


def test_what_is_wrong_otherwise_goes_back_to_the_program(program):
    for changes, error in (
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": "operator"}, "invalid_scope"),
        ({"scope": "buyer issuer"}, "invalid_scope"),
        ({"says": "no"}, "access_denied"),
    ):
        there, answer = answered(say(program, **changes))
        assert (there, answer["error"], answer["state"]) == (BACK, error, "s&1")
        assert "code" not in answer
        assert answer["iss"]
        if error != "access_denied":
            assert look(program, **changes).status_code == 303


def test_only_the_persons_own_page_says_yes(program, callers, client):
    other = Page(client.application)
    other.sign_in()
    assert say(program, token=other.token).refusal == (403, "from_elsewhere")
    assert say(program, token="x").refusal == (403, "from_elsewhere")
    elsewhere = say(program, origin="https://elsewhere.example")
    assert elsewhere.refusal == (403, "from_elsewhere")
    bearer = {"Authorization": f"Bearer {callers.ada.token}"}
    said = callers.nobody.call(
        "POST", "/oauth/authorize", data=asked(program), headers=bearer
    )
    assert said.refusal == (401, "unauthenticated")
    assert look(program, Page(client.application)).status_code == 303


def sign_in(program, page, password=KETTLE, **changes):
    """Send the page to sign in on, as a browser without scripts does."""
    form = asked(program, **changes) | {"login_name": ADA, "password": password}
    return page.call("POST", "/oauth/sign-in", data=form)


def test_who_is_not_signed_in_does_so_on_the_way_and_comes_back(program, client):
    page = Page(client.application)
    there = look(program, page).headers["Location"]
    path, query = there.split("?")
    assert (path, parse_qs(query)["state"]) == ("/oauth/sign-in", ["s&1"])
    shown = page.client.get(there, base_url=page.at)
    assert shown.status_code == 200
    assert "Wallet &lt;app&gt;" in shown.text
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
    said = sign_in(program, page)
    assert said.status == 303
    back = page.client.get(said.headers["Location"], base_url=page.at)
    assert back.status_code == 200
    assert "May Wallet &lt;app&gt; act for you?" in back.text


def test_a_wrong_password_is_said_on_the_page_and_is_not_shown_again(program, client):
    page = Page(client.application)
    shown = page.client.post(
        "/oauth/sign-in",
        data=asked(program) | {"login_name": ADA, "password": BOATS},
        base_url=page.at,
    )
    assert shown.status_code == 403
    assert "The login name or the password is wrong." in shown.text
    assert BOATS not in shown.text
    assert "Set-Cookie" not in shown.headers


def test_another_site_signs_nobody_in_by_the_form(program, client):
    page = Page(client.application, "https://tickets.example.org")
    form = asked(program) | {"login_name": ADA, "password": KETTLE}
    headers = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    said = page.call("POST", "/oauth/sign-in", data=form, headers=headers)
    assert said.refusal == (403, "from_elsewhere")


def test_the_page_to_sign_in_on_leads_to_no_client_that_is_not_registered(
    program, client
):
    page = Page(client.application)
    wrong = {"redirect_uri": "https://elsewhere.example/back"}
    assert sign_in(program, page, **wrong).refusal == (422, "malformed")
    query = urlencode(asked(program, **wrong))
    assert page.call("GET", f"/oauth/sign-in?{query}").refusal == (422, "malformed")


def test_another_password_an_erasure_or_the_clients_end_ends_it(program, callers):
    given = redeem(program, code(program)).json
    changed = program.page.call(
        "PUT", "/v1/me/password", json={"current": KETTLE, "new": BOATS}
    )
    assert changed.status == 200
    assert opens(program, given["access_token"]).status == 401
    assert over(renew(program, given["refresh_token"]))
    program.page.sign_in(password=BOATS)
    given = redeem(program, code(program)).json
    assert callers.operator.delete(f"/v1/clients/{program.id}").status == 204
    assert opens(program, given["access_token"]).status == 401
    assert over(renew(program, given["refresh_token"]))
    assert callers.operator.delete(f"/v1/clients/{program.id}").status == 404
    assert callers.ada.get("/v1/me").status == 200  # A token of her own stays.


def test_a_person_sees_which_programs_act_for_him_and_takes_it_back(program, callers):
    given = redeem(program, code(program)).json
    (told,) = program.page.call("GET", "/v1/me/consents").json["consents"]
    assert (told["client_id"], told["name"]) == (program.id, "Wallet <app>")
    assert told["roles"] == ["buyer"]
    where = f"/v1/me/consents/{told['consent_id']}"
    assert callers.ben.call("DELETE", where).refusal == (404, "unknown")
    assert opens(program, given["access_token"]).status == 200
    assert program.page.call("DELETE", where).status == 204
    assert opens(program, given["access_token"]).status == 401
    assert over(renew(program, given["refresh_token"]))
    assert program.page.call("GET", "/v1/me/consents").json == {"consents": []}
    assert program.page.call("DELETE", where).refusal == (404, "unknown")


def test_an_erased_persons_consents_are_gone(program, callers, installation):
    given = redeem(program, code(program)).json
    where = f"/v1/parties/{callers.ada.party_id}"
    callers.ada.post(f"{where}/erasure-request")
    assert callers.operator.post(f"{where}/erasure").status in {200, 201}
    assert over(renew(program, given["refresh_token"]))
    with installation.datastore.get_connection() as connection:
        assert connection.execute("SELECT FROM oauth_consents").rowcount == 0


def test_the_tables_hold_nothing_that_opens(program, installation):
    spare = code(program)
    token = redeem(program, code(program)).json["refresh_token"]
    with installation.datastore.get_connection() as connection:
        rows = [
            repr(dict(row))
            for table in ("oauth_codes", "oauth_refresh_tokens", "oauth_consents")
            for row in connection.execute(f"SELECT * FROM {table}").fetchall()
        ]
    assert len(rows) == 5
    assert not any(each in row for row in rows for each in (spare, token))


def test_operators_alone_register_programs_at_addresses_that_are_safe(callers):
    for uri in (
        "http://wallet.example.org/back",
        "https://wallet.example.org/back#here",
        "https://us:them@wallet.example.org/",
        "javascript:alert(1)",
        "http://localhost/back",
        "https://wallet.example.org",
    ):
        said = callers.operator.post(
            "/v1/clients", name="App", redirect_uris=[uri], roles=["buyer"]
        )
        assert said.refusal == (422, "bad_redirect_uri"), uri
    body = {"name": "App", "redirect_uris": [BACK], "roles": ["operator"]}
    assert callers.operator.post("/v1/clients", **body).refusal == (422, "malformed")
    assert callers.ada.post("/v1/clients", **body).refusal == (403, "role_missing")
    assert callers.operator.get("/v1/clients").json == {"clients": []}


def test_the_metadata_tells_where_and_how(callers):
    told = callers.nobody.get("/.well-known/oauth-authorization-server").json
    assert told["authorization_endpoint"] == f"{told['issuer']}/oauth/authorize"
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert {"authorization_code", "refresh_token"} <= set(told["grant_types_supported"])
