"""The ledger over HTTP, by its client library: bounded waits, typed answers.

What a card, a journal or a machine's own state makes the same however often it is said
is said again as it is. What would be done twice carries an Idempotency-Key: it is done
once, however often it has to be asked for. A card's authentication is asked for once:
the card waits for one answer, and no answer with its keys is kept anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from card_bridge.gateway import (
    DispenseLease,
    LedgerRefusal,
    LedgerUnreachable,
    MediumWrite,
    Outcome,
    PrintOrder,
    RedemptionLease,
    SlotChange,
    SlotNow,
    Tapped,
)
from card_bridge.profile.card import CardReading
from card_bridge.protocol.ev2_auth import SessionKeys
from ledger.vocabulary.codes import Question, Verdict
from ledger_client import Client, Problem, Retries, Token, Unreachable

TIMEOUT_S = 10.0
TRIES_MAX = 3
RETRIES = Retries(tries_max=TRIES_MAX, span_max_s=2.0, wait_max_s=5.0)
"""Somebody stands before the machine, and waits with it."""

CARRIED_OUT = "carried_out"
SERVER_ERROR = 500

Json = dict[str, Any]
_T = TypeVar("_T")


class HttpGateway:
    """Implements `LedgerGateway` (and what a person's terminal asks beside it)."""

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = RETRIES,
    ) -> None:
        """Raises `AddressRefused` unless `base_url` is https, or http on loopback."""
        self._ledger = Client(base_url, token, timeout_s=timeout_s, retries=retries)

    def device_keys(self, device_id: UUID) -> bytes:
        """Return the device's key bundle, sealed for its public key."""
        answer = self._ask("POST", f"/v1/devices/{device_id}/keys", again=True)
        return understood(answer, _sealed)

    def personalisation(self, uid: bytes, *, holder_id: UUID, profile: str) -> bytes:
        """Return one card's own keys, sealed for the personalising device."""
        body = {"holder_id": str(holder_id), "profile": profile}
        path = f"/v1/media/{uid.hex()}/personalisation"
        return understood(self._ask("POST", path, body, again=True), _sealed)

    def register_medium(
        self, uid: bytes, *, holder_id: UUID, profile: str, key_version: int
    ) -> None:
        body = {
            "holder_id": str(holder_id),
            "profile": profile,
            "key_version": key_version,
        }
        self._ask("PUT", f"/v1/media/{uid.hex()}", body, again=True)

    def tap(self, reading: CardReading, *, terminal_id: UUID | None) -> Tapped:
        body: Json = dict(reading.as_json())
        if terminal_id is not None:
            body["terminal_id"] = str(terminal_id)
        return understood(self._ask("POST", "/v1/taps", body, again=True), _tapped)

    def begin_authentication(
        self, uid: bytes, *, key_no: int, challenge: bytes, terminal_id: UUID
    ) -> tuple[bytes, bytes]:
        body = {
            "key_no": key_no,
            "challenge": challenge.hex(),
            "terminal_id": str(terminal_id),
        }
        answer = self._ask("POST", f"/v1/media/{uid.hex()}/authentications", body)
        return understood(
            answer,
            lambda said: (
                bytes.fromhex(said["answer"]),
                base64.b64decode(said["continuation"]),
            ),
        )

    def finish_authentication(
        self, uid: bytes, *, continuation: bytes, response: bytes, terminal_id: UUID
    ) -> SessionKeys:
        body = {
            "continuation": base64.b64encode(continuation).decode(),
            "response": response.hex(),
            "terminal_id": str(terminal_id),
        }
        path = f"/v1/media/{uid.hex()}/authentications/answer"
        return understood(self._ask("POST", path, body), _session_keys)

    def prepare_write(
        self,
        reading: CardReading,
        *,
        terminal_id: UUID,
        load: Sequence[UUID],
        unload: Sequence[UUID],
    ) -> MediumWrite | None:
        body = {
            "reading": reading.as_json(),
            "terminal_id": str(terminal_id),
            "load": [str(ticket_id) for ticket_id in load],
            "unload": [str(ticket_id) for ticket_id in unload],
        }
        answer = self.call("POST", f"/v1/media/{reading.uid.hex()}/writes", body)
        return understood(
            answer, lambda said: _write(said) if said["write_id"] else None
        )

    def settle_write(self, uid: bytes, write_id: UUID, outcome: Outcome) -> None:
        path = f"/v1/media/{uid.hex()}/writes/{write_id}"
        self._ask("PUT", path, outcome.as_json(), again=True)

    def start_dispense(
        self,
        ticket_id: UUID,
        reading: CardReading,
        *,
        slot: int,
        epoch: int,
        answered: bool,
    ) -> DispenseLease:
        body = {
            "reading": reading.as_json(),
            "slot": slot,
            "epoch": epoch,
            "answered": answered,
        }
        answer = self.call("POST", f"/v1/tickets/{ticket_id}/dispenses", body)
        return understood(
            answer,
            lambda said: DispenseLease(
                UUID(said["job_id"]),
                datetime.fromisoformat(said["lease_until"]),
                _write(said["write"]),
            ),
        )

    def mark_dispense(
        self,
        ticket_id: UUID,
        job_id: UUID,
        *,
        uid: bytes,
        write_id: UUID,
        outcome: Outcome,
        serial: str,
    ) -> PrintOrder:
        body = outcome.as_json() | {
            "serial": serial,
            "uid": uid.hex(),
            "write_id": str(write_id),
        }
        path = f"/v1/tickets/{ticket_id}/dispenses/{job_id}/mark"
        answer = self._ask("PUT", path, body, again=True)
        return understood(answer, lambda said: _print_order(said["print"]))

    def printed(
        self, ticket_id: UUID, job_id: UUID, *, serial: str, device_time: datetime
    ) -> None:
        body = {"serial": serial, "device_time": device_time.isoformat()}
        path = f"/v1/tickets/{ticket_id}/dispenses/{job_id}/printed"
        self._ask("PUT", path, body, again=True)

    def abort_dispense(self, ticket_id: UUID, job_id: UUID, *, reason: str) -> None:
        path = f"/v1/tickets/{ticket_id}/dispenses/{job_id}/aborted"
        self._ask("PUT", path, {"reason": reason}, again=True)

    def start_redemption(
        self,
        ticket_id: UUID,
        reading: CardReading,
        *,
        slot: int,
        epoch: int,
        receipt: str,
        amount_minor: int,
        currency: str,
    ) -> RedemptionLease:
        body = {
            "reading": reading.as_json(),
            "slot": slot,
            "epoch": epoch,
            "receipt": receipt,
            "purchase": {"amount_minor": amount_minor, "currency": currency},
        }
        answer = self.call("POST", f"/v1/tickets/{ticket_id}/redemptions", body)
        return understood(
            answer,
            lambda said: RedemptionLease(
                UUID(said["session_id"]),
                datetime.fromisoformat(said["lease_until"]),
                _write(said["write"]),
            ),
        )

    def redeem(
        self,
        ticket_id: UUID,
        session_id: UUID,
        *,
        uid: bytes,
        write_id: UUID,
        outcome: Outcome,
    ) -> int:
        body = outcome.as_json() | {"uid": uid.hex(), "write_id": str(write_id)}
        path = f"/v1/tickets/{ticket_id}/redemptions/{session_id}"
        answer = self._ask("PUT", path, body, again=True)
        return understood(answer, lambda said: int(said["uses_left"]))

    def start_top_up(self, uid: bytes, *, amount_minor: int) -> UUID:
        """Have money of the holder kept for the card; return the top-up's id."""
        body = {"amount_minor": amount_minor}
        answer = self.call("POST", f"/v1/media/{uid.hex()}/purse/top-ups", body)
        return understood(answer, lambda said: UUID(said["top_up_id"]))

    def settle_top_up(self, uid: bytes, top_up_id: UUID, outcome: Outcome) -> None:
        path = f"/v1/media/{uid.hex()}/purse/top-ups/{top_up_id}"
        self._ask("PUT", path, outcome.as_json(), again=True)

    def report_debit(
        self, uid: bytes, payment_id: UUID, outcome: Outcome, *, receipt: str
    ) -> None:
        path = f"/v1/media/{uid.hex()}/purse/debits/{payment_id}"
        body = outcome.as_json() | {"receipt": receipt}
        self._ask("PUT", path, body, again=True)

    def tickets(self) -> list[Json]:
        """Return the caller's own tickets."""
        answer = self.call("GET", "/v1/tickets")
        return understood(answer, lambda said: list(said["tickets"]))

    def transmission(self, ticket_id: UUID, *, terminal_id: UUID) -> Json:
        """Return a ticket sealed for the terminal, as base64, with its epoch."""
        body = {"terminal_id": str(terminal_id)}
        path = f"/v1/tickets/{ticket_id}/transmissions"
        return self._ask("POST", path, body, again=True)

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Read, or have something done once, however often it has to be asked for."""
        with in_our_words():
            if method == "GET":
                return self._ledger.get(path).said
            return self._ledger.command(method, path, body).said

    def _ask(
        self, method: str, path: str, body: Json | None = None, *, again: bool = False
    ) -> Json:
        """Ask without a key: once, or again where asking twice does no harm."""
        with in_our_words():
            return self._ledger.ask(method, path, body, again=again).said


@contextmanager
def in_our_words() -> Iterator[None]:
    """Say of a server's own failure that nobody knows, and of a refusal what it is."""
    try:
        yield
    except Unreachable:
        raise LedgerUnreachable from None
    except Problem as problem:
        # Carried out, but its answer is gone: what was asked for has happened.
        if problem.status >= SERVER_ERROR or problem.code == CARRIED_OUT:
            raise LedgerUnreachable from None
        raise LedgerRefusal(
            problem.code,
            problem.detail,
            status=problem.status,
            because=problem.because,
        ) from None


def understood(answer: Json, read: Callable[[Json], _T]) -> _T:
    """Read an answer; one that lacks something, or is not in this form, is none."""
    try:
        return read(answer)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise LedgerUnreachable from None


def _sealed(answer: Json) -> bytes:
    return base64.b64decode(answer["sealed"])


def _session_keys(answer: Json) -> SessionKeys:
    return SessionKeys(
        ti=bytes.fromhex(answer["ti"]),
        enc=bytes.fromhex(answer["enc"]),
        mac=bytes.fromhex(answer["mac"]),
    )


def _tapped(answer: Json) -> Tapped:
    return Tapped(
        verdict=Verdict(answer["verdict"]),
        code=answer["code"],
        says=answer["says"],
        slots=tuple(_slot(slot) for slot in answer["slots"]),
    )


def _print_order(order: Json) -> PrintOrder:
    return PrintOrder(
        serial=order["serial"],
        code=order["code"],
        title=order["title"],
        right=order["right"],
        not_before=datetime.fromisoformat(order["not_before"]),
        not_after=datetime.fromisoformat(order["not_after"]),
        ticket_id=UUID(order["ticket_id"]),
        origin=order["origin"],
    )


def _write(answer: Json) -> MediumWrite:
    public, origin = answer.get("record_public_key"), answer.get("origin")
    return MediumWrite(
        write_id=UUID(answer["write_id"]),
        uid=bytes.fromhex(answer["uid"]),
        seq=answer["seq"],
        stamp=bytes.fromhex(answer["stamp"]),
        changes=tuple(_change(change) for change in answer["changes"]),
        record_public_key=bytes.fromhex(public) if public else None,
        origin=origin,
    )


def _change(change: Json) -> SlotChange:
    sealed, ticket_id = change["transmission"], change["ticket_id"]
    return SlotChange(
        slot=change["slot"],
        entry=bytes.fromhex(change["entry"]),
        ticket_id=UUID(ticket_id) if ticket_id else None,
        epoch=change["epoch"],
        transmission=base64.b64decode(sealed) if sealed else None,
    )


def _slot(slot: Json) -> SlotNow:
    return SlotNow(
        slot=slot["slot"],
        verdict=Verdict(slot["verdict"]),
        code=slot["code"],
        says=slot["says"],
        ticket_id=UUID(slot["ticket_id"]),
        right=slot["right"],
        title=slot["title"],
        kind=slot["kind"],
        question=Question(slot["question"]) if slot["question"] else None,
    )
