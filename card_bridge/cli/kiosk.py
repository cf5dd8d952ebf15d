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
from card_bridge.cli.sign_in import begun, ended
from card_bridge.kiosk import (
    IDLE_S,
    Keyboard,
    SessionEnded,
    clear_screen,
    forget_all,
    session,
)

LEAVE = "bye"
_OUTSIDE = frozenset({"--kiosk", "sign-in", "sign-out"})


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
    clear_screen()
    while True:
        _ask(said, "Sign in: your login name, please.")
        try:
            name = keyboard.line()
        except SessionEnded:
            return
        if name:
            _guarded(partial(_serve_one, said, terminal, name, keyboard, idle_s))


def _serve_one(
    said: Context, terminal: click.Group, name: str, keyboard: Keyboard, idle_s: float
) -> None:
    _ask(said, "And your password.")
    try:
        password = keyboard.hidden(idle_s=idle_s)
    except SessionEnded:
        return
    finally:
        clear_screen()
    person = copy.copy(said)
    person.token, person.session = "", begun(said.server, name, password)
    try:
        _attend(person, terminal, keyboard, idle_s)
    finally:
        ended(said.server, person.session)
        clear_screen()


def _attend(
    person: Context, terminal: click.Group, keyboard: Keyboard, idle_s: float
) -> None:
    """Carry out what a person asks for, until the person has left."""
    with session(person.home, person.gateway()) as folder:
        person.home = folder
        _ask(person, f"Type a command, help, or {LEAVE} when you are done.")
        try:
            while (line := keyboard.line(idle_s=idle_s)) != LEAVE:
                _guarded(partial(_run, terminal, person, line))
        except SessionEnded:
            pass
    _ask(person, "You are signed out.")


def _run(terminal: click.Group, person: Context, line: str) -> None:
    words = shlex.split(line)
    if words == ["help"]:
        words = ["--help"]
    if not _OUTSIDE.isdisjoint(words):
        raise click.UsageError(f"There is a session already; {LEAVE} ends it.")
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
