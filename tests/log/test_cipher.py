"""What is said of a person is sealed under a key that is wrapped, and can be destroyed.

Planted and caught: a destroyed key that comes back by a move to another wrapping key; a
wrapped key that is not bound to its person; a new key that overwrites another writer's;
a key-encryption key that is named by its place alone; the oldest key wraps instead of
the newest; a file of keys that others can read; a check that looks at one key alone.
"""

import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest

from ledger.adapters.key_encryption import (
    FileKeys,
    Keyring,
    KeyUnusable,
    LocalKey,
    secret_keys,
)
from ledger.adapters.pkcs11_key import Pkcs11Key, Token
from ledger.adapters.secrets import SecretsError
from ledger.log.cipher import SubjectCipher, SubjectErased
from tests.log import softhsm
from tests.log.keys import local_keys
from tests.log.opened import opened

token = softhsm.token
ADA, BEN = UUID(int=1), UUID(int=2)
OLD, NEW = LocalKey("old", b"o" * 32), LocalKey("new", b"n" * 32)


@pytest.fixture
def datastore(database):
    with opened(database) as ledger:
        yield ledger.recorder.datastore


def cipher(datastore, *keys):
    return SubjectCipher(datastore, key_encryption=Keyring(lambda: keys))


def test_two_subjects_are_sealed_apart(datastore):
    its = cipher(datastore, OLD)
    hers, his = its.seal(ADA, "Ada"), its.seal(BEN, "Ben")
    its.destroy(ADA)
    assert (its.open(ADA, hers), its.open(BEN, his)) == (None, "Ben")
    with pytest.raises(SubjectErased):
        its.seal(ADA, "again")


def test_what_is_of_one_person_does_not_open_as_anothers(datastore):
    its = cipher(datastore, OLD)
    hers = its.seal(ADA, "Ada")
    its.seal(BEN, "Ben")
    assert its.open(BEN, hers) is None
    # Nor does a wrapped key that somebody has put under another's name.
    with datastore.get_connection() as connection:
        connection.execute(
            "UPDATE subject_keys SET wrapped = (SELECT wrapped FROM subject_keys"
            " WHERE subject_id = %s) WHERE subject_id = %s",
            (ADA, BEN),
        )
    with pytest.raises(KeyUnusable):
        its.open(BEN, hers)


def test_what_a_lost_key_sealed_reads_as_erased_beside_what_a_new_one_seals(datastore):
    its = cipher(datastore, OLD)
    before = its.seal(ADA, "Ada")
    with datastore.get_connection() as connection:  # A restore without her key.
        connection.execute("DELETE FROM subject_keys")
    assert its.open(ADA, before) is None
    after = its.seal(ADA, "of Lovelace")
    assert (its.open(ADA, before), its.open(ADA, after)) == (None, "of Lovelace")


def test_of_two_writers_who_seal_first_both_use_one_key(datastore):
    its, barrier = cipher(datastore, OLD), Barrier(4)

    def seal(number):
        barrier.wait()
        return its.seal(ADA, f"{number}")

    with ThreadPoolExecutor(4) as pool:
        sealed = list(pool.map(seal, range(4)))
    assert [its.open(ADA, each) for each in sealed] == ["0", "1", "2", "3"]


def test_the_newest_key_wraps_and_the_older_ones_still_open(datastore):
    before = cipher(datastore, OLD).seal(ADA, "Ada")
    its = cipher(datastore, NEW, OLD)
    his = its.seal(BEN, "Ben")
    assert its.wrapped_by() == {"new": 1, "old": 1}
    assert (its.open(ADA, before), its.open(BEN, his)) == ("Ada", "Ben")


def test_moved_to_a_new_key_the_old_one_is_not_needed_any_more(datastore):
    people = [UUID(int=n) for n in range(1, 8)]
    old = cipher(datastore, OLD)
    sealed = {each: old.seal(each, str(each)) for each in people}
    old.destroy(people[0])
    its = cipher(datastore, NEW, OLD)
    assert [its.rewrap(limit=4) for _ in range(3)] == [4, 2, 0]
    alone = cipher(datastore, NEW)
    assert alone.wrapped_by() == {"new": 6}
    assert [alone.open(each, sealed[each]) for each in people] == [
        None,
        *map(str, people[1:]),
    ]


def test_keys_are_moved_beside_writers_and_none_is_lost(datastore):
    old = cipher(datastore, OLD)
    people = [UUID(int=n) for n in range(1, 41)]
    sealed = {each: old.seal(each, str(each)) for each in people}
    its, barrier = cipher(datastore, NEW, OLD), Barrier(4)

    def move():
        barrier.wait()
        while its.rewrap(limit=3):
            pass

    def destroy():
        barrier.wait()
        for each in people[:20]:
            its.destroy(each)

    def begin():
        barrier.wait()
        return [its.seal(UUID(int=n), "x") for n in range(100, 120)]

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(each) for each in (move, move, destroy, begin)]:
            done.result()
    while its.rewrap():
        pass
    told = [cipher(datastore, NEW).open(each, sealed[each]) for each in people]
    assert told == [None] * 20 + [str(each) for each in people[20:]]
    assert its.wrapped_by() == {"new": 40}


def test_a_wrong_key_is_found_before_anybody_asks_and_said_in_one_sentence(datastore):
    cipher(datastore, OLD).seal(ADA, "Ada")
    cipher(datastore, NEW).seal(BEN, "Ben")
    cipher(datastore, NEW, OLD).check()
    wrong = LocalKey("old", b"x" * 32)
    with pytest.raises(KeyUnusable, match="The key old is not the one"):
        cipher(datastore, NEW, wrong).check()
    with pytest.raises(KeyUnusable, match="The key old is not here"):
        cipher(datastore, NEW).check()
    with pytest.raises(KeyUnusable, match="The key new is not here"):
        cipher(datastore, OLD).check()


def test_a_program_that_runs_sees_a_key_that_was_added(datastore):
    keys = [OLD]
    its = SubjectCipher(datastore, key_encryption=Keyring(lambda: list(keys)))
    its.seal(ADA, "Ada")
    keys.insert(0, NEW)
    sealed = cipher(datastore, NEW).seal(BEN, "Ben")
    assert its.open(BEN, sealed) == "Ben"


def test_keys_wrapped_before_they_had_names_still_open(datastore):
    its = SubjectCipher(datastore, key_encryption=local_keys())
    sealed = its.seal(ADA, "Ada")
    assert its.wrapped_by() == {"file": 1}
    assert its.open(ADA, sealed) == "Ada"


# Where the keys are.


def test_keys_in_a_file_are_its_owners_alone(tmp_path):
    files = FileKeys(tmp_path, bytes(32))
    assert [each.name for each in files.all()] == ["file"]
    assert (files.rotate(), files.rotate()) == ("file-2", "file-3")
    assert [each.name for each in files.all()] == ["file-3", "file-2", "file"]
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wrapped = files.all()[0].wrap(b"k" * 32, about=b"ada")
    assert FileKeys(tmp_path, bytes(32)).all()[0].unwrap(wrapped, about=b"ada")
    path.chmod(0o640)
    with pytest.raises(SecretsError, match="chmod 600"):
        files.all()


def test_keys_in_a_secret_are_named_by_what_they_are():
    first, second = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
    keys = secret_keys(f"{second}, {first}")
    assert [each.name for each in keys] != [each.name for each in secret_keys(first)]
    assert keys[1].name == secret_keys(first)[0].name
    wrapped = keys[1].wrap(b"k" * 32, about=b"ada")
    assert secret_keys(first)[0].unwrap(wrapped, about=b"ada") == b"k" * 32
    with pytest.raises(KeyUnusable):
        keys[0].unwrap(wrapped, about=b"ada")


@pytest.mark.parametrize("said", ["", "secret", base64.b64encode(bytes(31)).decode()])
def test_a_secret_of_another_form_is_refused_and_not_repeated(said):
    with pytest.raises(SecretsError, match="32 bytes in base64") as refused:
        secret_keys(said)
    assert not said or said not in str(refused.value)


@pytest.mark.pkcs11
def test_a_key_in_a_module_wraps_and_cannot_be_read(datastore, token):
    import pkcs11

    made = Pkcs11Key(token, make=True)
    its = cipher(datastore, made, OLD)
    sealed = its.seal(ADA, "Ada")
    assert its.wrapped_by() == {made.name: 1}
    assert cipher(datastore, Pkcs11Key(token)).open(ADA, sealed) == "Ada"
    with pytest.raises(KeyUnusable):
        made.unwrap(made.wrap(b"k" * 32, about=b"ada"), about=b"ben")
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        made._key[pkcs11.Attribute.VALUE]


@pytest.mark.pkcs11
def test_keys_are_moved_into_a_module(datastore, token):
    sealed = cipher(datastore, OLD).seal(ADA, "Ada")
    module = Pkcs11Key(token, make=True)
    assert cipher(datastore, module, OLD).rewrap() == 1
    assert cipher(datastore, module).open(ADA, sealed) == "Ada"


@pytest.mark.pkcs11
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"token": "another"}, "cannot be used"),
        ({"key": "absent"}, "has no AES key absent"),
    ],
)
def test_what_is_wrong_with_a_module_is_said(token, changed, says):
    said = {name: getattr(token, name) for name in ("module", "token", "key", "pin")}
    with pytest.raises(SecretsError, match=says):
        Pkcs11Key(Token(**(said | changed)))


@pytest.mark.pkcs11
def test_a_wrong_pin_is_refused_and_not_repeated(token):
    """In a process of its own: one that has logged in is not asked again."""
    code = (
        "import sys; from pathlib import Path\n"
        "from ledger.adapters.pkcs11_key import Pkcs11Key, Token\n"
        "Pkcs11Key(Token(Path(sys.argv[1]), sys.argv[2], 'kek', '0000'))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(token.module), token.token],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be used: PinIncorrect." in ended.stderr
    assert "0000" not in ended.stderr.replace("'0000'))", "")
