"""A card's state in a JSON file: whole or not at all, for its owner's eyes only."""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from card_bridge.protocol.files import AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.virtual.files import (
    AnyFile,
    DataFile,
    MacFile,
    RecordFile,
    ValueFile,
)
from card_bridge.virtual.state import Application, CardState, Key

FORMAT = "eticket-ledger virtual card, version 1"
_KINDS = {"data": DataFile, "value": ValueFile, "record": RecordFile, "mac": MacFile}


class CardFileDamaged(ValueError):
    code = "card-file-damaged"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not the file of a virtual card.")


def save(state: CardState, path: Path) -> None:
    """Write beside, then rename: a crash leaves the old card or the new one."""
    text = json.dumps({"format": FORMAT, **_encoded(state)}, indent=1)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path) -> CardState:
    """Read a saved card; CardFileDamaged for anything else, OSError if absent."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise CardFileDamaged(path)
        return _decoded(raw)
    except (ValueError, TypeError, KeyError, AttributeError) as damage:
        raise CardFileDamaged(path) from damage


def _encoded(state: CardState) -> dict[str, Any]:
    applications = {
        aid.hex(): {
            "settings": application.settings,
            "keys": [[key.value.hex(), key.version] for key in application.keys],
            "files": {str(n): _file_out(f) for n, f in application.files.items()},
        }
        for aid, application in state.applications.items()
    }
    return {
        "uid": state.uid.hex(),
        "generation": state.generation,
        "blocks_used": state.blocks_used,
        "random_id": state.random_id,
        "signature": state.signature.hex(),
        "applications": applications,
    }


def _decoded(raw: dict[str, Any]) -> CardState:
    applications = {
        bytes.fromhex(aid): Application(
            keys=tuple(Key(bytes.fromhex(key), version) for key, version in at["keys"]),
            settings=at["settings"],
            files={int(n): _file_in(f) for n, f in at["files"].items()},
        )
        for aid, at in raw["applications"].items()
    }
    # Older files are of cards of generation EV3.
    generation = raw.get("generation", 3)
    state = CardState.blank(bytes.fromhex(raw["uid"]), generation=generation)
    held = {**state.applications, **applications}
    return replace(
        state,
        applications=held,
        blocks_used=raw["blocks_used"],
        random_id=raw.get("random_id", False),
        signature=bytes.fromhex(raw.get("signature", "")),
    )


def _file_out(file: AnyFile) -> dict[str, Any]:
    kind = next(name for name, cls in _KINDS.items() if isinstance(file, cls))
    shared = {
        "kind": kind,
        "comm": int(file.comm),
        "rights": file.rights.encode().hex(),
    }
    if isinstance(file, DataFile):
        return {**shared, "content": file.content.hex(), "backup": file.backup}
    if isinstance(file, RecordFile):
        records = [record.hex() for record in file.records]
        sizes = {"record_size": file.record_size, "records_max": file.records_max}
        return {**shared, **sizes, "records": records}
    if isinstance(file, MacFile):
        proof = {"tmc": file.tmc, "tmv": file.tmv.hex()}
        proof["reader_id"] = file.reader_id.hex()
        key = {"key": file.key.hex(), "key_version": file.key_version}
        return {**shared, **key, **proof}
    names = ("lower", "upper", "value", "limited_credit", "limited_left")
    return {**shared, **{name: getattr(file, name) for name in names}}


def _file_in(raw: dict[str, Any]) -> AnyFile:
    values = dict(raw)
    cls = _KINDS[values.pop("kind")]
    values["comm"] = CommMode(values["comm"])
    values["rights"] = AccessRights.decode(bytes.fromhex(values["rights"]))
    for name in ("content", "key", "tmv", "reader_id"):
        if name in values:
            values[name] = bytes.fromhex(values[name])
    if "records" in values:
        values["records"] = tuple(bytes.fromhex(r) for r in values["records"])
    file: AnyFile = cls(**values)
    return file
