"""A witness cosigns what continues, and nothing else; it answers as C2SP says."""

from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.witness_files import (
    WitnessFilesError,
    WitnessFolder,
    witness_key,
)
from ledger.log.checkpoint import Checkpoint
from ledger.log.cosignature import CosignatureVerifier, cosigned_at, parse_verifier
from ledger.log.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    leaf_hash,
    root,
    subtrees_of,
)
from ledger.log.note import BadNote, Note, Signer
from ledger.log.witness import SIZE_TYPE, Submission, Witness
from tests.log.witnessing import COSIGNERS, NOON, ORIGIN, SIGNER, Shelf, key

LEAVES = [leaf_hash(bytes([n])) for n in range(60)]
OTHER = [leaf_hash(bytes([n, n])) for n in range(60)]
COSIGNER = COSIGNERS["a"]


def note_of(size, leaves=LEAVES, signer=SIGNER, origin=ORIGIN):
    checkpoint = Checkpoint(origin, size, root(leaves[:size]))
    return signer.sign(checkpoint.text())


def submission(old_size, size, leaves=LEAVES, **more):
    proof = (
        consistency_proof(old_size, size, subtrees_of(leaves))
        if 0 < old_size <= size
        else []
    )
    return Submission(old_size, tuple(proof), note_of(size, leaves, **more))


@pytest.fixture
def witness():
    return Witness(COSIGNER, [SIGNER.verifier], Shelf())


def ask(witness, asked):
    raw = asked.encode() if isinstance(asked, Submission) else asked
    answer = witness.add_checkpoint(raw, at=NOON)
    return answer.status, answer.body


def test_a_log_that_grows_is_cosigned_at_each_step(witness):
    for old, new in ((0, 1), (1, 1), (1, 8), (8, 13), (13, 60)):
        asked = submission(old, new)
        status, line = ask(witness, asked)
        assert status == 200
        note = Note.parse(asked.note + line)
        assert note.signed_by([COSIGNER.verifier]) == [COSIGNER.verifier]
        assert cosigned_at(note.signatures[-1][2]) == NOON


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (submission(8, 13, signer=Signer(ORIGIN, key(9))), 403),
        (submission(8, 13, origin="elsewhere.example/log"), 404),
        (submission(13, 8), 400),
        (submission(7, 13), 409),
        (submission(0, 13), 409),
        (submission(8, 8, OTHER), 409),
        (submission(0, 0), 409),
        (submission(8, 13, OTHER), 422),
        (Submission(8, (), note_of(13)), 422),
        (Submission(8, submission(8, 13).proof[:-1], note_of(13)), 422),
        (Submission(8, (*submission(8, 13).proof, bytes(32)), note_of(13)), 422),
        (Submission(8, (bytes(32),), note_of(8)), 422),
    ],
)
def test_a_fork_a_rollback_and_a_bad_proof_get_no_signature(witness, asked, status):
    assert ask(witness, submission(0, 8))[0] == 200
    found, said = ask(witness, asked)
    assert found == status
    assert "—" not in said
    if status == 409:
        assert said == "8\n"
        answer = witness.add_checkpoint(asked.encode(), at=NOON)
        assert answer.content_type == SIZE_TYPE
    # Whatever was refused, the log goes on from where it was.
    assert ask(witness, submission(8, 13))[0] == 200


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(raw):
    witness = Witness(COSIGNER, [SIGNER.verifier], Shelf())
    assert ask(witness, raw)[0] == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"old 08\n\n" + note_of(8).encode(),
        b"old -1\n\n" + note_of(8).encode(),
        b"old 0\n" + b"AAAA\n\n" + note_of(8).encode(),
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + note_of(8).encode(),
        b"old 0\n\n" + note_of(8).encode()[:-1],
    ],
)
def test_a_request_has_one_form(witness, raw):
    assert ask(witness, raw)[0] == 400


def test_a_first_proof_must_be_empty(witness):
    assert ask(witness, Submission(0, (bytes(32),), note_of(8)))[0] == 422


def test_an_empty_log_is_cosigned_only_with_the_empty_root(witness):
    assert ask(witness, submission(0, 0))[0] == 200
    wrong = Checkpoint(ORIGIN, 0, bytes(32))
    asked = Submission(0, (), SIGNER.sign(wrong.text()))
    assert wrong.root != EMPTY_ROOT
    assert ask(witness, asked)[0] == 409


def test_either_key_of_a_log_that_changes_its_key_is_believed():
    new = Signer(ORIGIN, key(9))
    witness = Witness(COSIGNER, [SIGNER.verifier, new.verifier], Shelf())
    assert ask(witness, submission(0, 8))[0] == 200
    assert ask(witness, submission(8, 13, signer=new))[0] == 200


def test_of_two_at_once_one_history_is_cosigned():
    """Both would read what was seen last before either writes, if they could."""
    both = Barrier(2)

    class Slow(Shelf):
        def recall(self, origin):
            seen = super().recall(origin)
            with suppress(BrokenBarrierError):
                both.wait(0.1)
            return seen

    witness = Witness(COSIGNER, [SIGNER.verifier], Slow())
    forks = [submission(0, 60), submission(0, 60, OTHER)]
    found: list[int] = []
    threads = [
        Thread(target=lambda fork=fork: found.append(ask(witness, fork)[0]))
        for fork in forks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200, 409]


def test_what_it_has_seen_outlives_the_program(tmp_path):
    with WitnessFolder.opened(tmp_path) as folder:
        witness = Witness(COSIGNER, [SIGNER.verifier], folder)
        assert ask(witness, submission(0, 8))[0] == 200
    with WitnessFolder.opened(tmp_path) as folder:
        witness = Witness(COSIGNER, [SIGNER.verifier], folder)
        assert ask(witness, submission(0, 13)) == (409, "8\n")
        assert ask(witness, submission(8, 13))[0] == 200


def test_a_checkpoint_is_kept_before_it_is_cosigned():
    class Full(Shelf):
        def keep(self, origin, note):
            raise OSError("no space left")

    witness = Witness(COSIGNER, [SIGNER.verifier], Full())
    with pytest.raises(OSError, match="no space"):
        ask(witness, submission(0, 8))


def test_two_witnesses_do_not_keep_one_folder(tmp_path):
    with (
        WitnessFolder.opened(tmp_path),
        pytest.raises(WitnessFilesError, match="Another witness"),
        WitnessFolder.opened(tmp_path),
    ):
        pass


def test_a_witness_s_key_is_drawn_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "w" / "key"
    first = witness_key(path).private_bytes_raw()
    assert witness_key(path).private_bytes_raw() == first
    path.chmod(0o644)
    with pytest.raises(WitnessFilesError, match="open to others"):
        witness_key(path)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(WitnessFilesError, match="no witness's key"):
        witness_key(path)


def test_keys_of_logs_and_of_witnesses_are_not_taken_for_each_other():
    """The same key under the same name has two ids, and signs two things."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    log, cosigner = Signer("both.example", private), COSIGNERS["b"]
    its = CosignatureVerifier("both.example", private.public_key())
    assert its.key_id != log.verifier.key_id
    assert parse_verifier(str(its)) == its
    assert parse_verifier(str(log.verifier)) == log.verifier
    text = Checkpoint(ORIGIN, 8, root(LEAVES[:8])).text()
    note = Note.parse(f"{text}\n{cosigner.line(text, at=NOON)}")
    with pytest.raises(BadNote):
        CosignatureVerifier.parse(str(log.verifier))
    assert note.signed_by([its]) == []
    later = Note.parse(note_of(13) + cosigner.line(text, at=NOON))
    with pytest.raises(BadNote):
        later.signed_by([cosigner.verifier])
