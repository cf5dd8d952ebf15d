"""`cardctl terminal sign-in` and `sign-out`: who the tickets are asked for."""

from __future__ import annotations

import contextlib
import sys

import click

from card_bridge import signed_in
from card_bridge.cli.context import Context
from card_bridge.http_gateway import in_our_words
from ledger_client import (
    AddressRefused,
    PersonSession,
    Problem,
    Unreachable,
    sign_in,
    sign_out,
)

PASSWORD_MAX = 1_024


@click.command("sign-in")
@click.argument("login_name")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)
@click.pass_obj
def sign_in_command(said: Context, login_name: str, *, password_stdin: bool) -> None:
    """Sign in, until you sign out or do nothing for half an hour."""
    if password_stdin:
        password = sys.stdin.readline(PASSWORD_MAX).rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, err=True)
    session = begun(said.server, login_name, password)
    before = signed_in.kept(said.home, said.server)
    signed_in.keep(said.home, said.server, session)
    if before is not None:
        ended(said.server, before)
    facts = {"party_id": session.party_id, "expires_at": session.expires_at.isoformat()}
    said.tell(facts, "You are signed in.")


@click.command("sign-out")
@click.pass_obj
def sign_out_command(said: Context) -> None:
    """Sign out; nothing here opens anything any more."""
    session = signed_in.kept(said.home, said.server)
    signed_in.forget(said.home)
    if session is not None:
        ended(said.server, session)
    said.tell({"was_signed_in": session is not None}, "You are signed out.")


def begun(server: str, login_name: str, password: str) -> PersonSession:
    """Begin a session. Raises `LedgerRefusal` and `LedgerUnreachable`."""
    try:
        with in_our_words():
            return sign_in(server, login_name, password)
    except AddressRefused as refused:
        raise click.UsageError(str(refused)) from None


def ended(server: str, session: PersonSession) -> None:
    """End a session; where that cannot be said, it ends by itself."""
    with contextlib.suppress(Problem, Unreachable):
        sign_out(server, session)
