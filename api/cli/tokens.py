"""`ledgerctl token`: the first operator comes in by this, and everybody goes out."""

from __future__ import annotations

import json
import sys
from uuid import UUID

import click

from api.cli.opened import opened
from ledger.application import Cause
from ledger.clock import new_id
from ledger.errors import Missing
from ledger.usecases import parties
from ledger.vocabulary.codes import Role

DAY_S = 24 * 3600
ACTOR = "ledgerctl"


class TokenUnknown(Missing):
    code = "unknown"
    says = "There is no such token, or it is over already."


@click.group()
def token() -> None:
    """Bearer tokens: who may come in, as what, for how long."""


@token.command()
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="May be given several times.",
)
@click.option("--party", "party_id", type=click.UUID, help="Whom it speaks for.")
@click.option("--new-party", "name", help="Register an organisation of this name.")
@click.option("--device", "device_id", type=click.UUID, help="Which device uses it.")
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@click.option("--label", default="", help="A reminder of what it is for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def issue(
    roles: tuple[str, ...],
    party_id: UUID | None,
    name: str | None,
    device_id: UUID | None,
    days: int,
    label: str,
    *,
    as_json: bool,
) -> None:
    """Make a token and print it, for the only time."""
    with opened() as its:
        if name is not None:
            party_id = new_id()
            parties.register(
                its.ledger,
                its.personal,
                party_id=party_id,
                kind="organisation",
                name=name,
                contact=None,
                at=its.clock.now(),
                cause=Cause(actor=ACTOR),
            )
        elif party_id is not None:
            its.ledger.party(party_id)
        if device_id is not None:
            its.ledger.device(device_id)
        made, expires_at = its.tokens.issue(
            party_id=party_id,
            device_id=device_id,
            roles=[Role(role) for role in roles],
            lifetime_s=days * DAY_S,
            label=label,
            at=its.clock.now(),
        )
    if as_json:
        said = {"token": made, "party_id": party_id, "device_id": device_id}
        click.echo(json.dumps(said | {"expires_at": expires_at}, default=str))
        return
    click.echo(made)
    click.echo(f"for {party_id or device_id} until {expires_at:%Y-%m-%d}", err=True)


@token.command()
@click.argument("token_text", metavar="[TOKEN]", required=False)
def revoke(token_text: str | None) -> None:
    """End a token. Without TOKEN it is read from standard input, out of the history."""
    given = token_text or sys.stdin.readline().strip()
    with opened() as its:
        if not its.tokens.revoke(given, at=its.clock.now()):
            raise TokenUnknown
    click.echo("The token is revoked.")
