"""`cardctl terminal --kiosk`: people come, do what they came for, and are forgotten."""

from __future__ import annotations

import copy
import shlex
import sys
from collections.abc import Callable
from functools import partial

import click

from card_bridge.cli.context import Context
from card_bridge.cli.failures import SAID_IN_A_SENTENCE
from card_bridge.kiosk import (
    IDLE_S,
    Keyboard,
    SessionEnded,
    clear_screen,
    forget_all,
    session,
)

LEAVE = "bye"


def serve(
    said: Context,
    terminal: click.Group,
    *,
    keyboard: Keyboard | None = None,
    idle_s: float = IDLE_S,
) -> None:
    """Serve one person after the other until the input ends."""
    keyboard = keyboard or Keyboard(sys.stdin.fileno())
    forget_all(said.home)
    while True:
        clear_screen()
        _ask(said, "Sign in: your token, please.")
        try:
            token = keyboard.hidden()
        except SessionEnded:
            return
        if token:
            _serve_one(said, terminal, token, keyboard, idle_s)


def _serve_one(
    said: Context,
    terminal: click.Group,
    token: str,
    keyboard: Keyboard,
    idle_s: float,
) -> None:
    person = copy.copy(said)
    person.token = token
    with session(said.home, person.gateway()) as folder:
        person.home = folder
        _ask(said, f"Type a command, help, or {LEAVE} when you are done.")
        try:
            while (line := keyboard.line(idle_s=idle_s)) != LEAVE:
                _guarded(partial(_run, terminal, person, line))
        except SessionEnded:
            pass
    _ask(said, "You are signed out.")


def _run(terminal: click.Group, person: Context, line: str) -> None:
    words = shlex.split(line)
    if words == ["help"]:
        words = ["--help"]
    if "--kiosk" in words:
        raise click.UsageError("There is a session already.")
    if words:
        terminal.main(words, prog_name="", standalone_mode=False, obj=person)


def _guarded(do: Callable[[], None]) -> None:
    """Say in a sentence what does not work, and go on with the same person."""
    try:
        do()
    except click.Abort:
        click.echo("Not done.", err=True)
    except click.ClickException as error:
        click.echo(error.format_message(), err=True)
    except SAID_IN_A_SENTENCE as error:
        code = getattr(error, "code", "incomplete")
        click.echo(f"{error} ({code})", err=True)
    except ValueError as error:  # A quotation mark without its other.
        click.echo(f"{error}.", err=True)


def _ask(said: Context, sentence: str) -> None:
    if not said.as_json:
        click.echo(sentence)
