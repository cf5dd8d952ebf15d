"""Taking webhooks: is it from the ledger, is it fresh, and what does it say?

Standard Webhooks 1.0: `v1` signatures, HMAC-SHA256 over `<id>.<timestamp>.<body>`.
A message comes at least once: keep the ids of a day, and take each once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TOLERANCE_S = 300
SECRET_PREFIX = "whsec_"  # noqa: S105 — what every secret begins with
SIGNATURES_MAX = 20


class WebhookRefused(Exception):
    """Not a message to be believed. Answer it with 400, and do nothing."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message that the ledger sent.

    `webhook_id` is the same at every try; `sent_at` is when this try was made. Pass
    over a `kind` that you do not know, with a 2xx: later versions tell more.
    """

    webhook_id: str
    kind: str
    at: datetime
    sent_at: datetime
    data: Mapping[str, Any]


def verify_webhook(
    secrets: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    at: datetime,
    tolerance_s: int = TOLERANCE_S,
) -> Webhook:
    """Return a message, if one of the secrets signed it within the tolerance of `at`.

    Give `body` as it came, before anything is parsed, and while a secret is rotated
    both, the new and the old one. Raises `WebhookRefused`, and ValueError if a secret
    is none.
    """
    keys = [_key(each) for each in ([secrets] if isinstance(secrets, str) else secrets)]
    said = {name.lower(): value for name, value in headers.items()}
    try:
        webhook_id = said["webhook-id"]
        stamp = said["webhook-timestamp"]
        signatures = said["webhook-signature"].split(" ")
    except KeyError as missing:
        raise WebhookRefused(f"The header {missing} is missing.") from None
    sent_at = _time(stamp)
    if abs((at - sent_at).total_seconds()) > tolerance_s:
        raise WebhookRefused(f"It was signed more than {tolerance_s} seconds away.")
    signed = f"{webhook_id}.{stamp}.".encode() + body
    if not _signed_by(keys, signed, signatures):
        raise WebhookRefused("No secret of yours has signed this.")
    return _read(webhook_id, sent_at, body)


def _signed_by(keys: Sequence[bytes], signed: bytes, signatures: Sequence[str]) -> bool:
    """Compare every signature with every key's, each in constant time."""
    given = [
        each.removeprefix("v1,").encode()
        for each in signatures[:SIGNATURES_MAX]
        if each.startswith("v1,")
    ]
    fits = False
    for key in keys:
        mac = hmac.new(key, signed, hashlib.sha256).digest()
        mine = base64.b64encode(mac)
        for each in given:
            fits |= hmac.compare_digest(mine, each)
    return fits


def _read(webhook_id: str, sent_at: datetime, body: bytes) -> Webhook:
    try:
        said = json.loads(body)
        kind, data = said["type"], said["data"]
        happened = datetime.fromisoformat(said["timestamp"])
    except (ValueError, LookupError, TypeError) as error:
        raise WebhookRefused("It is signed, but it is no message.") from error
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise WebhookRefused("It is signed, but it is no message.")
    return Webhook(webhook_id, kind, happened, sent_at, data)


def _time(stamp: str) -> datetime:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise WebhookRefused("The timestamp is no time in seconds.")
    return datetime.fromtimestamp(int(stamp), UTC)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("a webhook's secret is whsec_ and base64")
    return key
