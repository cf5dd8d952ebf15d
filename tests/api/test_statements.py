"""How many statements a request costs stands in docs/benchmarks.md, and is so.

Planted and caught: a stream loaded twice by a command; a token looked up again; the
machine's streams loaded one by one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers, Said
from tests.api.cards import personalised
from tests.api.statements import listening
from tests.api.test_cards import on_card

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def test_the_page_says_how_many_statements_a_request_costs(
    callers: Callers, views, monkeypatch
):
    counted: list[tuple[str, int]] = []

    def count(says: str, who: Caller, method: str, path: str, **body: Any) -> Said:
        with listening(monkeypatch) as asked:
            said = who.call(method, path, json=body or None)
        assert said.status < 300, said.json
        counted.append((says, len(asked)))
        return said

    ada, ben, cleo = callers.ada, callers.ben, callers.cleo
    offering_id = callers.offering()
    for each in (ada, cleo):
        callers.rich(each)
    # Pools open their connections and ask what they need to know.
    callers.ticket(ada)

    order = count(
        "reserve a place", ada, "POST", "/v1/orders", offering_id=offering_id
    ).json["order_id"]
    ticket_id = count(
        "pay from the purse: the ticket is issued",
        ada,
        "POST",
        f"/v1/orders/{order}/payment",
        tender="e-money",
    ).json["ticket_id"]
    ticket = f"/v1/tickets/{ticket_id}"
    views.wait_for("wallet", callers.its.ledger.position(), 5.0)
    count("see a ticket", ada, "GET", ticket)
    count("list my tickets", ada, "GET", "/v1/tickets")
    offers = f"{ticket}/gift-offers"
    offer = count(
        "offer it as a gift", ada, "POST", offers, to_party_id=str(ben.party_id)
    ).json
    count(
        "accept it",
        ben,
        "POST",
        f"{offers}/{offer['offer_id']}/acceptance",
        terms_hash=offer["terms_hash"],
    )
    listing = count(
        "put it up for resale", ben, "POST", f"{ticket}/listings", price_minor=40_00
    ).json["listing_id"]
    count("buy it", cleo, "POST", f"{ticket}/listings/{listing}/purchase")

    terminal = callers.device("terminal", Role.TERMINAL, by=ada)
    dispenser = callers.device("dispenser", Role.DISPENSER)
    loaded = callers.ticket(ada)
    card = personalised(callers, ada, uid="04112233445566")
    media = f"/v1/media/{card.uid.hex()}/writes"
    write = count(
        "prepare the write of one ticket to a card",
        ada,
        "POST",
        media,
        reading=card.reading(),
        terminal_id=str(terminal.device_id),
        load=[loaded],
    ).json
    count(
        "take the card's proof of it",
        ada,
        "PUT",
        f"{media}/{write['write_id']}",
        **card.commit(write),
    )
    views.wait_for("freshness", callers.its.ledger.position(), 5.0)
    count("judge a good card", dispenser, "POST", "/v1/taps", **card.reading())
    path = f"/v1/tickets/{loaded}/dispenses"
    lease = count(
        "lease it to a dispenser",
        dispenser,
        "POST",
        path,
        reading=card.reading(),
        slot=0,
        epoch=2,
        answered=True,
    ).json
    written = {"uid": card.uid.hex(), "write_id": lease["write"]["write_id"]}
    job = f"{path}/{lease['job_id']}"
    count(
        "take the mark's proof, allow one print",
        dispenser,
        "PUT",
        f"{job}/mark",
        serial="D1-1",
        **card.commit(lease["write"]),
        **written,
    )
    count("report the print", dispenser, "PUT", f"{job}/printed", serial="D1-1")

    coupon, other = on_card(callers, terminal, uid="04112233445577", kind="coupon")
    till = callers.device("point_of_sale", Role.SHOP)
    uses = f"/v1/tickets/{coupon}/redemptions"
    session = count(
        "lease a coupon's use to a till",
        till,
        "POST",
        uses,
        reading=other.reading(),
        slot=0,
        epoch=2,
        receipt="R-1",
        purchase={"amount_minor": 350, "currency": "EUR"},
    ).json
    count(
        "take the card's proof of the use",
        till,
        "PUT",
        f"{uses}/{session['session_id']}",
        uid=other.uid.hex(),
        write_id=session["write"]["write_id"],
        **other.commit(session["write"]),
    )
    lines = [f"| {says} | {number} |" for says, number in counted]
    table = "\n".join(["| request | statements |", "|---|--:|", *lines])
    assert table in PAGE.read_text(), table
