"""The commands by name, and how each of them fails: one sentence, one exit code."""

from __future__ import annotations

import sys

import click

from api.cli import (
    audit,
    backups,
    doctor,
    installation,
    invitations,
    jobs,
    log,
    log_proofs,
    logs,
    outbox,
    projections,
    receipt,
    roles,
    server,
    subject,
    tickets,
    tokens,
    watching,
    witness,
)
from api.cli.serve import ServeError
from ledger.adapters.embedded_postgres import EmbeddedPostgresError
from ledger.adapters.migration_files import MigrationError
from ledger.adapters.roles import RolesError
from ledger.adapters.secrets import SecretsError
from ledger.adapters.witness_files import WitnessFilesError
from ledger.bootstrap import InstallationError
from ledger.errors import Refusal
from ledger.settings import SettingsError

REFUSED = 1
WRONG_SETTING = 2

_SAID_IN_A_SENTENCE = (
    EmbeddedPostgresError,
    InstallationError,
    MigrationError,
    Refusal,
    RolesError,
    SecretsError,
    ServeError,
    WitnessFilesError,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def ledgerctl() -> None:
    """Run the ledger, look after it, and check what it says.

    Settings come from the environment: LEDGER_DATABASE_URL, LEDGER_HOME and others.
    """


for command in (
    installation.init,
    installation.migrate,
    roles.roles,
    backups.backup,
    backups.restore,
    doctor.doctor,
    server.serve,
    server.openapi,
    tokens.token,
    invitations.invite,
    projections.projections,
    jobs.jobs,
    outbox.outbox,
    tickets.tickets,
    audit.audit,
    log.log,
    subject.subject,
    receipt.receipt,
    witness.witness,
):
    ledgerctl.add_command(command)

for command in (
    logs.create,
    logs.list_logs,
    log_proofs.selftest,
    log_proofs.publish,
    log_proofs.resume,
    log_proofs.prove,
    log_proofs.check_proof,
    watching.watch,
    log_proofs.rotate_key,
    log_proofs.keys,
):
    log.log.add_command(command)


def main() -> None:
    """Run `ledgerctl`."""
    try:
        ledgerctl(prog_name="ledgerctl")
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(WRONG_SETTING)
    except _SAID_IN_A_SENTENCE as error:
        click.echo(error, err=True)
        sys.exit(REFUSED)
