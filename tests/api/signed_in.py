"""People of the story with accounts, and pages that keep their cookies."""

from __future__ import annotations

from typing import Any

from flask import Flask

from tests.api.callers import Caller, Callers, Said

ADA = "ada@example.org"
KETTLE = "a kettle of seven fish"
BOATS = "nine boats upon a hill"


class Page:
    """A browser: keeps cookies, says where it is, sends the token it was given."""

    def __init__(self, app: Flask, at: str = "https://tickets.example.org") -> None:
        self.client = app.test_client()
        self.at = at
        self.token: str | None = None

    def sign_in(self, name: str = ADA, password: str = KETTLE, **more: Any) -> Said:
        said = self.call(
            "POST",
            "/v1/sessions",
            json={"login_name": name, "password": password},
            **more,
        )
        if said.status == 201:
            self.token = said.json["csrf_token"]
        return said

    def call(self, method: str, path: str, **more: Any) -> Said:
        # None takes a header away.
        headers: dict[str, str | None] = {
            "Origin": self.at,
            "Sec-Fetch-Site": "same-origin",
        }
        if self.token is not None:
            headers["CSRF-Token"] = self.token
        for name, value in more.pop("headers", {}).items():
            headers[name] = value
        sent = {name: value for name, value in headers.items() if value is not None}
        answer = self.client.open(
            path,
            method=method,
            base_url=self.at,
            headers=sent,
            environ_overrides={"REMOTE_ADDR": more.pop("address", "198.51.100.7")},
            **more,
        )
        json = answer.get_json(silent=True) if answer.data else None
        return Said(answer.status_code, json, answer.headers)

    @property
    def session(self) -> str:
        (cookie,) = (self.client._cookies or {}).values()
        return str(cookie.value)


def invited(callers: Callers, who: Caller, *roles: str) -> str:
    said = callers.operator.post(
        "/v1/invitations", party_id=str(who.party_id), roles=list(roles or ("buyer",))
    )
    assert said.status == 201, said.json
    return str(said.json["invitation"])


def account(callers: Callers, who: Caller, name: str = ADA, *roles: str) -> None:
    """Open an account for a party, with the password `KETTLE`."""
    said = callers.nobody.post(
        "/v1/sign-ups",
        invitation=invited(callers, who, *roles),
        login_name=name,
        password=KETTLE,
    )
    assert said.status == 201, said.json
