"""`cardctl`: the user terminal, the till and the personalising desk on a command line.

One sentence and exit code 1 for whatever does not work; no traceback for a person.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from card_bridge.cli.context import Context
from card_bridge.cli.desk import (
    blank_card,
    device_key,
    pay,
    personalise_card,
    redeem,
    signing_key,
    top_up,
)
from card_bridge.cli.failures import SAID_IN_A_SENTENCE
from card_bridge.cli.selftest import selftest
from card_bridge.cli.terminal import terminal
from card_bridge.folder.option import FolderType
from card_bridge.transport.pcsc import reader_names

FAILED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", envvar="CARD_SERVER", default="http://127.0.0.1:8470")
@click.option("--token", envvar="CARD_TOKEN", default="", help="A bearer token.")
@click.option(
    "--home",
    envvar="CARD_HOME",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".terminal"),
    help="Where this machine keeps its key and its journal.",
)
@click.option("--reader", help="A PC/SC reader's name; the first one, unless said.")
@click.option(
    "--card-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A card in software, in this file. Needs --virtual.",
)
@click.option(
    "--medium",
    type=FolderType(),
    help="A flash card or a disk instead, as folder:/path of where it is mounted.",
)
@click.option("--virtual", is_flag=True, help="Yes, a card in software is meant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def cardctl(context: click.Context, /, *, virtual: bool, **said: Any) -> None:
    """Bring tickets onto cards, and keep cards in line with the ledger."""
    if said["card_file"] is not None and not virtual:
        raise click.UsageError("--card-file is a card in software: say --virtual, too.")
    if said["medium"] is not None and (said["card_file"] or said["reader"]):
        raise click.UsageError("Say --medium, or which card is meant, not both.")
    context.obj = Context(**said)


@cardctl.command()
@click.pass_obj
def readers(said: Context) -> None:
    """List the PC/SC readers of this machine."""
    for name in reader_names():
        said.tell({"reader": name}, name)


for _command in (
    terminal,
    personalise_card,
    redeem,
    pay,
    top_up,
    device_key,
    signing_key,
    blank_card,
    selftest,
):
    cardctl.add_command(_command)


def main() -> None:
    """Run `cardctl`."""
    try:
        cardctl(prog_name="cardctl")
    except SAID_IN_A_SENTENCE as error:
        code = getattr(error, "code", "incomplete")
        click.echo(f"{error} ({code})", err=True)
        sys.exit(FAILED)
    except OSError as error:
        # A folder that cannot be written, a disk that is full.
        click.echo(f"{error.filename}: {error.strerror}.", err=True)
        sys.exit(FAILED)
