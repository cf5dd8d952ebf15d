"""The log itself, for auditors: all of it, what it proves, and what it promised."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields
from marshmallow.validate import Range

from api.openapi.fields import Strict, about
from api.openapi.routes import Json, Routes
from api.receipts import Receipts
from ledger.application import Ledger
from ledger.errors import Unknown
from ledger.log.export import export_published
from ledger.log.note import to_base64
from ledger.log.policy import Policy
from ledger.log.proof_store import NotPublished, ProofStore, Published
from ledger.log.tlog_proof import TlogProof

JSON_LINES = "application/jsonl"
PLAIN = "text/plain"
_SIZE = Range(min=1, max=2**62)


class InclusionAsked(Strict):
    position = fields.Integer(required=True, validate=_SIZE)
    size = fields.Integer(
        validate=_SIZE, metadata=about("Of an older checkpoint; else the newest's.")
    )


class ConsistencyAsked(Strict):
    old_size = fields.Integer(required=True, validate=_SIZE)
    size = fields.Integer(
        validate=_SIZE, metadata=about("Of an older checkpoint; else the newest's.")
    )


class InclusionOut(Strict):
    position = fields.Integer()
    index = fields.Integer(metadata=about("The leaf's, from 0."))
    size = fields.Integer()
    root = fields.String()
    leaf_hash = fields.String()
    hashes = fields.List(fields.String())
    checkpoint = fields.String(
        allow_none=True, metadata=about("Null if an older size was asked for.")
    )
    tlog_proof = fields.String(
        allow_none=True, metadata=about("All of it as a C2SP tlog-proof.")
    )


class ConsistencyOut(Strict):
    old_size = fields.Integer()
    size = fields.Integer()
    old_root = fields.String()
    root = fields.String()
    hashes = fields.List(fields.String())


def blueprint(
    ledger: Ledger, proofs: ProofStore, policy: Policy, receipts: Receipts
) -> Blueprint:
    routes = Routes("log", "/v1/log", "What is recorded, and its proof.")

    @routes.text("/export", JSON_LINES)
    def everything() -> Response:
        """Send the events up to the published checkpoint, and that, as JSON lines.

        `ledgerctl log verify` checks them without trusting this server.
        """
        lines = export_published(ledger.recorder, published(proofs, policy))
        return Response(lines, mimetype=JSON_LINES)

    @routes.text("/checkpoint", PLAIN)
    def checkpoint() -> Response:
        """Tell the newest checkpoint that a quorum of witnesses has cosigned."""
        return Response(published(proofs, policy).note, mimetype=PLAIN)

    @routes.get("/proofs/inclusion", gives=InclusionOut, asks=InclusionAsked)
    def inclusion(asked: Json) -> Any:
        """Prove that an event is among the first events of the log (RFC 6962)."""
        newest = published(proofs, policy)
        size = _within(newest, asked.get("size"))
        if asked["position"] > size:
            raise NotPublished
        tree, index = proofs.tree(size), asked["position"] - 1
        hashes = tree.inclusion_proof(index)
        note = newest.note if size == newest.checkpoint.size else None
        proof = TlogProof(index, tuple(hashes), note) if note else None
        return {
            "position": asked["position"],
            "index": index,
            "size": size,
            "root": to_base64(tree.root()),
            "leaf_hash": to_base64(tree.leaf(index)),
            "hashes": [to_base64(each) for each in hashes],
            "checkpoint": note,
            "tlog_proof": proof.text() if proof else None,
        }

    @routes.get("/proofs/consistency", gives=ConsistencyOut, asks=ConsistencyAsked)
    def consistency(asked: Json) -> Any:
        """Prove that the log at one size continues what it was at another."""
        size = _within(published(proofs, policy), asked.get("size"))
        if asked["old_size"] > size:
            raise NotPublished
        tree = proofs.tree(size)
        hashes = tree.consistency_proof(asked["old_size"])
        return {
            "old_size": asked["old_size"],
            "size": size,
            "old_root": to_base64(tree.subtree(0, asked["old_size"])),
            "root": to_base64(tree.root()),
            "hashes": [to_base64(each) for each in hashes],
        }

    @routes.text("/receipts/<int:position>", PLAIN)
    def receipt(position: int) -> Response:
        """Sign once more what the log has promised about one event."""
        note = receipts.at(position)
        if note is None:
            raise Unknown(what="position")
        return Response(note, mimetype=PLAIN)

    return routes.blueprint


def published(proofs: ProofStore, policy: Policy) -> Published:
    """Return the checkpoint that is served. Raises `NotPublished`."""
    found = proofs.published(policy)
    if found is None:
        raise NotPublished
    return found


def _within(newest: Published, asked: int | None) -> int:
    size = newest.checkpoint.size if asked is None else asked
    if size > newest.checkpoint.size:
        raise NotPublished
    return size
