"""`cardctl terminal`: what a person does with tickets, and with the card."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

import click

from card_bridge.bridge import InLine
from card_bridge.cli.context import Context
from card_bridge.cli.kiosk import serve
from card_bridge.cli.ownership import COMMANDS
from card_bridge.cli.sign_in import sign_in_command, sign_out_command
from card_bridge.kiosk import IDLE_S


@click.group(invoke_without_command=True)
@click.option(
    "--kiosk",
    is_flag=True,
    help="Serve people in public, one after the other, and forget each.",
)
@click.option(
    "--idle-s",
    type=click.FloatRange(min=1),
    default=IDLE_S,
    show_default=True,
    help="In a kiosk: so long after the last line a person has left.",
)
@click.pass_context
def terminal(context: click.Context, /, *, kiosk: bool, idle_s: float) -> None:
    """The user terminal: at home, or in public."""
    if kiosk and context.invoked_subcommand is not None:
        raise click.UsageError("--kiosk asks for its commands by itself.")
    if kiosk:
        serve(context.obj, terminal, idle_s=idle_s)
    elif context.invoked_subcommand is None:
        raise click.UsageError("Say which command; --help lists them.")


for _command in (sign_in_command, sign_out_command, *COMMANDS):
    terminal.add_command(_command)


@terminal.command()
@click.argument("ticket_id", type=click.UUID)
@click.pass_obj
def download(said: Context, ticket_id: UUID) -> None:
    """Have a ticket sent here sealed, open it, and show it."""
    claims = said.terminal().download(ticket_id)
    facts = {
        "ticket_id": claims.ticket_id,
        "epoch": claims.epoch,
        "right": claims.right,
        "not_before": claims.not_before.isoformat(),
        "not_after": claims.not_after.isoformat(),
    }
    said.tell(facts, f"{claims.right}, signed by its issuer, at epoch {claims.epoch}.")


@terminal.command()
@click.argument("ticket_id", type=click.UUID)
@click.pass_obj
def record(said: Context, ticket_id: UUID) -> None:
    """Record a ticket on the card."""
    with said.medium() as card:
        done = said.terminal().record(card, ticket_id)
    _tell_of(said, done, "The ticket is on the card.")


@terminal.command()
@click.argument("ticket_id", type=click.UUID)
@click.pass_obj
def unload(said: Context, ticket_id: UUID) -> None:
    """Take a ticket off the card."""
    with said.medium() as card:
        done = said.terminal().unload(card, ticket_id)
    _tell_of(said, done, "The ticket is off the card.")


@terminal.command()
@click.pass_obj
def sync(said: Context) -> None:
    """Bring the card in line with the ledger."""
    with said.medium() as card:
        done = said.terminal().sync(card)
    _tell_of(said, done, "The card is in line.")


@terminal.command("show-card")
@click.pass_obj
def show_card(said: Context) -> None:
    """Read the card and say what the ledger thinks of it."""
    with said.medium() as card:
        tapped = said.terminal().show(card)
    said.tell(asdict(tapped), f"{tapped.verdict}: {tapped.says}")
    for slot in () if said.as_json else tapped.slots:
        click.echo(f"  slot {slot.slot}: {slot.title}, {slot.right}. {slot.says}")


def _tell_of(said: Context, done: InLine, sentence: str) -> None:
    written = done.write is not None
    said.tell(
        {"written": written}, sentence if written else "There was nothing to write."
    )
