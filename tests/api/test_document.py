"""The OpenAPI document is the code's, whole, and committed as it is."""

import json
from pathlib import Path

from flask.testing import FlaskClient

from api.advice import DO
from api.app import describe
from api.auth import ACCESS, PUBLIC
from ledger.bootstrap import Installation

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
UNDOCUMENTED = {"/v1/openapi.json", "/v1/docs", "/problems/<code>"}


def test_every_route_has_a_row_that_says_who_may_come_in(client: FlaskClient):
    routes = {
        f"{method} {rule.rule}"
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert routes == set(ACCESS)


def test_the_committed_document_is_what_the_code_says():
    assert json.loads(COMMITTED.read_text()) == describe(), (
        "run: ledgerctl openapi > docs/openapi.json"
    )


def test_the_served_document_is_the_same(client: FlaskClient):
    assert client.get("/v1/openapi.json").json == describe()


def test_every_operation_says_what_it_does_who_may_and_how_it_refuses():
    document = describe()
    assert document["openapi"] == "3.1.0"
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    }
    undocumented = sum(row.endswith(tuple(UNDOCUMENTED)) for row in ACCESS)
    assert len(operations) == len(ACCESS) - undocumented
    public = 0
    for name, operation in operations.items():
        assert operation["summary"].endswith("."), name
        assert operation["responses"]["default"] == {
            "$ref": "#/components/responses/Problem"
        }
        assert all("X-Pagination" not in str(each) for each in operation["responses"])
        if operation["security"] == []:
            public += 1
        else:
            assert operation["x-roles"], name
    assert public == sum(who == PUBLIC for who in ACCESS.values()) - undocumented
    problem = document["components"]["responses"]["Problem"]["content"]
    assert list(problem) == ["application/problem+json"]


def test_the_page_of_the_document_needs_no_other_server(client: FlaskClient):
    page = client.get("/v1/docs")
    assert page.mimetype == "text/html"
    assert "POST /v1/orders" in page.text
    assert "src=" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_health_says_whether_the_log_can_be_read(
    client: FlaskClient, installation: Installation
):
    assert client.get("/health/live").json == {"status": "live"}
    assert client.get("/health/ready").json == {"status": "ready"}
    installation.ledger.close()
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.get_json()["code"] == "unavailable"


def test_the_type_of_a_problem_leads_to_a_page_that_says_what_to_do(
    client: FlaskClient,
):
    refused: dict[str, str] = client.get("/v1/me").get_json()
    assert refused["do"] == DO["unauthenticated"]
    page = client.get(refused["type"])
    assert page.status_code == 200
    assert "Unauthenticated" in page.text
    assert "Get a token or sign in" in page.text


def test_a_problem_that_does_not_exist_has_no_page(client: FlaskClient):
    page = client.get("/problems/<script>")
    assert page.status_code == 404
    assert page.get_json()["code"] == "unknown"
