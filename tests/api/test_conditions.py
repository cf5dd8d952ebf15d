"""Only if nothing has changed since it was read; and what would happen if.

Planted and caught: the version after the commit compared, or only an older one refused;
the second commit of a command held to the version before the first; a dry run that was
recorded, or took its key; a dry run of what cannot be one, carried out.
"""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from ledger.application import Cause, CommitTerms, Ledger
from ledger.usecases import modification
from tests.api.test_idempotency import KEY


def offer(callers, ticket_id, *, query="", to=None, **headers):
    return callers.ada.call(
        "POST",
        f"/v1/tickets/{ticket_id}/gift-offers{query}",
        json={"to_party_id": str((to or callers.ben).party_id)},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def etag(callers, ticket_id):
    told = callers.ada.get(f"/v1/tickets/{ticket_id}")
    assert told.headers["ETag"] == f'"{told.json["version"]}"'
    return told.headers["ETag"]


def test_a_command_on_what_was_read_is_carried_out(callers):
    ticket_id = callers.ticket(callers.ada)
    assert offer(callers, ticket_id, If_Match=etag(callers, ticket_id)).status == 201


def test_a_command_on_what_has_changed_since_is_refused(callers):
    ticket_id = callers.ticket(callers.ada)
    read = etag(callers, ticket_id)
    modified = callers.issuer.post(
        f"/v1/tickets/{ticket_id}/modifications", right="Row 5", reason="rebuilt"
    )
    assert modified.status == 201
    position = callers.its.ledger.position()
    refused = offer(callers, ticket_id, If_Match=read)
    assert refused.refusal == (412, "precondition_failed")
    now = refused.json["facts"]["version"]
    assert etag(callers, ticket_id) == f'"{now}"'
    assert callers.its.ledger.position() == position


def test_a_writer_who_comes_between_reading_and_writing_is_noticed(
    callers, monkeypatch
):
    ticket_id = callers.ticket(callers.ada)
    read, real = etag(callers, ticket_id), Ledger.record

    def modify():
        return callers.issuer.post(
            f"/v1/tickets/{ticket_id}/modifications", right="Row 5", reason="rebuilt"
        )

    def overtaken(ledger, *given, **said):
        monkeypatch.setattr(Ledger, "record", real)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(modify).result().status == 201
        return real(ledger, *given, **said)

    monkeypatch.setattr(Ledger, "record", overtaken)
    refused = offer(callers, ticket_id, If_Match=read)
    assert refused.refusal == (412, "precondition_failed")


def test_of_two_commands_on_the_same_version_one_is_carried_out(callers):
    ticket_id = callers.ticket(callers.ada)
    read = etag(callers, ticket_id)
    with ThreadPoolExecutor(2) as pool:
        told = list(
            pool.map(
                lambda to: offer(callers, ticket_id, to=to, If_Match=read),
                [callers.ben, callers.cleo],
            )
        )
    assert sorted(each.status for each in told) in ([201, 409], [201, 412])


@pytest.mark.parametrize("tag", ["*", None])
def test_any_version_will_do(callers, tag):
    ticket_id = callers.ticket(callers.ada)
    headers = {} if tag is None else {"If_Match": tag}
    assert offer(callers, ticket_id, **headers).status == 201


@pytest.mark.parametrize("tag", ["7", 'W/"7"', '"7", "8"', '"seven"', '""', ""])
def test_a_tag_of_another_form_is_refused(callers, tag):
    ticket_id = callers.ticket(callers.ada)
    assert offer(callers, ticket_id, If_Match=tag).refusal == (422, "malformed")


def test_a_dry_run_answers_as_the_command_would_and_records_nothing(callers):
    ticket_id = callers.ticket(callers.ada)
    position = callers.its.ledger.position()
    previewed = offer(callers, ticket_id, query="?dry_run=true", Idempotency_Key=KEY)
    assert (previewed.status, previewed.headers["Dry-Run"]) == (200, "?1")
    assert "Ledger-Position" not in previewed.headers
    assert callers.its.ledger.position() == position
    done = offer(callers, ticket_id, query="?dry_run=false", Idempotency_Key=KEY)
    assert done.status == 201
    assert previewed.json.keys() == done.json.keys()
    assert previewed.json["terms_hash"] == done.json["terms_hash"]


def test_a_command_of_several_commits_is_held_to_the_version_before_it(callers):
    """Its own first commit is no reason to refuse the second."""
    ticket_id = callers.ticket(callers.ada)
    cause = Cause(actor="test", terms=CommitTerms(expected=(UUID(ticket_id), 1)))
    ledger = callers.its.ledger
    for reason in ("rebuilt", "rebuilt again"):
        modification.modify(
            ledger,
            ticket_id=UUID(ticket_id),
            by=callers.issuer.party_id,
            changes={"right": reason},
            reason=reason,
            at=callers.its.clock.now(),
            cause=cause,
        )
    assert ledger.ticket(UUID(ticket_id)).version == 3


def test_a_dry_run_is_refused_as_the_command_would_be(callers):
    ticket_id = callers.ticket(callers.ada)
    assert offer(callers, ticket_id).status == 201
    refused = offer(callers, ticket_id, query="?dry_run=true")
    assert refused.refusal == (409, "in_gift")


def test_what_cannot_be_a_dry_run_is_not_carried_out_instead(callers):
    position = callers.its.ledger.position()
    body = {"kind": "person", "name": "Ida"}
    refused = callers.operator.call("POST", "/v1/parties?dry_run=true", json=body)
    assert refused.refusal == (422, "malformed")
    assert callers.its.ledger.position() == position
    assert callers.operator.call(
        "POST", "/v1/parties?dry_run=perhaps", json=body
    ).refusal == (422, "malformed")
