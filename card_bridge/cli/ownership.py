"""`cardctl terminal` without a card: the person's tickets, given away and resold."""

from __future__ import annotations

from uuid import UUID

import click

from card_bridge.cli.context import Context

_ticket = click.argument("ticket_id", type=click.UUID)
_offer = click.argument("offer_id", type=click.UUID)
_answer = click.option(
    "--answer", help="Yours to the ticket's question, if it has one."
)


@click.command()
@click.pass_obj
def tickets(said: Context) -> None:
    """List the tickets of who is signed in."""
    for ticket in said.holder().tickets():
        where = ticket["form"]["kind"].replace("_", " ")
        sentence = f"{ticket['ticket_id']}  {ticket['title']}, {ticket['right']}"
        said.tell(ticket, f"{sentence}  ({ticket['life'].lower()}, {where})")


@click.command()
@click.pass_obj
def notices(said: Context) -> None:
    """List what the ledger has to tell: gifts offered, cards that became stale."""
    for notice in said.holder().notices():
        kind = notice["kind"].replace("_", " ")
        more = ", ".join(f"{name} {fact}" for name, fact in notice["detail"].items())
        told = f"{notice['at']}  {kind}: ticket {notice['ticket_id']}"
        said.tell(notice, f"{told}  {more}".rstrip())


@click.command("gift-offer")
@_ticket
@click.argument("to_party_id", type=click.UUID)
@click.pass_obj
def gift_offer(said: Context, ticket_id: UUID, to_party_id: UUID) -> None:
    """Offer a ticket to somebody as a gift."""
    made = said.holder().offer_gift(ticket_id, to=to_party_id)
    said.tell(made, f"Offered until {made['until']}: offer {made['offer_id']}.")


@click.command("gift-show")
@_ticket
@_offer
@click.pass_obj
def gift_show(said: Context, ticket_id: UUID, offer_id: UUID) -> None:
    """Show a gift offer that you made or were made."""
    gift = said.holder().gift(ticket_id, offer_id)
    said.tell(gift, f"{gift['title']}, {gift['right']}. {gift['state'].capitalize()}.")


@click.command("gift-accept")
@_ticket
@_offer
@_answer
@click.option("--yes", is_flag=True, help="Accept without being asked.")
@click.pass_obj
def gift_accept(
    said: Context, ticket_id: UUID, offer_id: UUID, answer: str | None, *, yes: bool
) -> None:
    """Accept a gift: what it shows is what is accepted, or nothing is."""
    holder = said.holder()
    gift = holder.gift(ticket_id, offer_id)
    if not yes:
        what = f"{gift['title']}, {gift['right']}"
        click.confirm(f"Accept {what}?", abort=True, err=True)
    moved = holder.accept_gift(
        ticket_id, offer_id, terms_hash=gift["terms_hash"], answer=answer
    )
    said.tell(moved, "The ticket is yours.")


@click.command("gift-decline")
@_ticket
@_offer
@click.pass_obj
def gift_decline(said: Context, ticket_id: UUID, offer_id: UUID) -> None:
    """Decline a gift."""
    said.tell(said.holder().decline_gift(ticket_id, offer_id), "Declined.")


@click.command("gift-withdraw")
@_ticket
@_offer
@click.pass_obj
def gift_withdraw(said: Context, ticket_id: UUID, offer_id: UUID) -> None:
    """Take a gift offer back."""
    said.tell(said.holder().withdraw_gift(ticket_id, offer_id), "Withdrawn.")


@click.command("list")
@_ticket
@click.option("--price-minor", type=click.IntRange(min=0), required=True)
@click.option("--to", type=click.UUID, help="Only this party may buy.")
@click.pass_obj
def list_ticket(
    said: Context, ticket_id: UUID, price_minor: int, to: UUID | None
) -> None:
    """List a ticket for resale; the price in minor units, such as cents."""
    listed = said.holder().list_ticket(ticket_id, price_minor=price_minor, to=to)
    said.tell(listed, f"Listed for resale: listing {listed['listing_id']}.")


@click.command()
@_ticket
@click.argument("listing_id", type=click.UUID)
@click.pass_obj
def unlist(said: Context, ticket_id: UUID, listing_id: UUID) -> None:
    """Take a listing down."""
    said.holder().unlist(ticket_id, listing_id)
    said.tell({"listing_id": listing_id}, "The listing is down.")


@click.command()
@_ticket
@click.argument("listing_id", type=click.UUID)
@_answer
@click.pass_obj
def buy(said: Context, ticket_id: UUID, listing_id: UUID, answer: str | None) -> None:
    """Buy a listed ticket with e-money."""
    sold = said.holder().buy(ticket_id, listing_id, answer=answer)
    said.tell(sold, "The ticket is yours.")


COMMANDS = (
    tickets,
    notices,
    gift_offer,
    gift_show,
    gift_accept,
    gift_decline,
    gift_withdraw,
    list_ticket,
    unlist,
    buy,
)
