"""Who may do what, route by route: every role at every door, and every stranger.

A route without a row in `api.auth.ACCESS` cannot be made, and one with an id in its
path and no row in `STRANGERS` fails here. Planted and caught: roles not looked at; a
token not asked for; another's ticket, case, card or medium told; another's lease ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.app import create_app
from api.auth import ACCESS, PUBLIC
from ledger.adapters.consents import Consent
from ledger.usecases.accounts import E_MONEY
from ledger.vocabulary.codes import Role
from ledger.vocabulary.ids import account_id
from tests.api.callers import Caller, Callers, Said
from tests.api.cards import Card, personalised
from tests.api.test_cards import load, on_card
from tests.api.test_coupon_doors import use

_PARAMETER = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


def test_every_route_of_the_application_has_a_row_and_every_row_a_route(installation):
    app = create_app(installation)
    made = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert made == set(ACCESS)


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_a_role_comes_in_where_its_row_says_and_nowhere_else(callers, role):
    who = callers.person(role)
    wrong = []
    for route, open_to in ACCESS.items():
        method, path = route.split(" ", maxsplit=1)
        told = who.call(method, filled(path, {}))
        refused = told.status in {401, 403} and told.json["code"] == "role_missing"
        if refused == (open_to == PUBLIC or role in open_to):
            wrong.append((route, told.status))
    assert wrong == []


SENT_TO_SIGN_IN = {"GET /oauth/authorize": 303}


def test_nobody_comes_in_without_a_token(callers):
    for route, open_to in ACCESS.items():
        method, path = route.split(" ", maxsplit=1)
        told = callers.nobody.call(method, filled(path, {}))
        outside = told.status == SENT_TO_SIGN_IN.get(route, 401)
        assert outside == (open_to != PUBLIC), route


# Strangers.


@dataclass(frozen=True)
class Place:
    """What Ada has: each id of a path, and who else could ask."""

    ids: dict[str, str]
    card: Card
    strangers: dict[Role, Caller]
    terminal_of: dict[str | None, str]
    """By token: a stranger comes with a terminal of his own."""

    def of_path(self, path: str) -> dict[str, str]:
        """Which of her tickets is meant: each thing that happens has one of its own."""
        if path.endswith("/reversal"):
            return {"ticket_id": self.ids["used"], "session_id": self.ids["redeemed"]}
        for part in self.ids.keys() & {
            *("gift-offers/", "listings/", "dispenses/", "redemptions/"),
            "modification-requests/",
        }:
            if part in path:
                return {"ticket_id": self.ids[part]}
        if "registered-sales/" in path:
            return {"sale_id": self.ids["registered-sales/"]}
        return {}


@pytest.fixture
def place(callers: Callers) -> Place:
    terminal = callers.device("terminal", Role.TERMINAL, by=callers.ada)
    card = personalised(callers, callers.ada)
    loaded = callers.ticket(callers.ada)
    load(callers, card, terminal, loaded)
    offered, listed = callers.ticket(callers.ada), callers.ticket(callers.ada)
    gift = callers.ada.post(
        f"/v1/tickets/{offered}/gift-offers", to_party_id=str(callers.cleo.party_id)
    )
    listing = callers.ada.post(
        f"/v1/tickets/{listed}/listings",
        price_minor=40_00,
        to_party_id=str(callers.cleo.party_id),
    )
    sale = bought(callers)
    offering = callers.offering()
    order = callers.ada.post("/v1/orders", offering_id=offering)
    asked = callers.ticket(callers.ada, terms={"exchangeable": True})
    request = callers.ada.post(
        f"/v1/tickets/{asked}/modification-requests",
        changes={"right": "Row 1"},
        reason="nearer",
    )
    exchange = callers.ada.post(
        "/v1/exchanges", ticket_ids=[asked], offering_id=callers.offering()
    )
    case = callers.ada.post(
        "/v1/cases",
        case_type="not_received",
        ticket_ids=[callers.ticket(callers.ada)],
    )
    case_path = f"/v1/cases/{case.json['case_id']}"
    evidence = callers.ada.post(
        f"{case_path}/evidence", description="x", content="AAAA", media_type="a/b"
    )
    dispenser = callers.device("dispenser", Role.DISPENSER)
    shop = callers.device("point_of_sale", Role.SHOP)
    printing, first = on_card(callers, terminal, uid="04000000000001")
    lease = dispenser.post(
        f"/v1/tickets/{printing}/dispenses",
        reading=first.reading(),
        slot=0,
        epoch=2,
        answered=True,
    )
    coupon, second = on_card(callers, terminal, uid="04000000000002", kind="coupon")
    session = shop.post(
        f"/v1/tickets/{coupon}/redemptions",
        reading=second.reading(),
        slot=0,
        epoch=2,
        receipt="R-1",
        purchase={"amount_minor": 350, "currency": "EUR"},
    )
    used, third = on_card(callers, terminal, uid="04000000000003", kind="coupon")
    redeemed = use(shop, used, third, receipt="R-2")
    write = callers.ada.post(
        f"/v1/media/{card.uid.hex()}/writes",
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
        unload=[loaded],
    )
    coupons = callers.issuer.post(
        "/v1/coupons",
        offering_id=callers.offering(kind="coupon", question=None),
        party_ids=[str(callers.ada.party_id)],
    )
    seller = callers.person(Role.SHOP)
    registered = sold_elsewhere(callers, seller)
    hook = callers.ada.post("/v1/webhooks", url="https://hooks.example.org/tickets")
    ids = {
        "ticket_id": loaded,
        "gift-offers/": offered,
        "listings/": listed,
        "dispenses/": printing,
        "redemptions/": coupon,
        "used": used,
        "redeemed": redeemed,
        "job_id": lease.json["job_id"],
        "session_id": session.json["session_id"],
        "terms_hash": gift.json["terms_hash"],
        "offer_id": gift.json["offer_id"],
        "listing_id": listing.json["listing_id"],
        "sale_id": sale.json["sale_id"],
        "registered-sales/": registered.json["sale_id"],
        "seller_id": str(seller.party_id),
        "grant_id": coupons.json["coupons"][0]["grant_id"],
        "order_id": order.json["order_id"],
        "offering_id": offering,
        "modification-requests/": asked,
        "request_id": request.json["request_id"],
        "exchange_id": exchange.json["exchange_id"],
        "case_id": case.json["case_id"],
        "evidence_id": evidence.json["evidence_id"],
        "device_id": str(terminal.device_id),
        "subscription_id": hook.json["subscription_id"],
        "consent_id": consented(callers),
        "party_id": str(callers.ada.party_id),
        "account_id": (purse := purse_of(callers.ada)),
        "account": purse,
        "uid": card.uid.hex(),
        "write_id": write.json["write_id"],
    }
    another = callers.person(Role.OPERATOR)
    strangers = {
        Role.BUYER: callers.ben,
        Role.ISSUER: callers.person(Role.ISSUER),
        Role.TERMINAL: callers.device("terminal", Role.TERMINAL, by=callers.ben),
        Role.DISPENSER: callers.device("dispenser", Role.DISPENSER),
        Role.SHOP: callers.device("point_of_sale", Role.SHOP, by=another),
        Role.PERSONALISER: callers.device("personaliser", Role.PERSONALISER),
    }
    his = str(callers.device("terminal", Role.TERMINAL, by=callers.ben).device_id)
    terminal_of = {
        each.token: str(each.device_id or his) for each in strangers.values()
    }
    return Place(ids, card, strangers, terminal_of)


def purse_of(who: Caller) -> str:
    assert who.party_id is not None
    return str(account_id(who.party_id, E_MONEY, "EUR"))


def consented(callers: Callers) -> str:
    """Ada lets a program act for her."""
    client = callers.operator.post(
        "/v1/clients",
        name="Wallet",
        redirect_uris=["https://wallet.example.org/back"],
        roles=["buyer"],
    )
    assert callers.ada.party_id is not None
    consent = Consent(
        consent_id=uuid4(),
        client_id=UUID(client.json["client_id"]),
        party_id=callers.ada.party_id,
        roles=frozenset({Role.BUYER}),
    )
    at = callers.its.clock.now()
    callers.its.consents.give(consent, redirect_uri="", challenge="", at=at)
    return str(consent.consent_id)


def bought(callers: Callers) -> Said:
    """Cleo buys a listed ticket of Ada's."""
    ticket_id = callers.ticket(callers.ada)
    listing = callers.ada.post(f"/v1/tickets/{ticket_id}/listings", price_minor=40_00)
    callers.rich(callers.cleo)
    return callers.cleo.post(
        "/v1/sales",
        listings=[{"ticket_id": ticket_id, "listing_id": listing.json["listing_id"]}],
    )


def sold_elsewhere(callers: Callers, seller: Caller) -> Said:
    """A seller with a mandate tells of a sale to Ada."""
    callers.issuer.put(f"/v1/mandates/{seller.party_id}", commission_percent=5)
    return seller.post(
        "/v1/registered-sales",
        reference="S-1",
        offering_id=callers.offering(),
        purchaser_id=str(callers.ada.party_id),
        taken={"amount_minor": 40_00, "currency": "EUR"},
    )


NOT_THERE, NOT_HIS = (404, "unknown"), (403, "not_owner")
ALONE = (403, "role_missing")
"""A terminal's own token opens nothing: whose card it is says a person's."""

MACHINE = (403, "device_not_authorised")
ALL = "what it is about belongs to nobody, or any machine may ask it"
OPERATORS = "operators act for everybody; no others come in"

_TICKET = "/v1/tickets/<uuid:ticket_id>"
_GIFT = f"{_TICKET}/gift-offers/<uuid:offer_id>"
_GIVEN = "/v1/gifts/<uuid:offer_id>"
_LISTING = f"{_TICKET}/listings/<uuid:listing_id>"
_SALE = "/v1/sales/<uuid:sale_id>"
_REGISTERED = "/v1/registered-sales/<uuid:sale_id>"
_DISPENSE = f"{_TICKET}/dispenses/<uuid:job_id>"
_CASE = "/v1/cases/<uuid:case_id>"
_MEDIUM = "/v1/media/<uid:uid>"
_ORDER = "/v1/orders/<uuid:order_id>"
_OFFERING = "/v1/offerings/<uuid:offering_id>"
_EXCHANGE = "/v1/exchanges/<uuid:exchange_id>"
_REQUEST = f"{_TICKET}/modification-requests/<uuid:request_id>"

# What a stranger in the right role is told, who asks for what is Ada's by its true id.
STRANGERS: dict[str, Any] = {
    "DELETE /v1/clients/<uuid:client_id>": OPERATORS,
    "DELETE /v1/me/consents/<uuid:consent_id>": {
        Role.BUYER: NOT_THERE,
        Role.ISSUER: NOT_THERE,
        Role.SHOP: ALONE,
    },
    "GET /problems/<code>": ALL,
    "GET /v1/log/receipts/<int:position>": ALL,
    "GET /log/tile/<level>/<path:tile>": ALL,
    "GET /log/tile/entries/<path:bundle>": ALL,
    f"GET {_OFFERING}": ALL,
    f"GET {_OFFERING}/stock": ALL,
    f"GET {_OFFERING}/seats": ALL,
    # Everybody stands in line for himself.
    f"POST {_OFFERING}/waiting": ALL,
    f"GET {_OFFERING}/waiting": ALL,
    f"DELETE {_OFFERING}/waiting": NOT_THERE,
    f"POST {_OFFERING}/places": NOT_HIS,
    f"PUT {_OFFERING}/price": NOT_HIS,
    f"POST {_OFFERING}/cancellation": NOT_HIS,
    f"POST {_OFFERING}/cancellation/repayments": NOT_HIS,
    f"POST {_OFFERING}/cancellation/closure": OPERATORS,
    f"GET {_OFFERING}/orders": NOT_THERE,
    "GET /v1/projections/<name>": OPERATORS,
    "GET /v1/parties/<uuid:party_id>": NOT_THERE,
    "POST /v1/parties/<uuid:party_id>/erasure-request": NOT_THERE,
    "POST /v1/parties/<uuid:party_id>/erasure": OPERATORS,
    "GET /v1/me/accounts/<path:account>/entries": NOT_THERE,
    "GET /v1/accounts/<uuid:account_id>": NOT_THERE,
    "GET /v1/accounts/<uuid:account_id>/entries": NOT_THERE,
    f"GET {_ORDER}": NOT_THERE,
    f"POST {_ORDER}/payment": NOT_THERE,
    f"POST {_ORDER}/payment/check": NOT_THERE,
    f"POST {_ORDER}/payment/decision": OPERATORS,
    f"DELETE {_ORDER}": NOT_THERE,
    f"POST {_ORDER}/voiding": NOT_THERE,
    "POST /v1/devices/<uuid:device_id>/signing-keys": NOT_THERE,
    "GET /v1/devices/<uuid:device_id>/signing-keys": NOT_THERE,
    "DELETE /v1/devices/<uuid:device_id>/signing-keys/<kid>": NOT_THERE,
    f"GET {_EXCHANGE}": NOT_THERE,
    f"POST {_EXCHANGE}/confirmation": NOT_THERE,
    f"DELETE {_EXCHANGE}": NOT_THERE,
    f"GET {_TICKET}": NOT_THERE,
    f"GET {_TICKET}/history": NOT_THERE,
    f"GET {_TICKET}/owners": NOT_THERE,
    f"POST {_TICKET}/transmissions": NOT_HIS,
    f"POST {_TICKET}/modifications": NOT_HIS,
    f"POST {_TICKET}/modification-requests": NOT_HIS,
    f"GET {_TICKET}/modification-requests": NOT_THERE,
    f"POST {_REQUEST}/grant": NOT_HIS,
    f"POST {_REQUEST}/refusal": NOT_THERE,
    f"DELETE {_REQUEST}": NOT_HIS,
    f"GET {_TICKET}/refund": NOT_THERE,
    f"POST {_TICKET}/revocation": NOT_HIS,
    f"POST {_TICKET}/gift-offers": NOT_HIS,
    f"GET {_GIFT}": NOT_THERE,
    f"POST {_GIFT}/acceptance": NOT_HIS,
    f"POST {_GIFT}/decline": NOT_HIS,
    f"POST {_GIFT}/withdrawal": NOT_HIS,
    f"GET {_GIVEN}": NOT_THERE,
    f"POST {_GIVEN}/claim": NOT_THERE,
    f"POST {_GIVEN}/acceptance": NOT_HIS,
    f"POST {_GIVEN}/decline": NOT_HIS,
    f"POST {_GIVEN}/withdrawal": NOT_HIS,
    f"POST {_GIVEN}/replacement": NOT_HIS,
    f"DELETE {_GIVEN}/contact": NOT_HIS,
    f"POST {_TICKET}/listings": NOT_HIS,
    f"GET {_LISTING}": NOT_THERE,
    f"PUT {_LISTING}/price": NOT_HIS,
    f"DELETE {_LISTING}": NOT_HIS,
    f"GET {_SALE}": NOT_THERE,
    f"POST {_SALE}/check": NOT_THERE,
    f"DELETE {_SALE}": NOT_HIS,
    f"POST {_SALE}/payout": OPERATORS,
    # Every issuer has a word of his own for each seller.
    "PUT /v1/mandates/<uuid:seller_id>": ALL,
    "DELETE /v1/mandates/<uuid:seller_id>": NOT_THERE,
    # A seller is a party; a till alone has sold nothing.
    f"GET {_REGISTERED}": {Role.ISSUER: NOT_THERE, Role.SHOP: ALONE},
    f"POST {_REGISTERED}/cancellation": ALONE,
    "GET /v1/grants/<uuid:grant_id>": NOT_THERE,
    f"GET {_TICKET}/redemptions": {Role.BUYER: NOT_THERE, Role.ISSUER: NOT_THERE},
    f"POST {_TICKET}/redemptions/<uuid:session_id>/reversal": MACHINE,
    f"GET {_TICKET}/papers": NOT_THERE,
    # Of a paper that this machine has not printed.
    "PUT /v1/papers/replacements/<uuid:job_id>": NOT_THERE,
    f"POST {_LISTING}/purchase": NOT_HIS,
    "POST /v1/webhooks/<uuid:subscription_id>/rotation": {Role.BUYER: NOT_THERE},
    "DELETE /v1/webhooks/<uuid:subscription_id>": {Role.BUYER: NOT_THERE},
    "GET /v1/devices/<uuid:device_id>": NOT_THERE,
    "PUT /v1/devices/<uuid:device_id>/rights": NOT_THERE,
    "POST /v1/dispensers/<uuid:device_id>/facts": NOT_THERE,
    "GET /v1/dispensers/<uuid:device_id>/facts": NOT_THERE,
    "POST /v1/points-of-sale/<uuid:device_id>/facts": NOT_THERE,
    "GET /v1/points-of-sale/<uuid:device_id>/facts": NOT_THERE,
    f"GET {_MEDIUM}/history": NOT_THERE,
    f"GET {_MEDIUM}/taps": OPERATORS,
    "DELETE /v1/devices/<uuid:device_id>": MACHINE,
    "POST /v1/devices/<uuid:device_id>/keys": NOT_THERE,
    f"POST {_MEDIUM}/personalisation": NOT_THERE,
    f"PUT {_MEDIUM}": NOT_THERE,
    f"GET {_MEDIUM}": {Role.BUYER: NOT_THERE},
    f"POST {_MEDIUM}/authentications": {Role.BUYER: NOT_THERE, Role.TERMINAL: ALONE},
    f"POST {_MEDIUM}/authentications/answer": {
        Role.BUYER: NOT_THERE,
        Role.TERMINAL: ALONE,
    },
    f"POST {_MEDIUM}/loss": NOT_THERE,
    f"DELETE {_MEDIUM}/loss": NOT_THERE,
    f"POST {_MEDIUM}/block": NOT_THERE,
    f"POST {_MEDIUM}/replacement": NOT_THERE,
    f"POST {_MEDIUM}/return": NOT_THERE,
    f"POST {_MEDIUM}/clearance": OPERATORS,
    f"POST {_MEDIUM}/writes": {Role.BUYER: NOT_THERE, Role.TERMINAL: ALONE},
    f"PUT {_MEDIUM}/writes/<uuid:write_id>": {
        Role.BUYER: NOT_THERE,
        Role.TERMINAL: ALONE,
    },
    f"POST {_TICKET}/dispenses": ALL,
    f"PUT {_DISPENSE}/mark": MACHINE,
    f"PUT {_DISPENSE}/printed": MACHINE,
    f"PUT {_DISPENSE}/aborted": MACHINE,
    f"GET {_CASE}": NOT_THERE,
    f"POST {_CASE}/evidence": NOT_THERE,
    f"GET {_CASE}/evidence/<uuid:evidence_id>": NOT_THERE,
    f"POST {_CASE}/unused-papers": OPERATORS,
    f"POST {_CASE}/review": OPERATORS,
    f"POST {_CASE}/decision": OPERATORS,
    f"POST {_CASE}/appeal": NOT_THERE,
    f"GET {_CASE}/plan": OPERATORS,
    f"POST {_CASE}/execution": OPERATORS,
    f"POST {_CASE}/closure": OPERATORS,
    f"POST {_CASE}/withdrawal": NOT_THERE,
    f"POST {_CASE}/merger": OPERATORS,
    f"POST {_TICKET}/redemptions": ALL,
    f"PUT {_TICKET}/redemptions/<uuid:session_id>": MACHINE,
    f"POST {_MEDIUM}/purse/top-ups": ALL,
    f"PUT {_MEDIUM}/purse/top-ups/<uuid:top_up_id>": ALL,
    f"PUT {_MEDIUM}/purse/debits/<uuid:payment_id>": ALL,
}


def bodies(place: Place, who: Caller) -> dict[str, dict[str, Any]]:
    """What makes sense to each route, so that it is refused for the stranger alone."""
    reading, mine = place.card.reading(), str(who.party_id or uuid4())
    proof = {"outcome": "aborted", "reason": "mine now"}
    fact = {
        "device_seq": 1,
        "device_time": "2026-11-22T12:00:00Z",
        "known_position": 1,
        "ticket_id": place.ids["ticket_id"],
        "mark": {"uid": place.card.uid.hex(), "slot": 0},
    }
    return {
        f"POST {_ORDER}/payment": {"tender": "e-money"},
        f"POST {_ORDER}/voiding": {"reason": "mine now"},
        f"POST {_OFFERING}/places": {"blocks": [{"count": 1}]},
        f"PUT {_OFFERING}/price": {"price_minor": 1},
        f"POST {_OFFERING}/cancellation": {"reason": "mine now"},
        f"POST {_OFFERING}/cancellation/repayments": {},
        f"POST {_EXCHANGE}/confirmation": {},
        f"POST {_TICKET}/revocation": {"reason": "mine now"},
        f"POST {_TICKET}/modification-requests": {
            "changes": {"right": "Row 1"},
            "reason": "mine now",
        },
        f"POST {_REQUEST}/grant": {"reason": "mine now"},
        f"POST {_REQUEST}/refusal": {"reason": "mine now"},
        f"POST {_TICKET}/transmissions": {"terminal_id": place.terminal_of[who.token]},
        f"POST {_TICKET}/modifications": {"right": "Row 1", "reason": "mine now"},
        f"POST {_TICKET}/gift-offers": {"to_party_id": mine},
        f"POST {_GIFT}/acceptance": {"terms_hash": place.ids["terms_hash"]},
        f"POST {_GIVEN}/claim": {"claim": "x" * 43},
        f"POST {_GIVEN}/acceptance": {
            "tickets": [
                {
                    "ticket_id": place.ids["gift-offers/"],
                    "terms_hash": place.ids["terms_hash"],
                }
            ]
        },
        f"POST {_GIVEN}/replacement": {"to_party_id": mine},
        f"POST {_TICKET}/listings": {"price_minor": 1},
        f"PUT {_LISTING}/price": {"price_minor": 1},
        f"POST {_LISTING}/purchase": {},
        f"POST {_REGISTERED}/cancellation": {"reason": "mine now"},
        f"POST {_TICKET}/redemptions/<uuid:session_id>/reversal": {"reason": "mine"},
        "PUT /v1/papers/replacements/<uuid:job_id>": {
            "serial": "X-1",
            "new_serial": "X-2",
            "reason": "mine now",
        },
        f"POST {_MEDIUM}/personalisation": {"holder_id": mine, "profile": "desfire-8k"},
        f"PUT {_MEDIUM}": {
            "holder_id": mine,
            "profile": "desfire-8k",
            "key_version": 1,
        },
        f"POST {_MEDIUM}/authentications": {
            "key_no": 1,
            "challenge": "00" * 16,
            "terminal_id": place.terminal_of[who.token],
        },
        f"POST {_MEDIUM}/authentications/answer": {
            "continuation": "AAAA",
            "response": "00" * 32,
            "terminal_id": place.terminal_of[who.token],
        },
        f"POST {_MEDIUM}/block": {"reason": "mine now"},
        f"POST {_MEDIUM}/replacement": {"new_uid": "04" + "11" * 6},
        f"POST {_MEDIUM}/writes": {
            "reading": reading,
            "terminal_id": place.terminal_of[who.token],
        },
        f"PUT {_MEDIUM}/writes/<uuid:write_id>": proof,
        f"PUT {_DISPENSE}/mark": {
            "outcome": "committed",
            "tmc": 1,
            "tmv": "00" * 8,
            "operations": [],
            "serial": "X-1",
        },
        f"PUT {_DISPENSE}/printed": {"serial": "X-1"},
        f"PUT {_DISPENSE}/aborted": {"reason": "mine now"},
        f"PUT {_TICKET}/redemptions/<uuid:session_id>": proof,
        f"POST {_MEDIUM}/purse/top-ups": {"amount_minor": 1},
        f"PUT {_MEDIUM}/purse/top-ups/<uuid:top_up_id>": proof,
        f"PUT {_MEDIUM}/purse/debits/<uuid:payment_id>": proof | {"receipt": "1"},
        "PUT /v1/devices/<uuid:device_id>/rights": {"offline": False},
        "POST /v1/dispensers/<uuid:device_id>/facts": {
            "facts": [fact | {"serial": "X-1", "epoch": 1}]
        },
        "POST /v1/points-of-sale/<uuid:device_id>/facts": {
            "facts": [fact | {"session_id": mine, "receipt": "R-9", "amount": 1}]
        },
        f"POST {_CASE}/evidence": {
            "description": "x",
            "content": "AAAA",
            "media_type": "a/b",
        },
        "POST /v1/devices/<uuid:device_id>/signing-keys": {"jwk": JWK},
        f"POST {_CASE}/appeal": {"reason": "mine now"},
        f"POST {_CASE}/withdrawal": {"reason": "mine now"},
    }


def test_every_route_about_somebodys_own_says_what_a_stranger_is_told():
    about = {route for route in ACCESS if _PARAMETER.search(route)}
    assert about == set(STRANGERS)


def test_a_stranger_gets_nothing_of_anothers_at_any_route(callers, place):
    position = callers.its.ledger.position()
    wrong = []
    for route, expected in STRANGERS.items():
        if expected in (ALL, OPERATORS):
            continue
        method, path = route.split(" ", maxsplit=1)
        ids = place.ids | place.of_path(path)
        for role in ACCESS[route] & set(place.strangers):
            wanted = expected.get(role) if isinstance(expected, dict) else expected
            if wanted is None:
                continue
            who = place.strangers[role]
            body = bodies(place, who).get(route)
            told = who.call(method, filled(path, ids), json=body)
            if (told.status, (told.json or {}).get("code")) != wanted:
                wrong.append((route, str(role), told.status, told.json))
    assert wrong == []
    assert callers.its.ledger.position() == position


def filled(path: str, ids: dict[str, str]) -> str:
    """Return a path with an id for each parameter, a fresh one where there is none."""

    def given(found: re.Match[str]) -> str:
        return ids.get(found[1]) or FORMS.get(found[1]) or str(uuid4())

    return _PARAMETER.sub(given, path)


# The public key of RFC 8037, appendix A.2.
JWK = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}

# Parameters that are no UUIDs.
FORMS = {
    "uid": "04" + "00" * 6,
    "position": "1",
    "level": "0",
    "code": "terminal",
    "kid": "a-key",
    "tile": "000",
    "bundle": "000",
}
