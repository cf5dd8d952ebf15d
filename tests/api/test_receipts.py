"""Who asks for a receipt gets the log's signed promise with the answer."""

import base64

import pytest
from eventsourcing.persistence import StoredEvent

from api.receipts import LEDGER_RECEIPT
from ledger.clock import new_id
from ledger.log.leaf import leaf
from ledger.log.merkle import leaf_hash
from ledger.log.note import Verifier, open_note
from ledger.log.receipt import MERGE_DELAY, Promised, Receipt
from tests.api.callers import Callers

WANTED = {"Want-Receipt": "?1"}


@pytest.fixture
def verifiers(callers: Callers):
    told = callers.nobody.get("/v1/issuer-keys").json
    return [Verifier.parse(vkey) for vkey in told["receipt_keys"]]


def opened(header: str, verifiers) -> Receipt:
    return Receipt.parse(open_note(base64.b64decode(header).decode(), verifiers))


def offer(callers: Callers, headers):
    ticket_id = callers.ticket(callers.ada)
    return callers.ada.call(
        "POST",
        f"/v1/tickets/{ticket_id}/gift-offers",
        json={"to_party_id": str(callers.ben.party_id)},
        headers=headers,
    )


def test_a_command_is_answered_with_a_receipt_for_all_it_recorded(
    callers: Callers, installation, verifiers
):
    before = installation.ledger.position()
    said = offer(callers, WANTED)
    receipt = opened(said.headers[LEDGER_RECEIPT], verifiers)
    assert receipt.origin == installation.origin
    assert receipt.at == installation.clock.now()
    assert receipt.by - receipt.at == MERGE_DELAY
    positions = [event.position or 0 for event in receipt.events]
    assert max(positions) == said.position
    assert min(positions) > before
    for event in receipt.events:
        assert event.position is not None
        (placed,) = installation.ledger.recorder.leaf_hashes(event.position, 1)
        assert event.leaf_hash == placed


def test_who_records_nothing_gets_no_receipt_for_what_others_recorded(
    callers: Callers, installation
):
    """The position in the answer is that of the log's newest event."""
    ticket_id = callers.ticket(callers.ada)
    before = installation.ledger.position()
    dry = callers.ada.call(
        "POST",
        f"/v1/tickets/{ticket_id}/gift-offers?dry_run=true",
        json={"to_party_id": str(callers.ben.party_id)},
        headers=WANTED,
    )
    assert (dry.status, installation.ledger.position()) == (200, before)
    assert LEDGER_RECEIPT not in dry.headers


@pytest.mark.parametrize("headers", [{}, {"Want-Receipt": "?0"}, {"Want-Receipt": "1"}])
def test_who_does_not_ask_gets_none(callers: Callers, headers):
    assert LEDGER_RECEIPT not in offer(callers, headers).headers


def test_a_read_and_a_refusal_have_no_receipt(callers: Callers):
    read = callers.ada.get("/v1/tickets", **WANTED)
    assert LEDGER_RECEIPT not in read.headers
    refused = callers.ada.call("POST", "/v1/offerings", json={}, headers=WANTED)
    assert refused.status == 403
    assert LEDGER_RECEIPT not in refused.headers


def test_what_has_no_position_yet_is_promised_by_its_leaf(
    callers: Callers, installation
):
    """An append that nobody has sequenced; then the same once it is."""
    stream = new_id()
    installation.ledger.recorder.append([StoredEvent(stream, 1, "t:x", b"state")])
    said = leaf(originator_id=stream, version=1, topic="t:x", state=b"state")
    (promised,) = installation.proofs.promised([(stream, 1)])
    assert promised == Promised(leaf_hash(said), None)
    position = installation.ledger.recorder.place_of(stream, 1)
    (promised,) = installation.proofs.promised([(stream, 1)])
    assert promised == Promised(leaf_hash(said), position)


def test_a_receipt_is_signed_again_for_whoever_asks_by_position(
    callers: Callers, client, installation, verifiers
):
    position = installation.ledger.position()
    auditor = {"Authorization": f"Bearer {callers.auditor.token}"}
    answer = client.get(f"/v1/log/receipts/{position}", headers=auditor)
    receipt = Receipt.parse(open_note(answer.text, verifiers))
    (placed,) = installation.ledger.recorder.leaf_hashes(position, 1)
    assert receipt.events == (Promised(placed, position),)
    unknown = callers.auditor.get("/v1/log/receipts/999999")
    assert unknown.refusal == (404, "unknown")
    assert callers.nobody.get("/v1/log/receipts/1").status == 401


def test_a_checkpoint_s_key_does_not_sign_receipts(callers: Callers, verifiers):
    told = callers.nobody.get("/v1/issuer-keys").json
    its = Verifier.parse(told["log_key"])
    (receipts,) = verifiers
    assert receipts.name == f"{its.name}/receipts"
    assert receipts.public.public_bytes_raw() != its.public.public_bytes_raw()
