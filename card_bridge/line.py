"""A program's line to the ledger: to which address, and as whom."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from card_bridge.http_gateway import HttpGateway
from card_bridge.signing import SigningKey
from ledger_client import AddressRefused, DeviceCredentials, Token


def gateway(server: str, who: Token) -> HttpGateway:
    """Return the line. Raises `click.UsageError` for an address that is refused."""
    try:
        return HttpGateway(server, who)
    except AddressRefused as refused:
        raise click.UsageError(str(refused)) from None


def credentials(
    home: Path, server: str, device_id: UUID, *, program: str
) -> DeviceCredentials:
    """Return what a machine signs who it is with.

    Raises `click.UsageError` if it has no key, or may not send there, and `KeysError`.
    """
    key = SigningKey.of(home)
    if key is None:
        raise click.UsageError(
            f"This machine has no signing key: {program} signing-key makes one, for the"
            " centre to enrol. Or give a token with --token."
        )
    try:
        return key.credentials(server, device_id)
    except AddressRefused as refused:
        raise click.UsageError(str(refused)) from None
