"""A payment provider to try things with: it takes no money, and fails as real ones do.

What a card does is in its token, as with the test cards of real providers: words
joined by `-` after `tok`. `declines`, `capture-declines`, `refund-declines`: no, for
good; `loses-authorise`, `loses-capture`, `loses-refund`: it is done, but the first
answer is lost; `away-…`: nobody is there for the first call. `tok-ok` does nothing of
it. Its state is memory alone, or one JSON file that several processes may share.

Callbacks are signed as `t=<seconds>,v1=<HMAC-SHA256 of "t.body">`, as Stripe does it
(docs.stripe.com/webhooks/signature), and are as old as five minutes at most.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.ports import (
    BadCallback,
    Declined,
    NewsKind,
    PaymentNews,
    ProviderUnreachable,
)
from ledger.vocabulary.money import Money

CALLBACK_AGE_S = 300
_TOKEN = re.compile(r"tok(-[a-z]+)+")
_WORDS = re.compile(r"(?:(?:capture|refund)-)?declines|(?:loses|away)-[a-z]+")
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


class SandboxPayments:
    """Keeps payments by their ids; what is done stays done."""

    name = "sandbox"

    def __init__(self, *, secret: bytes, file: Path | None = None) -> None:
        self._secret = secret
        self._file = file
        self._lock = threading.Lock()
        self._payments: dict[str, dict[str, Any]] = {}

    def authorise(self, *, payment_id: UUID, amount: Money, instrument: str) -> str:
        """See `PaymentProvider`."""
        if not _TOKEN.fullmatch(instrument):
            raise Declined("no such card")
        with self._opened():
            known = self._payments.setdefault(
                str(payment_id),
                {
                    "state": "new",
                    "amount_minor": amount.amount_minor,
                    "currency": amount.currency,
                    "instrument": instrument,
                    "refunds": {},
                    "disputes": {},
                    "tried": [],
                },
            )
            self._away(known, "authorise")
            if known["state"] == "cancelled":
                raise Declined("the payment was cancelled")
            if known["state"] == "declined" or "declines" in _words(known):
                known["state"] = "declined"
                self._save()
                raise Declined("the card was declined")
            if known["state"] == "new":
                known["state"] = "authorised"
                self._save()
            self._lose(known, "authorise")
            return _reference(payment_id)

    def capture(self, *, payment_id: UUID, reference: str) -> None:
        """See `PaymentProvider`."""
        with self._opened():
            known = self._known(payment_id)
            self._away(known, "capture")
            if known["state"] == "captured":
                return
            refuses = "capture-declines" in _words(known)
            if refuses or known["state"] != "authorised":
                known["state"] = "declined"
                self._save()
                raise Declined("the authorisation is not good any more")
            known["state"] = "captured"
            self._save()
            self._lose(known, "capture")

    def cancel(self, *, payment_id: UUID) -> None:
        """See `PaymentProvider`."""
        with self._opened():
            known = self._payments.setdefault(str(payment_id), _nothing())
            self._away(known, "cancel")
            if known["state"] == "captured":
                raise Declined("the payment was captured")
            known["state"] = "cancelled"
            self._save()

    def refund(
        self, *, payment_id: UUID, reference: str, refund_id: UUID, amount: Money
    ) -> None:
        """See `PaymentProvider`."""
        with self._opened():
            known = self._known(payment_id)
            self._away(known, "refund")
            if str(refund_id) in known["refunds"]:
                return
            back = sum(known["refunds"].values()) + amount.amount_minor
            if known["state"] != "captured" or back > known["amount_minor"]:
                raise Declined("there is nothing so high to pay back")
            if "refund-declines" in _words(known):
                raise Declined("the card takes nothing back")
            known["refunds"][str(refund_id)] = amount.amount_minor
            self._save()
            self._lose(known, "refund")

    def look_up(self, *, payment_id: UUID) -> Sequence[PaymentNews]:
        """See `PaymentProvider`."""
        with self._opened():
            known = self._payments.get(str(payment_id))
            if known is None or known["state"] == "new":
                return []
            return list(_told(payment_id, known))

    def dispute(self, *, payment_id: UUID, dispute_id: str, status: NewsKind) -> None:
        """Let the cardholder's bank open a dispute, or decide it."""
        with self._opened():
            self._known(payment_id)["disputes"][dispute_id] = str(status)
            self._save()

    def callback(self, news: PaymentNews, *, at: datetime) -> tuple[bytes, str]:
        """Return the body and the signature of a callback that says this."""
        said = {
            "payment_id": str(news.payment_id),
            "kind": str(news.kind),
            "reference": news.reference,
            "about": news.about,
            "reason": news.reason,
            "amount_minor": news.amount_minor,
        }
        body = json.dumps(said, sort_keys=True).encode()
        seconds = int(at.timestamp())
        return body, f"t={seconds},v1={self._signed(seconds, body)}"

    def read_callback(
        self, *, body: bytes, signature: str, at: datetime
    ) -> Sequence[PaymentNews]:
        """See `PaymentProvider`."""
        found = _SIGNATURE.fullmatch(signature)
        if found is None:
            raise BadCallback("the signature is not in its form")
        seconds = int(found[1])
        if not hmac.compare_digest(self._signed(seconds, body), found[2]):
            raise BadCallback("the signature is not the provider's")
        if abs(at.timestamp() - seconds) > CALLBACK_AGE_S:
            raise BadCallback("the callback is too old")
        try:
            said = json.loads(body)
            return [
                PaymentNews(
                    payment_id=UUID(str(said["payment_id"])),
                    kind=NewsKind(said["kind"]),
                    reference=said["reference"],
                    about=said["about"],
                    reason=said["reason"],
                    amount_minor=int(said["amount_minor"]),
                )
            ]
        except (KeyError, TypeError, ValueError):
            raise BadCallback("the callback is not in its form") from None

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Have the state to oneself, as it is now."""
        with self._lock:
            if self._file is None:
                yield
                return
            with self._file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self._file.exists():
                    self._payments = json.loads(self._file.read_text("utf-8"))
                yield

    def _known(self, payment_id: UUID) -> dict[str, Any]:
        known = self._payments.get(str(payment_id))
        if known is None:
            raise Declined("there is no such payment")
        return known

    def _away(self, known: dict[str, Any], call: str) -> None:
        """The first call of a card that is `away` finds nobody."""
        self._once(known, f"away-{call}")

    def _lose(self, known: dict[str, Any], call: str) -> None:
        """The thing was done; the first answer is lost."""
        self._once(known, f"loses-{call}")

    def _once(self, known: dict[str, Any], word: str) -> None:
        if word in _words(known) and word not in known["tried"]:
            known["tried"].append(word)
            self._save()
            raise ProviderUnreachable(word)

    def _signed(self, seconds: int, body: bytes) -> str:
        said = str(seconds).encode() + b"." + body
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()

    def _save(self) -> None:
        if self._file is None:
            return
        beside = self._file.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(self._payments, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)


def _reference(payment_id: UUID) -> str:
    return f"sandbox_{payment_id.hex}"


def _words(known: dict[str, Any]) -> list[str]:
    """Return what the payment's card does, as its token says."""
    return _WORDS.findall(known["instrument"])


def _nothing() -> dict[str, Any]:
    return {
        "state": "new",
        "amount_minor": 0,
        "currency": "",
        "instrument": "",
        "refunds": {},
        "disputes": {},
        "tried": [],
    }


def _told(payment_id: UUID, known: dict[str, Any]) -> Sequence[PaymentNews]:
    reference = _reference(payment_id)
    said = [
        PaymentNews(
            payment_id,
            NewsKind(known["state"]),
            reference,
            reason="the card was declined" if known["state"] == "declined" else "",
        )
    ]
    said += [
        PaymentNews(payment_id, NewsKind.REFUNDED, reference, about=refund_id)
        for refund_id in known["refunds"]
    ]
    said += [
        PaymentNews(
            payment_id,
            NewsKind(status),
            reference,
            about=dispute_id,
            amount_minor=known["amount_minor"],
        )
        for dispute_id, status in known["disputes"].items()
    ]
    return said
