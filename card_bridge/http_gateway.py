"""The ledger over HTTP: one keep-alive connection, bounded waits, typed answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
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
        return base64.b64decode(answer["sealed"])

    def personalisation(self, uid: bytes, *, holder_id: UUID, profile: str) -> bytes:
        """Return one card's own keys, sealed for the personalising device."""
        body = {"holder_id": str(holder_id), "profile": profile}
        path = f"/v1/media/{uid.hex()}/personalisation"
        return base64.b64decode(self.call("POST", path, body, again=True)["sealed"])

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
        answer = self.call("POST", "/v1/taps", body, again=True)
        return Tapped(
            verdict=Verdict(answer["verdict"]),
            code=answer["code"],
            says=answer["says"],
            slots=tuple(_slot(slot) for slot in answer["slots"]),
        )

    def begin_authentication(
        self, uid: bytes, *, key_no: int, challenge: bytes, terminal_id: UUID
    ) -> tuple[bytes, bytes]:
        body = {
            "key_no": key_no,
            "challenge": challenge.hex(),
            "terminal_id": str(terminal_id),
        }
        answer = self.call("POST", f"/v1/media/{uid.hex()}/authentications", body)
        return bytes.fromhex(answer["answer"]), base64.b64decode(answer["continuation"])

    def finish_authentication(
        self, uid: bytes, *, continuation: bytes, response: bytes, terminal_id: UUID
    ) -> SessionKeys:
        body = {
            "continuation": base64.b64encode(continuation).decode(),
            "response": response.hex(),
            "terminal_id": str(terminal_id),
        }
        path = f"/v1/media/{uid.hex()}/authentications/answer"
        answer = self.call("POST", path, body)
        return SessionKeys(
            ti=bytes.fromhex(answer["ti"]),
            enc=bytes.fromhex(answer["enc"]),
            mac=bytes.fromhex(answer["mac"]),
        )

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
        return _write(answer) if answer.get("write_id") else None

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
        return DispenseLease(
            UUID(answer["job_id"]),
            datetime.fromisoformat(answer["lease_until"]),
            _write(answer["write"]),
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
        order = self.call("PUT", path, body, again=True)["print"]
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
        return RedemptionLease(
            UUID(answer["session_id"]),
            datetime.fromisoformat(answer["lease_until"]),
            _write(answer["write"]),
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
        return int(self.call("PUT", path, body, again=True)["uses_left"])

    def tickets(self) -> list[Json]:
        """Return the caller's own tickets."""
        tickets: list[Json] = self.call("GET", "/v1/tickets", again=True)["tickets"]
        return tickets

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
            )
            said = json.loads(answer.data[:ANSWER_MAX]) if answer.data else {}
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
                said.get("detail", "The ledger refused without a reason."),
                status=answer.status,
                because=said.get("because", ()),
            )
        return said


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
