"""Erasing a person by command: the log says so, every proof holds, no word is left.

Planted and caught: the token's label kept; evidence kept; an erased key that a restored
dump brings back; a wrong key-encryption key noticed at the first name asked for.
"""

import base64
import io
import json

import psycopg
import pytest

from ledger.adapters.evidence import EvidenceStore
from ledger.adapters.key_encryption import KeyUnusable
from ledger.bootstrap import open_installation
from ledger.log.export import export
from ledger.log.note import Verifier
from ledger.log.verify import verify_export
from ledger.usecases import disputes, parties
from ledger.vocabulary.codes import Role
from tests.domain.examples import NOON
from tests.usecases.town import CAUSE, Town, fresh

NAME, CONTACT, WORDS = "Ottilie Zabrowska", "ottilie@example.org", "my sister's hat"
"""Nothing else in the log or the database holds these."""


@pytest.fixture
def town(its):
    return Town(its)


@pytest.fixture
def ottilie(its, town):
    """Known by name and contact, and leaving traces wherever one can."""
    party_id = fresh()
    parties.register(
        its.ledger,
        its.personal,
        party_id=party_id,
        kind="person",
        name=NAME,
        contact=CONTACT,
        at=NOON,
        cause=CAUSE,
    )
    its.tokens.issue(
        party_id=party_id,
        device_id=None,
        roles=[Role.BUYER],
        lifetime_s=3600,
        label=f"for {NAME}",
        at=its.clock.now(),
    )
    town.top_up(party_id, 10_000)
    ticket_id = town.buy(by=party_id)
    case = disputes.complain(
        its.ledger,
        case_id=fresh(),
        case_type="not_received",
        ticket_ids=[ticket_id],
        by=party_id,
        as_operator=False,
        at=NOON,
        cause=CAUSE,
    )
    disputes.give_evidence(
        its.ledger,
        its.personal,
        case_id=case.case_id,
        evidence_id=(evidence_id := fresh()),
        by=party_id,
        as_operator=False,
        description=WORDS,
        content=WORDS.encode(),
        media_type="text/plain",
        at=NOON,
        cause=CAUSE,
    )
    EvidenceStore(its.datastore, its.personal).keep(
        case_id=case.case_id,
        evidence_id=evidence_id,
        subject_id=party_id,
        content=WORDS.encode(),
    )
    disputes.withdraw(
        its.ledger,
        case_id=case.case_id,
        by=party_id,
        as_operator=False,
        reason="settled",
        at=NOON,
        cause=CAUSE,
    )
    return party_id


def everything(settings):
    """All that the database holds, as text, bytes in hex."""
    found = []
    with psycopg.connect(settings.database_url) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s",
            (settings.schema,),
        ).fetchall()
        for (name,) in tables:
            table = psycopg.sql.Identifier(settings.schema, name)
            query = psycopg.sql.SQL("SELECT t::text FROM {} t").format(table)
            found += [row for (row,) in connection.execute(query).fetchall()]
    return "\n".join(found)


def words_in(text):
    return [
        word
        for word in (NAME, NAME.split()[1], CONTACT, WORDS)
        if word in text or word.encode().hex() in text
    ]


def exported(its):
    signer = its.signers(its.clock.now())[0]
    lines = list(export(its.ledger.recorder, signer, its.origin))
    return [line.encode() for line in lines], str(signer.verifier)


def test_an_erased_person_is_nowhere_in_clear_and_every_proof_holds(
    its, settings, ledgerctl, ottilie
):
    # What is searched for can be found: the label of her token is in clear.
    assert words_in(everything(settings)) == [NAME, "Zabrowska"]
    assert ledgerctl("subject", "show", ottilie)[1].splitlines() == [
        f"name: {NAME}",
        f"contact: {CONTACT}",
        "key: there",
    ]
    before, vkey = exported(its)
    code, said, _ = ledgerctl("subject", "erase", ottilie, "--yes")
    assert (code, said.split(";")[0]) == (0, "Erased")
    assert words_in(everything(settings)) == []
    after, _ = exported(its)
    assert after[1 : len(before) - 1] == before[1:-1], "no stored event changed"
    assert verify_export(after, [Verifier.parse(vkey)]).proven
    assert words_in(b"".join(after).decode()) == []
    assert ledgerctl("subject", "show", ottilie)[1].splitlines() == [
        "name: erased",
        "contact: erased",
        "key: destroyed",
    ]


def test_erased_twice_is_erased_once(its, ledgerctl, ottilie):
    assert ledgerctl("subject", "erase", ottilie, "--yes")[0] == 0
    position = its.ledger.position()
    assert ledgerctl("subject", "erase", ottilie, "--yes")[0] == 0
    assert its.ledger.position() == position


def test_nobody_is_erased_by_a_slip(its, ledgerctl, ottilie, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    position = its.ledger.position()
    code, _, said = ledgerctl("subject", "erase", fresh(), "--yes")
    assert (code, said.strip()) == (1, "There is no such person.")
    code, _, _ = ledgerctl("subject", "erase", ottilie)
    assert code != 0
    assert its.ledger.position() == position
    assert its.personal.is_destroyed(ottilie) is False


def test_a_live_case_keeps_a_person_and_the_refusal_says_so(
    its, town, ledgerctl, ottilie
):
    ticket_id = town.buy(by=ottilie)
    disputes.complain(
        its.ledger,
        case_id=fresh(),
        case_type="not_received",
        ticket_ids=[ticket_id],
        by=ottilie,
        as_operator=False,
        at=NOON,
        cause=CAUSE,
    )
    code, _, said = ledgerctl("subject", "erase", ottilie, "--yes")
    assert (code, "live dispute" in said) == (1, True)
    assert its.personal.is_destroyed(ottilie) is False


def test_the_report_says_where_the_person_is_still_named(ledgerctl, ottilie):
    told = json.loads(ledgerctl("subject", "report", ottilie, "--json")[1])
    assert told["key"] == "there"
    assert told["sealed_events"] == 2  # Registered, and what she showed in the case.
    assert {"access_tokens", "case_evidence"} <= set(told["tables"])
    ledgerctl("subject", "erase", ottilie, "--yes")
    told = json.loads(ledgerctl("subject", "report", ottilie, "--json")[1])
    assert told["key"] == "destroyed"
    assert "case_evidence" not in told["tables"]
    code, said, _ = ledgerctl("subject", "report", ottilie)
    assert (code, "nobody can open" in said, "reapply" in said) == (0, True, True)


def test_keys_that_were_restored_are_destroyed_again(its, settings, ledgerctl, ottilie):
    with psycopg.connect(settings.database_url) as connection:
        table = psycopg.sql.Identifier(settings.schema, "subject_keys")
        kept = connection.execute(
            psycopg.sql.SQL("SELECT wrapped FROM {} WHERE subject_id = %s").format(
                table
            ),
            (ottilie,),
        ).fetchone()
        assert kept is not None
        ledgerctl("subject", "erase", ottilie, "--yes")
        connection.execute(
            psycopg.sql.SQL("UPDATE {} SET wrapped = %s WHERE subject_id = %s").format(
                table
            ),
            (kept[0], ottilie),
        )
        connection.commit()
    assert its.personal.is_destroyed(ottilie) is False
    assert ledgerctl("subject", "reapply") == (0, "1 keys destroyed again.\n", "")
    assert its.personal.is_destroyed(ottilie)
    assert ledgerctl("subject", "reapply")[1] == "0 keys destroyed again.\n"


def test_a_key_in_the_environment_takes_over_from_the_file(
    its, settings, ledgerctl, monkeypatch, ottilie
):
    secret = base64.b64encode(b"s" * 32).decode()
    monkeypatch.setenv("LEDGER_KEY_ENCRYPTION", "secret,file")
    monkeypatch.setenv("LEDGER_KEY_ENCRYPTION_SECRET", secret)
    keys = sum(its.personal.wrapped_by().values())
    assert ledgerctl("subject", "rewrap")[1].startswith(f"{keys} keys moved")
    monkeypatch.setenv("LEDGER_KEY_ENCRYPTION", "secret")
    assert ledgerctl("subject", "show", ottilie)[1].startswith(f"name: {NAME}")
    # And without it nothing is opened, which is said at once.
    monkeypatch.setenv("LEDGER_KEY_ENCRYPTION", "file")
    code, said, why = ledgerctl("subject", "show", ottilie)
    assert (code, said) == (1, "")
    assert why.startswith("The key environment-")
    assert "LEDGER_KEY_ENCRYPTION" in why
    with pytest.raises(KeyUnusable), open_installation(settings):
        pass
    monkeypatch.setenv("LEDGER_KEY_ENCRYPTION", "secret")
    monkeypatch.setenv("LEDGER_KEY_ENCRYPTION_SECRET", "short")
    code, _, why = ledgerctl("subject", "show", ottilie)
    assert (code, "32 bytes in base64" in why, "short" in why) == (1, True, False)


def test_a_new_key_in_a_file_takes_over_from_the_first(its, ledgerctl, ottilie):
    assert ledgerctl("subject", "make-key", "file")[1].startswith("file-2 is there.")
    assert ledgerctl("subject", "rewrap")[0] == 0
    assert set(its.personal.wrapped_by()) == {"file-2"}
    assert ledgerctl("subject", "show", ottilie)[1].startswith(f"name: {NAME}")
    code, _, why = ledgerctl("subject", "make-key", "pkcs11")
    assert (code, "does not name pkcs11" in why) == (1, True)
