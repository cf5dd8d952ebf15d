"""The log leaves by two doors, and is proven without this server."""

import pytest
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from ledger.bootstrap import Installation
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import check_consistency, check_inclusion, leaf_hash, root
from ledger.log.note import Verifier, from_base64, open_note
from ledger.log.tiles import unpack
from ledger.log.tlog_proof import TlogProof
from ledger.log.verify import verify_export
from tests.api.callers import Callers


@pytest.fixture
def published(installation: Installation):
    """Publish what is recorded so far; return its checkpoint."""
    with installation.publisher() as its:

        def publish() -> Checkpoint:
            its.round()
            found = installation.proofs.published(installation.policy)
            assert found is not None
            return found.checkpoint

        yield publish


def test_an_export_over_http_is_what_was_published_by_the_key_of_now(
    callers: Callers, client, installation, published
):
    """The web server signs nothing: its workers may be older than the log's key."""
    callers.ticket(callers.ada)
    refused = callers.operator.get("/v1/log/export")
    assert refused.refusal == (403, "role_missing")
    early = callers.auditor.get("/v1/log/export")
    assert early.refusal == (404, "not_published")
    published()
    installation.log_keys.rotate(overlap_until=installation.clock.now())
    size = published().size
    callers.offering()
    answer = client.get(
        "/v1/log/export", headers={"Authorization": f"Bearer {callers.auditor.token}"}
    )
    assert answer.mimetype == "application/jsonl"
    vkey = callers.nobody.get("/v1/issuer-keys").json["log_key"]
    lines = answer.data.splitlines(keepends=True)
    report = verify_export(lines, [Verifier.parse(vkey)])
    assert report.proven
    assert (report.events, size) == (size, installation.ledger.position() - 1)


def test_a_checkpoint_is_signed_and_grows_with_the_log(
    callers: Callers, client, published
):
    told = callers.nobody.get("/v1/issuer-keys").json
    sizes = []
    for _ in "12":
        published()
        answer = client.get("/v1/log/checkpoint")
        assert answer.mimetype == "text/plain"
        text = open_note(answer.text, [Verifier.parse(told["log_key"])])
        checkpoint = Checkpoint.parse(text)
        assert checkpoint.origin == told["origin"]
        sizes.append(checkpoint.size)
        callers.offering()
    assert sizes[1] == sizes[0] + 1


def test_before_anything_is_published_there_is_no_checkpoint(callers: Callers):
    for path in ("/v1/log/checkpoint", "/log/checkpoint"):
        assert callers.nobody.get(path).refusal == (404, "not_published")
    asked = "/v1/log/proofs/inclusion?position=1"
    assert callers.nobody.get(asked).refusal == (404, "not_published")


def test_every_event_is_proven_to_be_in_the_log_by_what_is_answered(
    callers: Callers, installation, published
):
    callers.ticket(callers.ada)
    checkpoint = published()
    leaves = installation.ledger.recorder.leaf_hashes(1, 1_000)
    for position, leaf in enumerate(leaves, 1):
        said = callers.nobody.get(f"/v1/log/proofs/inclusion?position={position}").json
        assert from_base64(said["leaf_hash"]) == leaf
        proof = TlogProof.parse(said["tlog_proof"])
        check_inclusion(
            index=position - 1,
            size=checkpoint.size,
            leaf_hash=leaf,
            proof=proof.hashes,
            root=checkpoint.root,
        )
        assert proof.hashes == tuple(map(from_base64, said["hashes"]))
        assert proof.checkpoint == said["checkpoint"]
        said = callers.nobody.get(
            f"/v1/log/proofs/consistency?old_size={position}"
        ).json
        check_consistency(
            old_size=position,
            size=checkpoint.size,
            old_root=root(leaves[:position]),
            root=checkpoint.root,
            proof=[from_base64(each) for each in said["hashes"]],
        )
        assert from_base64(said["old_root"]) == root(leaves[:position])
    older = callers.nobody.get("/v1/log/proofs/inclusion?position=1&size=2").json
    assert from_base64(older["root"]) == root(leaves[:2])
    assert (older["checkpoint"], older["tlog_proof"]) == (None, None)


def test_what_is_not_published_is_not_proven(callers: Callers, published):
    size = published().size
    callers.offering()
    for asked in (f"position={size + 1}", f"position=1&size={size + 1}"):
        said = callers.nobody.get(f"/v1/log/proofs/inclusion?{asked}")
        assert said.refusal == (404, "not_published")
    said = callers.nobody.get(f"/v1/log/proofs/consistency?old_size={size + 1}")
    assert said.refusal == (404, "not_published")
    for asked in ("", "position=0", "position=x", "position=1&size=-1"):
        said = callers.nobody.get(f"/v1/log/proofs/inclusion?{asked}")
        assert said.refusal == (422, "malformed")


def test_tiles_are_those_of_the_published_tree_and_nothing_beyond_it(
    callers: Callers, client, installation, published
):
    size = published().size
    leaves = installation.ledger.recorder.leaf_hashes(1, 1_000)
    callers.offering()
    answer = client.get(f"/log/tile/0/000.p/{size}")
    assert unpack(answer.data) == leaves[:size]
    assert answer.mimetype == "application/octet-stream"
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get("/log/tile/0/000.p/1").data == leaves[0]
    for path in (
        *(f"0/000.p/{size + 1}", "0/000", "0/001.p/1", "1/000.p/1", "00/000.p/1"),
        *("0/000.p/0", "0/000.p/x", "x/000.p/1", "0/0", "64/000.p/1", "-1/000.p/1"),
    ):
        said = callers.nobody.get(f"/log/tile/{path}")
        assert said.refusal == (404, "unknown"), path


def test_leaves_are_for_auditors_and_hash_to_the_tiles(
    callers: Callers, client, installation, published
):
    size = published().size
    path = f"/log/tile/entries/000.p/{size}"
    assert callers.nobody.get(path).refusal == (401, "unauthenticated")
    assert callers.ada.get(path).refusal == (403, "role_missing")
    auditor = {"Authorization": f"Bearer {callers.auditor.token}"}
    raw, found = client.get(path, headers=auditor).data, []
    while raw:
        length = int.from_bytes(raw[:2], "big")
        found.append(leaf_hash(raw[2 : 2 + length]))
        raw = raw[2 + length :]
    assert found == installation.ledger.recorder.leaf_hashes(1, size)


class Client:
    """The other implementation's way to our server."""

    def __init__(self, client, token: str | None) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, *path: str) -> bytes | None:
        answer = self._client.get(f"/log/{'/'.join(path)}", headers=self._headers)
        return answer.data if answer.status_code == 200 else None


def test_a_program_that_is_not_ours_reads_the_log_as_it_is_served(
    callers: Callers, client, published
):
    size = published().size
    reader = TilesReader(Client(client, callers.auditor.token))
    served = reader.get_checkpoint()
    told = callers.nobody.get("/v1/issuer-keys").json
    served.verify(Vkey.from_string(told["log_key"]))
    assert (served.origin, served.size) == (told["origin"], size)
    assert reader.calculate_root_hash() == served.root_hash
    for index in range(size):
        proof = reader.get_inclusion_proof(index, size)
        proof.check(leaf_hash(reader.get_entry(index)), served.root_hash)
