"""The log leaves by two doors, and is proven without this server."""

from ledger.log.checkpoint import Checkpoint, Verifier, open_note
from ledger.log.verify import verify_export
from tests.api.callers import Callers


def test_an_export_over_http_is_proven_by_the_logs_own_key(
    callers: Callers, client, installation
):
    callers.ticket(callers.ada)
    refused = callers.operator.get("/v1/log/export")
    assert refused.refusal == (403, "role_missing")
    answer = client.get(
        "/v1/log/export", headers={"Authorization": f"Bearer {callers.auditor.token}"}
    )
    assert answer.mimetype == "application/jsonl"
    vkey = callers.nobody.get("/v1/issuer-keys").json["log_key"]
    report = verify_export(answer.data.splitlines(keepends=True), vkey)
    assert report.proven
    assert report.events == installation.ledger.position()


def test_a_checkpoint_is_signed_and_grows_with_the_log(callers: Callers, client):
    told = callers.nobody.get("/v1/issuer-keys").json
    sizes = []
    for _ in "12":
        answer = client.get("/v1/log/checkpoint")
        assert answer.mimetype == "text/plain"
        text = open_note(answer.text, [Verifier.parse(told["log_key"])])
        checkpoint = Checkpoint.parse(text)
        assert checkpoint.origin == told["origin"]
        sizes.append(checkpoint.size)
        callers.offering()
    assert sizes[1] == sizes[0] + 1
