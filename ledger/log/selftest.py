"""Holds this implementation against published figures, and says where it differs.

Takes a file of the shape of `tests/vectors/tlog_vectors.json`: under each kind its
cases. A kind that is not known here is a failure, not a silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ledger.log import merkle
from ledger.log.checkpoint import Checkpoint
from ledger.log.cosignature import CosignatureVerifier, parse_verifier
from ledger.log.merkle import BadProof, check_consistency, check_inclusion, subtrees_of
from ledger.log.note import BadNote, Note, NoteVerifier, Verifier, from_base64
from ledger.log.tiles import Tile, tile_counts, tile_path
from ledger.log.tlog_proof import TlogProof

NOT_CASES = frozenset({"about", "sources"})


class Differs(Exception):
    """We say something else than the figures; the message says what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case; `problem` is None if it passed."""

    case: str
    problem: str | None


_Check = Callable[[], None]


def run(vectors: Mapping[str, Any]) -> Iterator[Outcome]:
    """Try every case of every kind."""
    for kind, cases in vectors.items():
        if kind in NOT_CASES:
            continue
        tried = _CASES.get(kind, _unknown)(cases)
        try:
            for case, check in tried:
                yield Outcome(f"{kind}/{case}", _problem(check))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            yield Outcome(f"{kind}/?", f"a case is of another shape: {error!r}")


def _problem(check: _Check) -> str | None:
    try:
        check()
    except Differs as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - A crash is a wrong answer, too.
        return f"{type(error).__name__}: {error}"
    return None


def _unknown(_: Any) -> Iterator[tuple[str, _Check]]:
    def check() -> None:
        raise Differs("this kind of case is not known")

    yield "*", check


def _rfc6962(said: Mapping[str, Any]) -> Iterator[tuple[str, _Check]]:
    inputs = [bytes.fromhex(each) for each in said["leaf_inputs"]]
    leaves = [merkle.leaf_hash(each) for each in inputs]
    for size, root in enumerate(said["root_by_size"]):
        yield f"root/{size}", _same(partial(_root, leaves[:size]), root)
    for level, nodes in enumerate(said["node_hashes_by_level"]):
        for index, node in enumerate(nodes):
            first, last = index << level, (index + 1) << level
            yield (
                f"node/{level}/{index}",
                _same(partial(_root, leaves[first:last]), node),
            )
    for size in range(1, len(leaves) + 1):
        yield f"proofs/{size}", partial(_our_proofs, leaves[:size])


def _root(leaves: list[bytes]) -> str:
    return merkle.root(leaves).hex()


def _our_proofs(leaves: list[bytes]) -> None:
    """Prove each leaf and each shorter tree by what we make ourselves."""
    size, root, subtrees = len(leaves), merkle.root(leaves), subtrees_of(leaves)
    for index in range(size):
        check_inclusion(
            index=index,
            size=size,
            leaf_hash=leaves[index],
            proof=merkle.inclusion_proof(index, size, subtrees),
            root=root,
        )
        check_consistency(
            old_size=index + 1,
            size=size,
            old_root=merkle.root(leaves[: index + 1]),
            root=root,
            proof=merkle.consistency_proof(index + 1, size, subtrees),
        )


def _inclusion(probes: list[dict[str, Any]]) -> Iterator[tuple[str, _Check]]:
    for number, probe in enumerate(probes):

        def check(probe: dict[str, Any] = probe) -> None:
            check_inclusion(
                index=probe["leafIdx"],
                size=probe["treeSize"],
                leaf_hash=_hash(probe["leafHash"]),
                proof=_hashes(probe["proof"]),
                root=_hash(probe["root"]),
            )

        expected = not probe["wantErr"]
        yield _name(probe, number), _judged(check, BadProof, expected=expected)


def _consistency(probes: list[dict[str, Any]]) -> Iterator[tuple[str, _Check]]:
    for number, probe in enumerate(probes):

        def check(probe: dict[str, Any] = probe) -> None:
            check_consistency(
                old_size=probe["size1"],
                size=probe["size2"],
                old_root=_hash(probe["root1"]),
                root=_hash(probe["root2"]),
                proof=_hashes(probe["proof"]),
            )

        expected = not probe["wantErr"]
        yield _name(probe, number), _judged(check, BadProof, expected=expected)


def _notes(cases: list[dict[str, Any]]) -> Iterator[tuple[str, _Check]]:
    for number, case in enumerate(cases):
        expected = case.get("ok", True)
        check = _judged(partial(_open, case), BadNote, expected=expected)
        yield _name(case, number), check


def _open(case: Mapping[str, Any]) -> Note:
    """Open the signed note of a case, and see that those signed who are said to."""
    note = Note.parse(case.get("note") or case["checkpoint"])
    signed = note.signed_by(_verifiers(case))
    if not signed:
        raise BadNote("no trusted key has signed this")
    if "signers" in case:
        _require(sorted(each.name for each in signed), sorted(case["signers"]))
    if "text" in case:
        _require(note.text, case["text"])
    return note


def _verifiers(case: Mapping[str, Any]) -> list[NoteVerifier]:
    """Return the keys to be trusted in a case: of logs, of witnesses, or of both.

    A witness's key may be written as a plain Ed25519 key: it cosigns all the same.
    """
    found: list[NoteVerifier] = []
    for name, said in case.items():
        if "vkey" in name:
            for vkey in [said] if isinstance(said, str) else said:
                verifier = parse_verifier(vkey)
                found.append(verifier)
                if isinstance(verifier, Verifier):
                    found.append(CosignatureVerifier(verifier.name, verifier.public))
    return found


def _checkpoints(cases: list[dict[str, Any]]) -> Iterator[tuple[str, _Check]]:
    for number, case in enumerate(cases):

        def check(case: dict[str, Any] = case) -> None:
            found = Checkpoint.parse(_open(case).text)
            for name in ("origin", "size"):
                if name in case:
                    _require(getattr(found, name), case[name])
            for name in ("root", "root_hash", "hash"):
                if name in case:
                    _require(found.root, _hash(case[name]))

        expected = case.get("ok", True)
        yield _name(case, number), _judged(check, BadNote, expected=expected)


def _bad_vkeys(vkeys: list[str]) -> Iterator[tuple[str, _Check]]:
    for number, vkey in enumerate(vkeys):
        check = _judged(partial(parse_verifier, vkey), BadNote, expected=False)
        yield str(number), check


def _tiles(said: Mapping[str, Any]) -> Iterator[tuple[str, _Check]]:
    for kind, facts in said.items():
        if kind == "index_path":
            for index, path in facts.items():
                number = int(index)
                yield f"{kind}/{index}", _same(partial(tile_path, number), path)
                back = Tile(0, number)
                yield f"{kind}/{path}", _same(partial(Tile.parse, 0, path), back)
        elif kind.startswith("size_"):
            size = int(kind.removeprefix("size_"))
            counts = {int(level): tuple(each) for level, each in facts.items()}
            yield kind, _same(partial(tile_counts, size), counts)
        else:
            yield from _unknown(facts)


def _tlog_proofs(cases: list[dict[str, Any]]) -> Iterator[tuple[str, _Check]]:
    for number, case in enumerate(cases):
        proof = TlogProof(
            case["index"],
            tuple(_hashes(case["hashes"])),
            case["checkpoint"],
            from_base64(case["extra"]) if case.get("extra") else None,
        )
        yield f"{number}/write", _same(proof.text, case["text"])
        read = _same(partial(TlogProof.parse, case["text"]), proof)
        yield f"{number}/read", read


_CASES: Mapping[str, Callable[[Any], Iterator[tuple[str, _Check]]]] = {
    "rfc6962": _rfc6962,
    "inclusion_probes": _inclusion,
    "consistency_probes": _consistency,
    "notes": _notes,
    "bad_vkeys": _bad_vkeys,
    "checkpoints": _checkpoints,
    "tile_geometry": _tiles,
    "tlog_proof_format": _tlog_proofs,
}


def _same(find: Callable[[], object], expected: object) -> _Check:
    return lambda: _require(find(), expected)


def _judged(
    check: Callable[[], object], refusal: type[Exception], *, expected: bool
) -> _Check:
    """See that something is accepted or refused as expected."""

    def judged() -> None:
        try:
            check()
        except refusal as error:
            if expected:
                raise Differs(f"refused: {error}") from error
        else:
            if not expected:
                raise Differs("accepted, and is to be refused")

    return judged


def _require(found: object, expected: object) -> None:
    if found != expected:
        raise Differs(f"{found!r}, not {expected!r}")


def _name(case: Mapping[str, Any], number: int) -> str:
    return str(case.get("id") or case.get("file") or case.get("name") or number)


def _hash(said: str) -> bytes:
    """Read a hash in hex, or in base64 as notes have it."""
    try:
        return bytes.fromhex(said)
    except ValueError:
        return from_base64(said)


def _hashes(said: list[str] | None) -> list[bytes]:
    return [_hash(each) for each in said or []]
