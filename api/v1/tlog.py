"""The log as static files, for tools that are not ours (C2SP tlog-tiles).

What is served is the tree of the newest published checkpoint, and never more. Tiles
and bundles do not change, so that anybody in between may keep them.
"""

from __future__ import annotations

import re

from flask import Response
from flask_smorest import Blueprint

from api.openapi.routes import Routes
from api.v1.log import PLAIN, published
from ledger.errors import Unknown
from ledger.log.policy import Policy
from ledger.log.proof_store import ProofStore
from ledger.log.tiles import WIDTH, NoSuchTile, Tile, entry_bundle, pack

BYTES = "application/octet-stream"
FOR_EVER = "public, max-age=31536000, immutable"
FOR_EVER_BUT_MINE = "private, max-age=31536000, immutable"
A_MOMENT = "public, max-age=1"

_LEVEL = re.compile(r"0|[1-9][0-9]?")


def blueprint(proofs: ProofStore, policy: Policy) -> Blueprint:
    routes = Routes("tlog", "/log", "The log's tree, in tiles.")

    @routes.text("/checkpoint", PLAIN)
    def newest() -> Response:
        """Tell the newest checkpoint that a quorum of witnesses has cosigned."""
        note = published(proofs, policy).note
        return _kept(Response(note, mimetype=PLAIN), A_MOMENT)

    @routes.text("/tile/<level>/<path:tile>", BYTES)
    def hashes(level: str, tile: str) -> Response:
        """Send up to 256 hashes of one level of the tree."""
        if not _LEVEL.fullmatch(level):
            raise Unknown(what="tile")
        found = _tile(proofs, policy, int(level), tile)
        return _kept(Response(pack(proofs.hashes(found)), mimetype=BYTES), FOR_EVER)

    @routes.text("/tile/entries/<path:bundle>", BYTES)
    def entries(bundle: str) -> Response:
        """Send up to 256 leaves, each after its length in two bytes."""
        found = _tile(proofs, policy, 0, bundle)
        leaves = entry_bundle(proofs.entries(found))
        return _kept(Response(leaves, mimetype=BYTES), FOR_EVER_BUT_MINE)

    return routes.blueprint


def _tile(proofs: ProofStore, policy: Policy, level: int, path: str) -> Tile:
    """Read an address; the tile is in the published tree, or there is none."""
    try:
        tile = Tile.parse(level, path)
    except NoSuchTile:
        raise Unknown(what="tile") from None
    covered = (tile.index * WIDTH + tile.width) * WIDTH**level
    if covered > published(proofs, policy).checkpoint.size:
        raise Unknown(what="tile")
    return tile


def _kept(answer: Response, how_long: str) -> Response:
    answer.headers["Cache-Control"] = how_long
    return answer
