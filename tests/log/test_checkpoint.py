"""Signed notes and checkpoints: read as others write them, refused when touched."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.checkpoint import Checkpoint
from ledger.log.note import BadNote, Signer, Verifier, open_note
from tests.log.vectors import VECTORS

SIGNER = Signer("tickets.example/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
CHECKPOINT = Checkpoint("tickets.example/log", 7, bytes(range(32)))
NOTE = SIGNER.sign(CHECKPOINT.text())


@pytest.mark.parametrize("case", VECTORS["notes"])
def test_published_notes_are_judged_as_published(case):
    verifiers = [Verifier.parse(vkey) for vkey in case["vkeys"]]
    if case["ok"]:
        text = open_note(case["note"], verifiers)
        assert case["note"].startswith(text + "\n— ")
    else:
        with pytest.raises(BadNote):
            open_note(case["note"], verifiers)


@pytest.mark.parametrize("vkey", VECTORS["bad_vkeys"])
def test_a_malformed_verifier_key_is_refused(vkey):
    with pytest.raises(BadNote):
        Verifier.parse(vkey)


def test_a_verifier_key_survives_being_written_down():
    vkey = VECTORS["notes"][0]["vkeys"][0]
    assert str(Verifier.parse(vkey)) == vkey
    assert Verifier.parse(str(SIGNER.verifier)).key_id == SIGNER.verifier.key_id


def test_a_checkpoint_is_three_lines_signed_in_the_log_s_name():
    text = open_note(NOTE, [SIGNER.verifier])
    assert text.splitlines() == [
        "tickets.example/log",
        "7",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    ]
    assert Checkpoint.parse(text) == CHECKPOINT
    assert NOTE.splitlines()[4].startswith("— tickets.example/log ")


def test_a_note_of_an_unknown_key_is_refused():
    other = Signer(
        SIGNER.verifier.name, Ed25519PrivateKey.from_private_bytes(b"1" * 32)
    )
    with pytest.raises(BadNote):
        open_note(NOTE, [other.verifier])


@pytest.mark.parametrize("at", range(len(NOTE)))
def test_no_character_of_a_note_can_change(at):
    touched = NOTE[:at] + chr(ord(NOTE[at]) ^ 1) + NOTE[at + 1 :]
    with pytest.raises(BadNote):
        open_note(touched, [SIGNER.verifier])


@given(st.text(max_size=200))
def test_any_text_is_a_note_or_is_refused(text):
    with pytest.raises(BadNote):
        open_note(text, [SIGNER.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n7\n",
        "origin\n07\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n-7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n7\nAAEC\n",
        "\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(BadNote):
        Checkpoint.parse(text)
