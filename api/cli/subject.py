"""`ledgerctl subject`: persons, the keys of what is said of them, and erasing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

import click

from api.cli.opened import opened
from ledger.adapters.pkcs11_key import Pkcs11Key
from ledger.adapters.secrets import FileSecrets
from ledger.aggregates.party import Party
from ledger.application import Cause
from ledger.bootstrap import Installation, file_keys, token
from ledger.errors import Malformed, Unknown
from ledger.settings import Settings
from ledger.usecases import erasure

_CAUSE = Cause(actor="ledgerctl subject")
_STATES = {None: "none was ever made", False: "there", True: "destroyed"}
_OUTSIDE = (
    "Exports, replicas and backups of the log hold the same sealed text: without the"
    " key nobody opens it.",
    "A dump of subject_keys made before an erasure still opens it: destroy such dumps,"
    " and run `ledgerctl subject reapply` after one was restored.",
)

_subject = click.argument("subject_id", type=click.UUID)


class WrapsNothing(Malformed):
    code = "malformed"
    says = (
        "LEDGER_KEY_ENCRYPTION does not name {place}; a key there would wrap nothing."
    )


class NoInstallation(Malformed):
    code = "keys_missing"
    says = "There are no keys in {folder}; `ledgerctl init` makes an installation."


@click.group()
def subject() -> None:
    """Persons: what is sealed of them, under which keys, and erasing them."""


@subject.command()
@_subject
def show(subject_id: UUID) -> None:
    """Say what is known of a person: the name, the contact, and the key's state."""
    with opened() as its:
        party = _party(its, subject_id)
        sealed = {"name": party.name_sealed, "contact": party.contact_sealed}
        for what, text in sealed.items():
            if text is not None:
                known = its.personal.open(subject_id, text)
                click.echo(f"{what}: {'erased' if known is None else known}")
        click.echo(f"key: {_STATES[its.personal.is_destroyed(subject_id)]}")


@subject.command()
@_subject
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(subject_id: UUID, *, yes: bool) -> None:
    """Destroy a person's key, record that, and forget what is outside the log.

    Nothing brings back what was sealed under it. Done twice, it stays done.
    """
    with opened() as its:
        _party(its, subject_id)
        if not yes:
            click.confirm(f"Erase {subject_id} for ever?", abort=True)
        at = its.clock.now()
        erasure.request(its.ledger, party_id=subject_id, at=at, cause=_CAUSE)
        position = erasure.erase(
            its.ledger, its.personal, party_id=subject_id, at=at, cause=_CAUSE
        )
        its.traces.forget(subject_id)
    click.echo(f"Erased; the log says so up to position {position}.")


@subject.command()
@_subject
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def report(subject_id: UUID, *, as_json: bool) -> None:
    """List where a person is still spoken of, and what that tells. Reads everything."""
    with opened() as its:
        key = its.personal.is_destroyed(subject_id)
        sealed = erasure.sealed_of(its.ledger, subject_id)
        named = its.traces.left(subject_id)
    if as_json:
        tables = {each.table: each.rows for each in named}
        said = {"key": _STATES[key], "sealed_events": sealed, "tables": tables}
        click.echo(json.dumps(said))
        return
    click.echo(f"key: {_STATES[key]}")
    opens = "nobody can open" if key else "the key opens"
    click.echo(f"log: at most {sealed} events with text of theirs that {opens}")
    for each in named:
        click.echo(f"{each.table}: {each.rows} rows with the id alone")
    for sentence in _OUTSIDE:
        click.echo(sentence)


@subject.command()
def reapply() -> None:
    """Erase again whomever the log says was erased: after older keys were restored."""
    done = 0
    with opened() as its:
        for subject_id in erasure.erased(its.ledger):
            if its.personal.is_destroyed(subject_id) is False:
                its.personal.destroy(subject_id)
                done += 1
            its.traces.forget(subject_id)
    click.echo(f"{done} keys destroyed again.")


@subject.command()
def rewrap() -> None:
    """Move every person's key to the newest key-encryption key."""
    moved = 0
    with opened() as its:
        while count := its.personal.rewrap():
            moved += count
        by = its.personal.wrapped_by()
    click.echo(f"{moved} keys moved; now {_counted(by)}.")


@subject.command(name="make-key")
@click.argument("place", type=click.Choice(["file", "pkcs11"]))
def make_key(place: str) -> None:
    """Make a new key-encryption key, in a file or on a PKCS#11 token."""
    settings = Settings.load()
    if place not in settings.key_encryption:
        raise WrapsNothing(place=place)
    if place == "pkcs11":
        name = Pkcs11Key(token(settings), make=True).name
    else:
        secrets = FileSecrets.load(settings.keys_home)
        if secrets is None:
            raise NoInstallation(folder=settings.keys_home)
        name = file_keys(settings, secrets).rotate()
    click.echo(f"{name} is there. `ledgerctl subject rewrap` moves older keys to it.")


def _party(its: Installation, subject_id: UUID) -> Party:
    party = its.ledger.find(Party, subject_id)
    if party is None:
        raise Unknown(what="person")
    return party


def _counted(by: Mapping[str, int]) -> str:
    return ", ".join(f"{count} by {name}" for name, count in by.items()) or "none"
