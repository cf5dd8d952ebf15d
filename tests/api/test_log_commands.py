"""`ledgerctl log`, `receipt` and `witness`: checked by whoever trusts nobody."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from api.cli.serve import ask_witnesses
from api.cli.witness import make_server
from ledger.adapters.peers import Peers, Unreachable
from ledger.adapters.witness_files import WitnessFolder, witness_key
from ledger.bootstrap import Installation, open_installation
from ledger.clock import new_id
from ledger.log.cosignature import Cosigner
from ledger.log.note import Note, Verifier
from ledger.log.publisher import Round
from ledger.log.receipt import Promised, Receipt
from ledger.log.tiles import Tile, pack, tile_counts
from ledger.log.tlog_proof import TlogProof
from ledger.log.witness import PATH, REQUEST_MAX, Witness
from ledger.settings import Settings
from ledger.vocabulary.codes import Role
from tests.api.callers import Callers, offering_body
from tests.log.witnessing import key

VECTORS = Path(__file__).parent.parent / "vectors" / "tlog_vectors.json"


def publish(its: Installation) -> str:
    """Publish what is recorded; return the checkpoint's note."""
    with its.publisher() as publisher:
        assert publisher.round() == Round.PUBLISHED
    found = its.proofs.published(its.policy)
    assert found is not None
    return found.note


def lay_out(its: Installation, folder: Path) -> None:
    """Write the log's published files, as a static server would have them."""
    found = its.proofs.published(its.policy)
    assert found is not None
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_text(found.note)
    for level, (full, width) in tile_counts(found.checkpoint.size).items():
        tiles = [Tile(level, index) for index in range(full)]
        for tile in [*tiles, *([Tile(level, full, width)] if width else [])]:
            path = folder / "tile" / str(level) / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pack(its.proofs.hashes(tile)))


@pytest.fixture
def keys(ledgerctl, installation) -> tuple[str, ...]:
    """All of the log's keys, as options."""
    code, out, _ = ledgerctl("log", "keys")
    assert code == 0
    return tuple(word for vkey in out.split() for word in ("--key", vkey))


def test_the_selftest_passes_and_names_what_fails(ledgerctl, tmp_path):
    code, out, _ = ledgerctl("log", "selftest", "--vectors", VECTORS)
    assert (code, out) == (0, "140 passed, 0 failed\n")
    vectors = json.loads(VECTORS.read_text())
    vectors["rfc6962"]["root_by_size"][3] = "00" * 32
    vectors["notes"][0]["ok"] = False
    vectors["surprises"] = [{}]
    changed = tmp_path / "vectors.json"
    changed.write_text(json.dumps(vectors))
    code, out, _ = ledgerctl("log", "selftest", "--vectors", changed)
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "rfc6962/root/3",
        "notes/0",
        "surprises/*",
        "138 passed, 3 failed",
    ]
    changed.write_text("nonsense")
    assert ledgerctl("log", "selftest", "--vectors", changed)[0] == 2


def test_a_ticket_is_proven_by_one_file_without_the_database(
    ledgerctl, callers: Callers, installation, keys, tmp_path, monkeypatch
):
    ticket_id = callers.ticket(callers.ada)
    file = tmp_path / "ticket.proof"
    assert ledgerctl("log", "prove", ticket_id, "--output", file)[0] == 1
    publish(installation)
    assert ledgerctl("log", "prove", new_id())[2] == "There is no such ticket.\n"
    assert ledgerctl("log", "prove", ticket_id, "--output", file)[0] == 0
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, out, _ = ledgerctl("log", "check-proof", file, *keys)
    assert code == 0
    assert out.startswith("Proven: 1 events are among the first")
    proof = file.read_text()
    for before, after in (('"version":1', '"version":2'), ("Issued", "Issues")):
        file.write_text(proof.replace(before, after))
        if file.read_text() != proof:
            assert ledgerctl("log", "check-proof", file, *keys)[0] == 1
    file.write_text("nonsense\n")
    assert ledgerctl("log", "check-proof", file, *keys)[0] == 1
    assert ledgerctl("log", "check-proof", file, "--key", "nonsense")[0] == 2


def test_watching_a_log_finds_growth_a_rollback_and_a_fork(
    ledgerctl, callers: Callers, installation, keys, tmp_path, database
):
    folder, state = tmp_path / "log", tmp_path / "seen"
    watch = ("log", "watch", folder, "--state", state, *keys)
    assert ledgerctl(*watch)[0] == 2
    callers.offering()
    publish(installation)
    lay_out(installation, folder)
    before = (folder / "checkpoint").read_text()
    assert ledgerctl(*watch)[0] == 0
    callers.offering()
    publish(installation)
    lay_out(installation, folder)
    after = (folder / "checkpoint").read_text()
    code, out, _ = ledgerctl(*watch)
    assert code == 0
    assert "it continues the" in out

    (folder / "checkpoint").write_text(before)
    code, _, said = ledgerctl(*watch)
    assert code == 1
    assert said.startswith("ALARM: The log went back from")
    assert state.read_text() == after

    # Somebody with the log's key and database tells another history, and a longer one.
    with psycopg.connect(database.url) as owner:
        for table in ("ledger_checkpoints", "ledger_log"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_checkpoints")
        owner.execute(
            "UPDATE ledger_log SET leaf_hash = %s WHERE position = 1", (bytes(32),)
        )
    callers.offering()
    publish(installation)
    lay_out(installation, folder)
    code, _, said = ledgerctl(*watch)
    assert code == 1
    assert "the history was rewritten" in said
    assert after in said
    assert (folder / "checkpoint").read_text() in said

    for path in (folder / "tile").rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(len(path.read_bytes())))
    code, _, said = ledgerctl(*watch)
    assert (code, said.split(":")[0]) == (2, "Could not be checked")


@pytest.fixture
def receipt(callers: Callers, installation, tmp_path: Path) -> Path:
    """A receipt as its HTTP header has it, for a ticket's gift."""
    ticket_id = callers.ticket(callers.ada)
    said = callers.ada.call(
        "POST",
        f"/v1/tickets/{ticket_id}/gift-offers",
        json={"to_party_id": str(callers.ben.party_id)},
        headers={"Want-Receipt": "?1"},
    )
    file = tmp_path / "receipt"
    file.write_text(said.headers["Ledger-Receipt"])
    return file


def test_a_receipt_is_proven_by_the_log_by_a_proof_and_by_an_export(
    ledgerctl, callers: Callers, installation, keys, receipt, tmp_path, client
):
    verify = ("receipt", "verify", receipt, *keys)
    assert ledgerctl(*verify)[0] == 2
    note = publish(installation)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_text(note)
    assert ledgerctl(*verify, "--checkpoint", checkpoint)[0] == 2

    lay_out(installation, tmp_path / "log")
    code, out, _ = ledgerctl(*verify, "--log", tmp_path / "log")
    assert (code, out[:8]) == (0, "Proven: ")
    export = tmp_path / "export"
    assert ledgerctl("log", "export", "--output", export)[0] == 0
    exported = (*verify, "--log", export, "--checkpoint", checkpoint)
    assert ledgerctl(*exported, "--json")[1].startswith('{"verdict": "proven"')

    # One event alone, by a proof of its own.
    said = Receipt.parse(
        Note.parse(base64.b64decode(receipt.read_text()).decode()).text
    )
    event = said.events[-1]
    alone = Receipt.now(installation.origin, [event], at=said.at)
    receipt.write_text(installation.receipt_signer().sign(alone.text()))
    asked = f"/v1/log/proofs/inclusion?position={event.position}"
    proof = tmp_path / "one.tlog-proof"
    proof.write_text(callers.nobody.get(asked).json["tlog_proof"])
    assert ledgerctl(*verify, "--proof", proof)[0] == 0
    broken = TlogProof.parse(proof.read_text())
    wrong = TlogProof(broken.index, (bytes(32),), broken.checkpoint)
    proof.write_text(wrong.text())
    assert ledgerctl(*verify, "--proof", proof)[0] == 2


def test_a_receipt_that_the_log_does_not_keep_proves_a_loss(
    ledgerctl, callers: Callers, installation, keys, tmp_path
):
    """The log has promised, and what it then shows is not what it promised."""
    callers.offering()
    checkpoint, export = tmp_path / "checkpoint", tmp_path / "export"
    checkpoint.write_text(publish(installation))
    assert ledgerctl("log", "export", "--output", export)[0] == 0
    at, file = installation.clock.now(), tmp_path / "receipt"
    held = ("receipt", "verify", file, *keys, "--checkpoint", checkpoint)

    def given(*events: Promised) -> None:
        text = Receipt.now(installation.origin, events, at=at).text()
        file.write_text(installation.receipt_signer().sign(text))

    given(Promised(bytes(32), 2))
    code, out, _ = ledgerctl(*held, "--log", export)
    assert (code, out) == (1, "Refuted: Position 2 of the log is another event.\n")

    late = (at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for event in (Promised(bytes(32), None), Promised(bytes(32), 10_000)):
        given(event)
        code, out, _ = ledgerctl(*held, "--log", export)
        assert (code, out[:21]) == (2, "Could not be checked:")
        code, out, _ = ledgerctl(*held, "--log", export, "--at", late)
        assert code == 1
        assert out.startswith("Refuted: Past its time limit")

    # A forged receipt accuses nobody.
    forged = file.read_text().replace(installation.origin, "other.example", 1)
    file.write_text(forged)
    assert ledgerctl(*held, "--log", export, "--at", late)[0] == 2
    text = Receipt.now(installation.origin, [Promised(bytes(32), 2)], at=at).text()
    file.write_text(installation.signers(at)[0].sign(text))
    assert ledgerctl(*held, "--log", export)[0] == 2


def test_one_witness_s_clock_proves_no_loss_where_two_are_wanted(
    ledgerctl, callers: Callers, installation, keys, tmp_path
):
    """Whoever is left behind by the others still cosigns an old checkpoint anew."""
    callers.offering()
    checkpoint, export = tmp_path / "checkpoint", tmp_path / "export"
    note = publish(installation)
    assert ledgerctl("log", "export", "--output", export)[0] == 0
    at, file = installation.clock.now(), tmp_path / "receipt"
    promised = Receipt.now(installation.origin, [Promised(bytes(32), None)], at=at)
    file.write_text(installation.receipt_signer().sign(promised.text()))
    names = [f"w{number}" for number in (1, 2, 3)]
    witnesses = [Cosigner(f"{name}.example", key(ord(name[1]))) for name in names]
    policy = tmp_path / "policy"
    lines = [
        f"witness {each} {witnesses[nr].verifier}" for nr, each in enumerate(names)
    ]
    lines += [f"group most 2 {' '.join(names)}", "quorum most", ""]
    policy.write_text("\n".join(lines))
    text, late = Note.parse(note).text, at + timedelta(hours=2)
    held = ("receipt", "verify", file, *keys, "--checkpoint", checkpoint)
    for times, expected in (
        ((at, at, late), 2),
        ((late,), 2),
        ((late, at, late), 1),
    ):
        said = zip(witnesses, times, strict=False)
        checkpoint.write_text(note + "".join(w.line(text, at=t) for w, t in said))
        code, out, _ = ledgerctl(*held, "--log", export, "--policy", policy)
        assert code == expected, out


def test_the_log_s_key_is_changed_and_both_are_believed_for_a_while(
    ledgerctl, callers: Callers, installation, clock
):
    callers.offering()
    old = Verifier.parse(ledgerctl("log", "keys")[1].split()[0])
    code, out, _ = ledgerctl("log", "rotate-key", "--overlap-days", 3_650)
    assert code == 0
    new = Verifier.parse(out.strip())
    note = Note.parse(publish(installation))
    assert note.signed_by([old]) == [old]
    assert note.signed_by([new]) == [new]
    clock.passes(days=3_650 * 3)
    operator = callers.person(Role.OPERATOR)
    note = Note.parse(publish(installation))
    assert note.signed_by([old]) == []
    assert note.signed_by([new]) == [new]
    vkeys = ledgerctl("log", "keys")[1].split()
    assert vkeys[:2] == [str(new), str(old)]
    assert len(vkeys) == 4
    told = operator.get("/v1/issuer-keys").json
    assert [*told["log_keys"], *told["receipt_keys"]] == vkeys
    # The database still knows whose keys these are.
    assert ledgerctl("init")[0] == 0


@pytest.fixture
def witness_url(installation, clock, tmp_path) -> Iterator[str]:
    """A witness as a server, with a key and a folder of its own."""
    cosigner = Cosigner("w.example", witness_key(tmp_path / "w.key"))
    logs = [signer.verifier for signer in installation.signers(clock.now())]
    with (
        WitnessFolder.opened(tmp_path / "witness") as folder,
        make_server(
            Witness(cosigner, logs, folder), "127.0.0.1", 0, clock=clock
        ) as server,
    ):
        answering = Thread(target=server.serve_forever, args=(0.01,))
        answering.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        answering.join()


@pytest.fixture
def witnessed(
    ledgerctl, installation, clock, witness_url, tmp_path, database
) -> Iterator[Installation]:
    """The installation, with a policy that wants the witness's cosignature."""
    words = ("witness", "key", "--name", "w.example", "--key", tmp_path / "w.key")
    vkey = ledgerctl(*words)[1].strip()
    policy = tmp_path / "policy"
    policy.write_text(f"witness w {vkey} {witness_url}\nquorum w\n")
    settings = Settings(
        database_url=database.server_url,
        schema=database.schema,
        home=tmp_path,
        witness_policy=policy,
    )
    with open_installation(settings, clock=clock) as its:
        yield its


def test_a_checkpoint_is_cosigned_over_the_network_before_it_is_served(
    callers: Callers, witnessed, clock
):
    for _ in "12":
        callers.offering()
        note = Note.parse(publish(witnessed))
        assert witnessed.policy.cosigned(note) == {"w": clock.now()}


def test_with_an_old_backup_and_a_witness_ahead_nothing_is_accepted(
    callers: Callers, witnessed, database, capsys
):
    """What the server asks before its first request, and what it then answers."""
    callers.offering()
    publish(witnessed)
    ask_witnesses(witnessed)
    assert capsys.readouterr().err == ""
    size = witnessed.ledger.position()
    with psycopg.connect(database.url) as owner:
        for table in ("ledger_cosignatures", "ledger_checkpoints", "ledger_log"):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        owner.execute("DELETE FROM ledger_cosignatures")
        owner.execute("DELETE FROM ledger_checkpoints")
        owner.execute("DELETE FROM ledger_log WHERE position = %s", (size,))
        owner.execute("UPDATE ledger_head SET size = size - 1")
    ask_witnesses(witnessed)
    sentence = (
        f"The witness w has cosigned {size} events of this log and only {size - 1} are"
        " here, as after restoring an old backup: restore the newest one, or begin a"
        " log with a new origin."
    )
    assert capsys.readouterr().err == f"Nothing is appended: {sentence}\n"
    refused = callers.issuer.post("/v1/offerings", **offering_body())
    assert refused.refusal == (409, "log_stopped")
    assert refused.json["detail"] == sentence
    assert callers.ada.get("/v1/me").status == 200


def test_a_stopped_log_is_resumed_by_who_says_why(
    ledgerctl, callers: Callers, installation, database
):
    assert ledgerctl("log", "resume", "--because", "so") == (
        0,
        "The log is not stopped.\n",
        "",
    )
    with psycopg.connect(database.url) as owner:
        owner.execute("INSERT INTO ledger_stop (why) VALUES ('A witness leads.')")
    for words in ((), ("--because", " "), ("--because", "x" * 501)):
        assert ledgerctl("log", "resume", *words)[0] == 2
    refused = callers.issuer.post("/v1/offerings", **offering_body())
    assert refused.refusal == (409, "log_stopped")
    for words in (("checkpoint", "--sign"), ("export", "--sign")):
        assert ledgerctl("log", *words) == (1, "", "A witness leads.\n")
    with installation.publisher() as publisher:
        publisher.round()
        code, _, said = ledgerctl("log", "resume", "--because", "so")
        assert (code, said.split(";")[0]) == (1, "Another process publishes this log")
    code, out, _ = ledgerctl("log", "resume", "--because", "The witness was broken.")
    assert code == 0
    assert out == "Appends go on. It was stopped because: A witness leads.\n"
    callers.offering()
    code, out, _ = ledgerctl("doctor")
    assert "and resumed: The witness was broken." in out


def test_a_witness_wants_to_know_whose_logs_it_watches(ledgerctl, tmp_path):
    words = ("witness", "serve", "--name", "w", "--key", tmp_path / "k")
    code, _, said = ledgerctl(*words, "--state", tmp_path / "state")
    assert code == 1
    assert said.startswith("Say by --log or --policy")
    wrong = ledgerctl(*words, "--state", tmp_path / "state", "--log", "nonsense")
    assert wrong[2].startswith("The witness cannot begin: a key is no verifier")


def test_a_witness_s_server_answers_strangers_shortly(witness_url):
    peers = Peers()
    assert peers.post(f"{witness_url}/elsewhere", b"")[0] == 404
    assert peers.post(f"{witness_url}{PATH}", b"")[0] == 400
    assert peers.post(f"{witness_url}{PATH}", bytes(REQUEST_MAX + 1))[0] == 413
    assert peers.get(f"{witness_url}{PATH}")[0] == 501
    peers.close()


def test_a_peer_that_is_not_there_is_said_to_be_unreachable(ledgerctl, keys, tmp_path):
    peers = Peers()
    for url in ("http://127.0.0.1:1/log", "http://", "nonsense"):
        with pytest.raises(Unreachable):
            peers.get(url)
    peers.close()
    watch = ("log", "watch", "http://127.0.0.1:1/log", "--state", tmp_path / "seen")
    code, _, said = ledgerctl(*watch, *keys)
    assert (code, said.split(":")[0]) == (2, "Could not be checked")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file"),
        ("quorum", "Line 1 of the policy: it is none of log, witness, group, quorum."),
        ("", "The policy has no quorum line."),
    ],
)
def test_a_policy_that_is_none_stops_the_program_at_its_start(
    ledgerctl, monkeypatch, tmp_path, content, says
):
    policy = tmp_path / "policy"
    if content is not None:
        policy.write_text(content)
    monkeypatch.setenv("LEDGER_WITNESS_POLICY", str(policy))
    code, _, said = ledgerctl("init")
    assert code == 1
    assert says in said


def test_a_log_s_further_keys_are_for_their_owner_alone(ledgerctl, tmp_path):
    assert ledgerctl("log", "rotate-key")[0] == 0
    path = tmp_path / "keys" / "log-keys.json"
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o644)
    code, _, said = ledgerctl("log", "keys")
    assert code == 2
    assert "chmod 600" in said
