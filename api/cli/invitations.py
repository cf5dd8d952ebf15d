"""`ledgerctl invite`: the first operator opens an account by this, as do others."""

from __future__ import annotations

import json
from uuid import UUID

import click

from api.cli.opened import opened
from ledger.adapters.logins import INVITATION_MAX_S
from ledger.application import Cause
from ledger.clock import new_id
from ledger.usecases import parties, signing_in
from ledger.vocabulary.codes import Role

DAY_S = 24 * 3600
ACTOR = "ledgerctl"
OF_PEOPLE = (Role.BUYER, Role.ISSUER, Role.SHOP, Role.OPERATOR, Role.AUDITOR)


@click.command()
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in OF_PEOPLE]),
    help="As what the account may act; may be given several times.",
)
@click.option("--party", "party_id", type=click.UUID, help="Who is invited.")
@click.option("--new-party", "name", help="Register a person of this name.")
@click.option(
    "--days",
    type=click.IntRange(1, INVITATION_MAX_S // DAY_S),
    default=7,
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def invite(
    roles: tuple[str, ...],
    party_id: UUID | None,
    name: str | None,
    days: int,
    *,
    as_json: bool,
) -> None:
    """Invite somebody to open an account, and print the code for the only time."""
    if (party_id is None) == (name is None):
        raise click.UsageError("Give either --party or --new-party.")
    with opened() as its:
        at = its.clock.now()
        invited = party_id or new_id()
        if name is not None:
            parties.register(
                its.ledger,
                its.personal,
                party_id=invited,
                kind="person",
                name=name,
                contact=None,
                at=at,
                cause=Cause(actor=ACTOR),
            )
        code, expires_at = signing_in.invite(
            its.ledger,
            its.people,
            party_id=invited,
            roles=[Role(role) for role in roles],
            lifetime_s=days * DAY_S,
            at=at,
        )
    if as_json:
        said = {"invitation": code, "party_id": invited, "expires_at": expires_at}
        click.echo(json.dumps(said, default=str))
        return
    click.echo(code)
    click.echo(f"for {invited} until {expires_at:%Y-%m-%d}", err=True)
