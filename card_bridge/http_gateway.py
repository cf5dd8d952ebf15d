"""The ledger over HTTP: one keep-alive connection, bounded waits, typed answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import urllib3

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

TIMEOUT_S = 10.0
ANSWER_MAX = 1 << 20
TRIES_MAX = 3

Json = dict[str, Any]
_T = TypeVar("_T")


class HttpGateway:
    """Implements `LedgerGateway` (and what a person's terminal asks beside it)."""

    def __init__(
        self, base_url: str, token: str, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(timeout_s), maxsize=1
        )

    def device_keys(self, device_id: UUID) -> bytes:
        """Return the device's key bundle, sealed for its public key."""
        answer = self.call("POST", f"/v1/devices/{device_id}/keys", again=True)
        return understood(answer, _sealed)

    def personalisation(self, uid: bytes, *, holder_id: UUID, profile: str) -> bytes:
        """Return one card's own keys, sealed for the personalising device."""
        body = {"holder_id": str(holder_id), "profile": profile}
        path = f"/v1/media/{uid.hex()}/personalisation"
        return understood(self.call("POST", path, body, again=True), _sealed)

    def register_medium(
        self, uid: bytes, *, holder_id: UUID, profile: str, key_version: int
    ) -> None:
        body = {
            "holder_id": str(holder_id),
            "profile": profile,
            "key_version": key_version,
        }
        self.call("PUT", f"/v1/media/{uid.hex()}", body, again=True)

    def tap(self, reading: CardReading, *, terminal_id: UUID | None) -> Tapped:
        body: Json = dict(reading.as_json())
        if terminal_id is not None:
            body["terminal_id"] = str(terminal_id)
        return understood(self.call("POST", "/v1/taps", body, again=True), _tapped)

    def begin_authentication(
        self, uid: bytes, *, key_no: int, challenge: bytes, terminal_id: UUID
    ) -> tuple[bytes, bytes]:
        body = {
            "key_no": key_no,
            "challenge": challenge.hex(),
            "terminal_id": str(terminal_id),
        }
        answer = self.call("POST", f"/v1/media/{uid.hex()}/authentications", body)
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
        return understood(self.call("POST", path, body), _session_keys)

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
        self.call("PUT", path, outcome.as_json(), again=True)

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
        answer = self.call("PUT", path, body, again=True)
        return understood(answer, lambda said: _print_order(said["print"]))

    def printed(
        self, ticket_id: UUID, job_id: UUID, *, serial: str, device_time: datetime
    ) -> None:
        body = {"serial": serial, "device_time": device_time.isoformat()}
        path = f"/v1/tickets/{ticket_id}/dispenses/{job_id}/printed"
        self.call("PUT", path, body, again=True)

    def abort_dispense(self, ticket_id: UUID, job_id: UUID, *, reason: str) -> None:
        path = f"/v1/tickets/{ticket_id}/dispenses/{job_id}/aborted"
        self.call("PUT", path, {"reason": reason}, again=True)

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
        answer = self.call("PUT", path, body, again=True)
        return understood(answer, lambda said: int(said["uses_left"]))

    def tickets(self) -> list[Json]:
        """Return the caller's own tickets."""
        answer = self.call("GET", "/v1/tickets", again=True)
        return understood(answer, lambda said: list(said["tickets"]))

    def transmission(self, ticket_id: UUID, *, terminal_id: UUID) -> Json:
        """Return a ticket sealed for the terminal, as base64, with its epoch."""
        body = {"terminal_id": str(terminal_id)}
        path = f"/v1/tickets/{ticket_id}/transmissions"
        return self.call("POST", path, body, again=True)

    def call(
        self, method: str, path: str, body: Json | None = None, *, again: bool = False
    ) -> Json:
        """Ask once, or, where asking twice does no harm, up to three times."""
        for _ in range(TRIES_MAX - 1 if again else 0):
            try:
                return self._once(method, path, body)
            except LedgerUnreachable:
                continue
        return self._once(method, path, body)

    def _once(self, method: str, path: str, body: Json | None) -> Json:
        headers = {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = self._pool.request(
                method,
                self._base_url + path,
                body=json.dumps(body) if body is not None else None,
                headers=headers,
                preload_content=False,
            )
            said = _decoded(answer)
        except (urllib3.exceptions.HTTPError, ValueError):
            raise LedgerUnreachable from None
        # What is neither done nor refused, or not ours in form, says nothing of either.
        if not 200 <= answer.status < 500 or not isinstance(said, dict):
            raise LedgerUnreachable
        if answer.status >= 300 and "code" not in said:
            raise LedgerUnreachable
        if answer.status >= 300:
            raise LedgerRefusal(
                str(said["code"]),
                str(said.get("detail", "The ledger refused without a reason.")),
                status=answer.status,
                because=understood(
                    said, lambda it: [str(name) for name in it.get("because", ())]
                ),
            )
        return said


def _decoded(answer: urllib3.BaseHTTPResponse) -> Any:
    """Read a body of bounded length. Raises ValueError."""
    raw = answer.read(ANSWER_MAX + 1)
    if len(raw) > ANSWER_MAX:
        answer.close()
        raise ValueError("the answer is too long")
    answer.drain_conn()
    answer.release_conn()
    return json.loads(raw) if raw else {}


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
