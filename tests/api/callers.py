"""Who calls in these tests, with what; and what they begin with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flask.testing import FlaskClient

from ledger.application import Cause
from ledger.bootstrap import Installation
from ledger.clock import new_id
from ledger.usecases import parties
from ledger.vocabulary.codes import Role

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY_S = 24 * 3600


class SetClock:
    """Tells the time it was set to."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def passes(self, **more: float) -> None:
        self.at += timedelta(**more)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its status, its JSON, its headers."""

    status: int
    json: Any
    headers: Any

    @property
    def refusal(self) -> tuple[int, str]:
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = self.json
        assert problem["status"] == self.status
        assert problem["type"] == f"/problems/{problem['code']}"
        assert problem["title"]
        assert problem["detail"].endswith(".")
        assert isinstance(problem["because"], list)
        assert isinstance(problem["facts"], dict)
        return self.status, problem["code"]

    @property
    def position(self) -> int:
        return int(self.headers["Ledger-Position"])


@dataclass(slots=True)
class Caller:
    """One principal: whom a token speaks for, and the token."""

    client: FlaskClient
    token: str | None
    party_id: UUID | None = None
    device_id: UUID | None = None
    key: X25519PrivateKey | None = None

    def get(self, path: str, **headers: str) -> Said:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("GET", path, headers=named)

    def post(self, path: str, **body: Any) -> Said:
        return self.call("POST", path, json=body)

    def put(self, path: str, **body: Any) -> Said:
        return self.call("PUT", path, json=body)

    def delete(self, path: str) -> Said:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **more: Any) -> Said:
        headers = dict(more.pop("headers", {}))
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        answer = self.client.open(path, method=method, headers=headers, **more)
        json = answer.get_json(silent=True) if answer.data else None
        return Said(answer.status_code, json, answer.headers)


class Callers:
    """An operator, an issuer, three people; devices are enrolled when asked for."""

    def __init__(self, client: FlaskClient, installation: Installation) -> None:
        self.client = client
        self.its = installation
        self.nobody = Caller(client, None)
        self.operator = self.person(Role.OPERATOR)
        self.issuer = self.person(Role.ISSUER)
        self.ada = self.person(Role.BUYER)
        self.ben = self.person(Role.BUYER)
        self.cleo = self.person(Role.BUYER)
        self.auditor = self.person(Role.AUDITOR)

    def person(self, *roles: Role) -> Caller:
        party_id = new_id()
        parties.register(
            self.its.ledger,
            self.its.personal,
            party_id=party_id,
            kind="person",
            name="Somebody",
            contact=None,
            at=self.its.clock.now(),
            cause=Cause(actor="test"),
        )
        return self.caller(*roles, party_id=party_id)

    def caller(self, *roles: Role, lifetime_s: int = DAY_S, **who: Any) -> Caller:
        token, _ = self.its.tokens.issue(
            party_id=who.get("party_id"),
            device_id=who.get("device_id"),
            roles=roles,
            lifetime_s=lifetime_s,
            at=self.its.clock.now(),
        )
        return Caller(self.client, token, **who)

    def device(self, kind: str, *roles: Role, by: Caller | None = None) -> Caller:
        """Enrol a device; its token speaks for it alone."""
        key = X25519PrivateKey.generate()
        made = (by or self.operator).post(
            "/v1/devices",
            kind=kind,
            public_key=key.public_key().public_bytes_raw().hex(),
            label="Foyer",
        )
        assert made.status == 201, made.json
        return self.caller(*roles, device_id=UUID(made.json["device_id"]), key=key)

    def rich(self, buyer: Caller, amount_minor: int = 100_00) -> None:
        done = self.operator.post(
            "/v1/accounts/top-ups",
            party_id=str(buyer.party_id),
            amount_minor=amount_minor,
            currency="EUR",
            reference="counter 3",
        )
        assert done.status == 201, done.json

    def offering(self, **changes: Any) -> str:
        body = offering_body() | changes
        made = self.issuer.post("/v1/offerings", **body)
        assert made.status == 201, made.json
        return str(made.json["offering_id"])

    def ticket(self, buyer: Caller, **changes: Any) -> str:
        """Let a buyer buy one; an answer is given if the offering asks."""
        answer = "12.03.1990" if changes.get("question") else None
        self.rich(buyer)
        order = buyer.post("/v1/orders", offering_id=self.offering(**changes))
        bought = buyer.post(
            f"/v1/orders/{order.json['order_id']}/payment",
            tender="e-money",
            answer=answer,
        )
        assert bought.status == 201, bought.json
        return str(bought.json["ticket_id"])


def offering_body() -> dict[str, Any]:
    return {
        "title": "Hamlet, opening night",
        "kind": "admission",
        "currency": "EUR",
        "price_minor": 40_00,
        "places": ["Row 4 seat 12", "Row 4 seat 13"],
        "sale_from": "2026-11-01T00:00:00Z",
        "sale_until": "2026-11-30T00:00:00Z",
        "valid_from": "2026-11-22T10:00:00Z",
        "valid_until": "2026-11-23T10:00:00+01:00",
        "purchase_limit": 4,
        "terms": {"royalty_percent": 10, "resale_cap_percent": 120},
    }
