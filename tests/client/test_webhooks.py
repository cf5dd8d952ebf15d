"""Which messages are believed: signed by a secret of ours, just now, and unchanged.

The messages are signed by the Standard Webhooks project's own library. Planted and
caught: a timestamp that is not signed; only the first signature looked at; only the
first secret; a tolerance in one direction.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook as Sender

from ledger_client import WebhookRefused, verify_webhook

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ID = "msg_5257a869e7ecebeda32affa62cdca3fa"
SAID = {
    "type": "gift_offered",
    "timestamp": "2026-11-23T11:59:00+00:00",
    "data": {"about_id": "x", "position": 4711},
}
BODY = json.dumps(SAID).encode()


def headers(*secrets, at=AT, body=BODY):
    signed = " ".join(Sender(each).sign(ID, at, body.decode()) for each in secrets)
    stamp = str(int(at.timestamp()))
    return {
        "Webhook-Id": ID,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": signed,
    }


def test_a_message_is_read_if_the_secret_signed_it():
    message = verify_webhook(NEW, headers(NEW), BODY, at=AT + timedelta(seconds=10))
    assert (message.webhook_id, message.kind, message.sent_at) == (ID, SAID["type"], AT)
    assert message.data == SAID["data"]
    assert message.at == datetime(2026, 11, 23, 11, 59, tzinfo=UTC)


@pytest.mark.parametrize("signed", [(NEW,), (OLD,), (NEW, OLD), (OLD, NEW)])
@pytest.mark.parametrize("known", [NEW, OLD, [NEW, OLD], [OLD, NEW]])
def test_during_a_rotation_either_secret_will_do(signed, known):
    secrets = [known] if isinstance(known, str) else known
    if set(secrets) & set(signed):
        assert verify_webhook(known, headers(*signed), BODY, at=AT).webhook_id == ID
    else:
        with pytest.raises(WebhookRefused, match="No secret"):
            verify_webhook(known, headers(*signed), BODY, at=AT)


@pytest.mark.parametrize("away_s", [-301, 301, 3600])
def test_a_message_of_another_time_is_refused(away_s):
    with pytest.raises(WebhookRefused, match="300 seconds"):
        verify_webhook(NEW, headers(NEW), BODY, at=AT + timedelta(seconds=away_s))


@pytest.mark.parametrize("away_s", [-300, 300])
def test_the_tolerance_reaches_to_both_sides(away_s):
    verify_webhook(NEW, headers(NEW), BODY, at=AT + timedelta(seconds=away_s))


def test_nothing_that_was_signed_can_be_changed():
    good = headers(NEW)
    stamp = str(int(AT.timestamp()) + 1)
    for changed, body in (
        (good, BODY + b" "),
        (good | {"Webhook-Id": "msg_another"}, BODY),
        (good | {"Webhook-Timestamp": stamp}, BODY),
        (good | {"Webhook-Signature": ""}, BODY),
        (good | {"Webhook-Signature": good["Webhook-Signature"][3:]}, BODY),
        (good | {"Webhook-Signature": "v2," + good["Webhook-Signature"][3:]}, BODY),
        (good | {"Webhook-Signature": "v1,é"}, BODY),
    ):
        with pytest.raises(WebhookRefused):
            verify_webhook(NEW, changed, body, at=AT)


@pytest.mark.parametrize("name", headers(NEW))
def test_every_header_is_wanted(name):
    given = {key: value for key, value in headers(NEW).items() if key != name}
    with pytest.raises(WebhookRefused, match="missing"):
        verify_webhook(NEW, given, BODY, at=AT)


@pytest.mark.parametrize("stamp", ["", "x", "1e9", "-1", "1" * 12, "²"])
def test_a_timestamp_is_a_time_in_seconds(stamp):
    with pytest.raises(WebhookRefused, match="timestamp"):
        verify_webhook(NEW, headers(NEW) | {"Webhook-Timestamp": stamp}, BODY, at=AT)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type":5,"data":{}}'])
def test_what_is_signed_but_no_message_is_refused(body):
    with pytest.raises(WebhookRefused, match="no message"):
        verify_webhook(NEW, headers(NEW, body=body), body, at=AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64!"])
def test_a_secret_that_is_none_is_a_mistake_of_ours(secret):
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook(secret, headers(NEW), BODY, at=AT)


def test_a_flood_of_signatures_is_not_tried_to_its_end():
    flood = " ".join(["v1,AAAA"] * 1000)
    given = headers(NEW)
    with pytest.raises(WebhookRefused):
        verify_webhook(
            NEW,
            given | {"Webhook-Signature": f"{flood} {given['Webhook-Signature']}"},
            BODY,
            at=AT,
        )
