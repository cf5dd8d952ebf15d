"""Webhooks over HTTP: mine alone, with a secret that is shown once.

Planted and caught: another party's webhook rotated; the secret listed; an address of
this machine taken.
"""

import pytest

URL = "https://hooks.example.org/tickets"


def test_a_webhook_is_set_up_listed_rotated_and_ended(callers):
    made = callers.ada.post("/v1/webhooks", url=URL, kinds=["gift_offered"])
    assert made.status == 201, made.json
    assert made.json["secret"].startswith("whsec_")
    (listed,) = callers.ada.get("/v1/webhooks").json["webhooks"]
    assert (listed["url"], listed["kinds"]) == (URL, ["gift_offered"])
    assert "whsec_" not in str(listed)
    path = f"/v1/webhooks/{made.json['subscription_id']}"
    rotated = callers.ada.post(f"{path}/rotation")
    assert rotated.json["secret"].startswith("whsec_")
    assert rotated.json["secret"] != made.json["secret"]
    assert callers.ada.delete(path).status == 204
    assert callers.ada.get("/v1/webhooks").json["webhooks"] == []


def test_a_webhook_is_nobody_elses(callers):
    made = callers.ada.post("/v1/webhooks", url=URL)
    path = f"/v1/webhooks/{made.json['subscription_id']}"
    assert callers.ben.get("/v1/webhooks").json["webhooks"] == []
    assert callers.ben.post(f"{path}/rotation").refusal == (404, "unknown")
    assert callers.ben.delete(path).refusal == (404, "unknown")
    assert len(callers.ada.get("/v1/webhooks").json["webhooks"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001/",
        "https://user:password@hooks.example.org/",
        "ftp://hooks.example.org/",
        "hooks.example.org",
        "https://" + "a" * 500,
    ],
)
def test_an_address_inside_or_of_another_kind_is_refused_at_once(callers, url):
    assert callers.ada.post("/v1/webhooks", url=url).refusal == (422, "malformed")


def test_what_there_is_not_cannot_be_subscribed_to(callers):
    refused = callers.ada.post("/v1/webhooks", url=URL, kinds=["everything"])
    assert refused.refusal == (422, "malformed")
    assert callers.ada.post("/v1/webhooks", url=URL, kinds=[]).status == 422


def test_a_party_has_a_bounded_number_of_them(callers):
    told = [callers.ada.post("/v1/webhooks", url=URL) for _ in range(11)]
    assert [each.status for each in told] == [201] * 10 + [409]
    assert told[-1].refusal == (409, "limit")
