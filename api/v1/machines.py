"""Machines as they are: which there are, whose, and what each may do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party, principal
from api.openapi.fields import Choice, Flag, Hex, Id, Strict, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.devices import KINDS
from api.v1.tickets import MomentAsked
from ledger.aggregates.device import Device, DeviceKind, Rights
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.projections.devices import DevicesView
from ledger.usecases import audit, parties
from ledger.vocabulary.codes import Role

PREFIX_PATTERN = "^[A-Z0-9][A-Z0-9-]{0,15}\\Z"
DELEGATED_MAX = 200
_PREFIX = validate.Regexp(
    PREFIX_PATTERN,
    error="A serial prefix has 1 to 16 capital letters, digits and hyphens.",
)
_NO_LIMIT = "null: any."


class RightsIn(Strict):
    """What a machine may do, in place of what was said before."""

    issuers = fields.List(
        Id(),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=DELEGATED_MAX),
        metadata=about(f"Whose tickets. {_NO_LIMIT}"),
    )
    offerings = fields.List(
        Id(),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=DELEGATED_MAX),
        metadata=about(f"Tickets of which offerings. {_NO_LIMIT}"),
    )
    offline = Flag(
        load_default=False, metadata=about("Whether it may work without the line.")
    )
    serial_prefix = fields.String(
        load_default=None,
        allow_none=True,
        validate=_PREFIX,
        metadata=about("What its papers' serials begin with.", "FOYER-"),
    )


class RightsOut(Strict):
    issuers = fields.List(
        fields.UUID(), allow_none=True, metadata=about(f"Whose tickets. {_NO_LIMIT}")
    )
    offerings = fields.List(
        fields.UUID(), allow_none=True, metadata=about(f"Which. {_NO_LIMIT}")
    )
    offline = Flag(metadata=about("Whether it may work without the line."))
    serial_prefix = fields.String(allow_none=True, metadata=about("", "FOYER-"))


class MachineOut(Strict):
    """A machine, and what was delegated to it."""

    device_id = fields.UUID()
    kind = Choice(*KINDS)
    keeper_id = fields.UUID(metadata=about("The party that answers for it."))
    label = fields.String(metadata=about("", "Foyer, left"))
    public_key = Hex(size=32, metadata=about("X25519 (RFC 7748)."))
    enrolled_at = Time()
    revoked = Flag(metadata=about("Revoked for ever; nothing brings it back."))
    rights = fields.Nested(RightsOut)
    version = fields.Integer()


class MachineListedOut(Strict):
    device_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was enrolled."))
    kind = Choice(*KINDS)
    keeper_id = fields.UUID()
    label = fields.String(metadata=about("", "Foyer, left"))
    offline = Flag()
    enrolled_at = Time()
    revoked_at = Time(allow_none=True, metadata=about("null: it is trusted."))


class MachinesOut(Paged):
    devices = fields.List(fields.Nested(MachineListedOut))


class MachinesAsked(PageAsked):
    kind = Choice(*KINDS, load_default=None, metadata=about("All kinds, unless said."))


def blueprint(
    ledger: Ledger, view: DevicesView, waiting: Waiting, clock: Clock
) -> Blueprint:
    routes = Routes("machines", "/v1", "Machines and their rights.", waiting=waiting)

    def listed(asked: Json, kind: str | None) -> Any:
        sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
        keeper_id = None if sees_all else party()
        return page(asked, "devices", view.listed, kind=kind, keeper_id=keeper_id)

    @routes.get("/devices", gives=MachinesOut, asks=MachinesAsked, view="devices")
    def list_devices(asked: Json) -> Any:
        """List machines, newest first: my own; operators and auditors, all."""
        return listed(asked, asked["kind"])

    @routes.get("/terminals", gives=MachinesOut, asks=PageAsked, view="devices")
    def list_terminals(asked: Json) -> Any:
        """List user terminals, newest first: my own; operators and auditors, all."""
        return listed(asked, "terminal")

    @routes.get("/dispensers", gives=MachinesOut, asks=PageAsked, view="devices")
    def list_dispensers(asked: Json) -> Any:
        """List dispensers, newest first: my own; operators and auditors, all."""
        return listed(asked, "dispenser")

    @routes.get("/points-of-sale", gives=MachinesOut, asks=PageAsked, view="devices")
    def list_points_of_sale(asked: Json) -> Any:
        """List points of sale, newest first: my own; operators and auditors, all."""
        return listed(asked, "point_of_sale")

    @routes.get(
        "/devices/<uuid:device_id>",
        gives=MachineOut,
        asks=MomentAsked,
        versioned=True,
    )
    def look_at(asked: Json, device_id: UUID) -> Any:
        """Tell a machine to itself, to its keeper, to operators and auditors."""
        device, when = seen(ledger, device_id), audit.when_of(asked["as_of"])
        if when is not None:
            device, _ = audit.stream_at(ledger, Device, device_id, when=when)
        return _told(device)

    @routes.put(
        "/devices/<uuid:device_id>/rights",
        takes=RightsIn,
        gives=MachineOut,
        matches="device_id",
    )
    def delegate(body: Json, device_id: UUID) -> Answer:
        """Say what a machine may do: its keeper narrows that, operators give more."""
        seen(ledger, device_id)
        position = attempt(
            lambda: parties.delegate(
                ledger,
                device_id=device_id,
                rights=_rights(body),
                by=party(),
                as_operator=has(Role.OPERATOR),
                at=clock.now(),
                cause=cause(),
            )
        )
        return _told(ledger.device(device_id)), recorded(position)

    return routes.blueprint


def seen(ledger: Ledger, device_id: UUID, *kinds: DeviceKind) -> Device:
    """Return a machine that the caller may see, of one of these kinds if any is named.

    Another's machine answers like one that is not there.
    """
    device, who = ledger.device(device_id), principal()
    itself = who.device_id == device_id
    mine = who.party_id is not None and who.party_id == device.keeper_id
    if not (itself or mine or has(Role.OPERATOR) or has(Role.AUDITOR)):
        raise Unknown(what="device")
    if kinds and device.kind not in kinds:
        raise Unknown(what="device")
    return device


def _rights(body: Json) -> Rights:
    issuers, offerings = body["issuers"], body["offerings"]
    return Rights(
        issuers=None if issuers is None else tuple(issuers),
        offerings=None if offerings is None else tuple(offerings),
        offline=body["offline"],
        serial_prefix=body["serial_prefix"],
    )


def _told(device: Device) -> dict[str, Any]:
    return {
        "device_id": device.id,
        "kind": device.kind,
        "keeper_id": device.keeper_id,
        "label": device.label,
        "public_key": device.public_key,
        "enrolled_at": device.created_on,
        "revoked": bool(device.revoked_version),
        "rights": device.rights,
        "version": device.version,
    }
