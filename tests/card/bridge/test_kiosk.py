"""A terminal in public: what each person leaves behind is nothing.

Planted and caught: the folder of a session left when a command fails in it; the
terminal of a session not revoked; one folder for all sessions; a person who only walks
away never signed out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from card_bridge.cli.context import Context
from card_bridge.cli.kiosk import serve
from card_bridge.cli.terminal import terminal
from card_bridge.kiosk import SESSIONS, Keyboard, forget_all
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.codes import Role
from ledger_client import Client, PersonSession, Problem, sign_in
from tests.api.callers import Caller
from tests.api.signed_in import KETTLE, account
from tests.card.bridge.stage import Stage

Serve = Callable[..., str]


@pytest.fixture
def kiosk(stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Serve:
    """Serve people what they type, until the input ends; return all that was said."""

    def serving(
        *lines: str | Caller,
        card_file: Path | None = None,
        idle_s: float = 5.0,
        ends: bool = True,
        keyboard: type[Keyboard] = Keyboard,
    ) -> str:
        ours, theirs = os.pipe()
        typed = [each for line in lines for each in _typed(stage, line)]
        os.write(theirs, "".join(f"{line}\n" for line in typed).encode())
        if ends:
            os.close(theirs)
        said = Context(
            server=stage.url,
            token="",
            home=tmp_path,
            reader=None,
            card_file=card_file,
            medium=None,
            as_json=False,
        )
        try:
            serve(said, terminal, keyboard=keyboard(ours), idle_s=idle_s)
        finally:
            os.close(ours)
            if not ends:
                os.close(theirs)
        told = capsys.readouterr()
        return told.out + told.err

    return serving


def _typed(stage: Stage, line: str | Caller) -> list[str]:
    """Return what is typed: a line, or a person's login name and password."""
    if isinstance(line, str):
        return [line]
    name = f"{line.party_id}@example.org"
    with contextlib.suppress(AssertionError):  # Or they have an account already.
        account(stage.callers, line, name)
    return [name, KETTLE]


def _left(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_a_person_records_a_ticket_and_nothing_of_theirs_is_left(
    stage: Stage, kiosk: Serve, tmp_path: Path
) -> None:
    ada = stage.callers.ada
    card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
    place = tmp_path.parent / f"{tmp_path.name}.card"
    VirtualCard(card.snapshot(), path=place)
    said = kiosk(ada, "tickets", f"record {ticket_id}", "bye", card_file=place)
    assert "The ticket is on the card." in said
    assert "You are signed out." in said
    assert KETTLE not in said
    assert _left(tmp_path) == []
    assert stage.its.ledger.ticket(ticket_id).form.medium_uid == card.uid.hex()


def test_the_next_person_has_another_terminal_and_sees_nothing_of_the_one_before(
    stage: Stage, kiosk: Serve, tmp_path: Path
) -> None:
    ada, ben = stage.callers.ada, stage.callers.ben
    ticket_id = stage.ticket_of(ada)
    download = f"download {ticket_id}"
    said = kiosk(ada, download, "bye", ben, download, "tickets", "bye")
    of_ada, of_ben = said.split("You are signed out.")[:2]
    assert "signed by its issuer" in of_ada
    assert str(ticket_id) not in of_ben
    assert _left(tmp_path) == []


def test_a_terminal_of_a_session_is_revoked_with_it(
    stage: Stage, kiosk: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = stage.callers.ada
    ticket_id = stage.ticket_of(ada)
    seen: list[str] = []
    remove = shutil.rmtree

    def looking(folder: Path, **said: Any) -> None:
        seen.extend(each.read_text().strip() for each in folder.rglob("terminal.id"))
        remove(folder, **said)

    monkeypatch.setattr(shutil, "rmtree", looking)
    kiosk(ada, f"download {ticket_id}", "bye")
    (device_id,) = seen
    sent = ada.post(f"/v1/tickets/{ticket_id}/transmissions", terminal_id=device_id)
    assert sent.refusal == (403, "device_not_authorised")


def test_what_does_not_work_is_a_sentence_and_the_session_goes_on(
    stage: Stage, kiosk: Serve, tmp_path: Path
) -> None:
    said = kiosk(
        stage.callers.ada,
        "nonsense",
        "show-card",
        'record "',
        "--kiosk",
        "sign-in somebody@example.org",
        f"download {'0' * 8}-0000-4000-8000-000000000000",
        "help",
        "bye",
    )
    assert "No such command" in said
    assert "There is a session already" in said
    assert "show-card" in said
    assert "Traceback" not in said
    assert _left(tmp_path) == []


def test_a_wrong_password_lets_nobody_in_and_the_next_is_asked(
    stage: Stage, kiosk: Serve, tmp_path: Path
) -> None:
    ada = stage.callers.person(Role.BUYER)
    name = _typed(stage, ada)[0]
    said = kiosk(name, "nine boats upon a hill", "", ada, "tickets", "bye")
    assert "(wrong_password)" in said
    assert said.count("You are signed out.") == 1
    assert _left(tmp_path) == []


def test_the_session_is_over_when_the_person_has_left(
    stage: Stage, kiosk: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[PersonSession] = []

    def watched(*given: str) -> PersonSession:
        begun.append(sign_in(*given))
        return begun[-1]

    monkeypatch.setattr("card_bridge.cli.sign_in.sign_in", watched)
    kiosk(stage.callers.ben, "tickets", "bye")
    (session,) = begun
    with (
        Client(stage.url, session.headers) as theirs,
        pytest.raises(Problem) as no,
    ):
        theirs.get("/v1/me")
    assert no.value.code == "unauthenticated"


class NextPlease(Exception):
    """The next person was asked to sign in."""


class Alone(Keyboard):
    """A keyboard that one person signs in at, and nobody after."""

    asked = False

    def line(self, *, idle_s: float | None = None) -> str:
        if idle_s is None:  # Whoever comes next is waited for as long as it takes.
            if self.asked:
                raise NextPlease
            self.asked = True
        return super().line(idle_s=idle_s)


def test_who_walks_away_is_signed_out(
    stage: Stage, kiosk: Serve, tmp_path: Path
) -> None:
    ada = stage.callers.ada
    with pytest.raises(NextPlease):
        kiosk(ada, "tickets", keyboard=Alone, idle_s=0.2, ends=False)
    assert _left(tmp_path) == []


def test_what_a_killed_program_left_goes_before_the_first_person_comes(
    tmp_path: Path,
) -> None:
    left = tmp_path / SESSIONS / "session-old"
    left.mkdir(parents=True)
    (left / "terminal.key").write_bytes(b"k" * 32)
    folder = forget_all(tmp_path)
    assert _left(tmp_path) == []
    assert folder.stat().st_mode & 0o077 == 0
