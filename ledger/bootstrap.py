"""The composition root: real parts, put together from settings.

with prepared(settings) as url:              # once: database, migrations, keys
    with open_installation(settings, url) as installation:   # in every process
        ...
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import SystemRandom

import psycopg
from eventsourcing.postgres import PostgresDatastore, PostgresFactory
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

from ledger.adapters.answers import AnswerStore
from ledger.adapters.attempts import Attempts
from ledger.adapters.card_authority import MasterKeys
from ledger.adapters.consents import Consents
from ledger.adapters.embedded_postgres import EmbeddedPostgres
from ledger.adapters.job_desk import JobDesk
from ledger.adapters.key_encryption import (
    FileKeys,
    Keyring,
    WrappingKey,
    secret_keys,
)
from ledger.adapters.links import Links
from ledger.adapters.log_keys import LogKeys
from ledger.adapters.logins import PASSWORD_RESET, Logins
from ledger.adapters.migrator import migrate
from ledger.adapters.oauth_clients import OAuthClients
from ledger.adapters.outbox import EMAIL, WEBHOOK
from ledger.adapters.passwords import Passwords
from ledger.adapters.peers import Peers
from ledger.adapters.pkcs11_key import Pkcs11Key, Token
from ledger.adapters.roles import DatabaseRole, ensure, speaking_as
from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.adapters.secrets import FileSecrets, SecretsError
from ledger.adapters.sessions import Sessions
from ledger.adapters.signing_keys import SigningKeys
from ledger.adapters.smtp import BadServer, Mail, MailServer
from ledger.adapters.stock_desk import PostgresStockDesk
from ledger.adapters.subscriptions import Subscriptions
from ledger.adapters.tokens import TokenStore
from ledger.adapters.traces import Traces
from ledger.adapters.webhooks import Webhooks
from ledger.application import Ledger
from ledger.clock import Clock, SystemClock, new_id
from ledger.jobs.catalogue import Parts, catalogue
from ledger.jobs.schedule import Schedule
from ledger.log.cipher import SubjectCipher
from ledger.log.note import Signer, Verifier
from ledger.log.policy import BadPolicy, Policy
from ledger.log.proof_store import ProofStore
from ledger.log.publisher import Publisher
from ledger.log.recorder import connect, environment
from ledger.policies.letters import PasswordReset
from ledger.ports import Channel, PaymentProvider
from ledger.projections.accounts import AccountsView
from ledger.projections.cases import CasesView
from ledger.projections.devices import DevicesView
from ledger.projections.elsewhere import ElsewhereView
from ledger.projections.entries import EntriesView
from ledger.projections.freshness import FreshnessView
from ledger.projections.gifts import GiftsView
from ledger.projections.market import MarketView
from ledger.projections.media import MediaView
from ledger.projections.notices import NoticesView
from ledger.projections.offerings import OfferingsView
from ledger.projections.orders import OrdersView
from ledger.projections.ownership import OwnershipView
from ledger.projections.redemptions import RedemptionsView
from ledger.projections.sales import SalesView
from ledger.projections.wallet import WalletView
from ledger.settings import Settings
from ledger.usecases import stock_search
from ledger.usecases.signing_in import People

# What the sandbox of payments has done: no real provider is asked yet.
PAYMENTS_FILE = "sandbox_payments.json"

# The log names credentials; for as long one can look up which token that was.
KEEP_TOKENS = timedelta(days=180)


class InstallationError(Exception):
    """The parts do not belong together; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Views:
    """What is so now, as the projections have it."""

    ownership: OwnershipView
    freshness: FreshnessView
    wallet: WalletView
    notices: NoticesView
    accounts: AccountsView
    gifts: GiftsView
    cases: CasesView
    market: MarketView
    sales: SalesView
    elsewhere: ElsewhereView
    redemptions: RedemptionsView
    devices: DevicesView
    media: MediaView
    entries: EntriesView
    offerings: OfferingsView
    orders: OrdersView


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that a door needs. Made in the process that uses it."""

    settings: Settings
    url: str = field(repr=False)  # May hold a password.
    """The database as the operator's login sees it, without a role."""

    clock: Clock
    ledger: Ledger
    datastore: PostgresDatastore
    personal: SubjectCipher
    cards: MasterKeys
    secrets: FileSecrets
    log_keys: LogKeys
    policy: Policy
    tokens: TokenStore
    signing_keys: SigningKeys
    people: People
    links: Links
    clients: OAuthClients
    consents: Consents
    answers: AnswerStore
    desk: PostgresStockDesk
    provider: PaymentProvider
    views: Views

    @property
    def origin(self) -> str:
        return self.settings.origin

    @property
    def proofs(self) -> ProofStore:
        """What the log has proven so far, as this installation's role reads it."""
        return ProofStore(self.datastore.get_connection)

    def signers(self, at: datetime) -> Sequence[Signer]:
        """Return who signs checkpoints at a time, the newest key first."""
        keys = self.log_keys.signing(at)
        return [Signer(self.origin, key.private) for key in keys]

    def receipt_signer(self) -> Signer:
        """Return who signs receipts now."""
        return receipt_signer(self.origin, self.log_keys)

    @contextmanager
    def publisher(self) -> Iterator[Publisher]:
        """Open the log's publisher, with the rights it needs and no others."""
        with self.ledger_as(DatabaseRole.PUBLISHER) as ledger:
            its = Publisher(
                ledger.recorder.datastore,
                self.signers,
                self.clock,
                origin=self.origin,
                policy=self.policy,
                post=Peers().post,
            )
            try:
                yield its
            finally:
                its.close()

    @property
    def traces(self) -> Traces:
        """Where persons are spoken of outside the log."""
        return Traces(self.datastore)

    @property
    def subscriptions(self) -> Subscriptions:
        """Where parties have their notifications sent."""
        return Subscriptions(
            self.datastore, key_encryption=self.secrets.key_encryption()
        )

    def schedule(self) -> Schedule:
        """Return the jobs of this log, for one process to run."""
        parts = Parts(
            ledger=self.ledger,
            clock=self.clock,
            desk=self.desk,
            provider=self.provider,
            personal=self.personal,
            subscriptions=self.subscriptions,
            channels=_channels(self.settings),
            letters={PASSWORD_RESET: PasswordReset(self.people.logins, self.origin)},
            origin=self.origin,
            new_id=new_id,
            chance=SystemRandom().random,
            cleaners=(
                lambda at, _limit: self.answers.clean(at=at),
                lambda at, limit: self.tokens.clean(
                    before=at - KEEP_TOKENS, limit=limit
                ),
                lambda at, limit: self.signing_keys.clean(at=at, limit=limit),
                self.people.clean,
                lambda at, limit: self.links.clean(at=at, limit=limit),
                lambda at, limit: self.consents.clean(at=at, limit=limit),
            ),
        )
        desk = JobDesk(
            self.datastore,
            partial(connect, self.datastore),
            runner=f"{socket.gethostname()}/{os.getpid()}",
        )
        return Schedule(catalogue(parts), desk, self.clock)

    @contextmanager
    def ledger_as(self, role: DatabaseRole | None) -> Iterator[Ledger]:
        """Open the same log once more, with the rights of another role."""
        ledger = _ledger(self.settings, self.url, role)
        try:
            yield ledger
        finally:
            ledger.close()


@contextmanager
def open_installation(
    settings: Settings,
    *,
    clock: Clock | None = None,
    role: DatabaseRole | None = DatabaseRole.APP,
) -> Iterator[Installation]:
    """Start the database if it is ours, bring it up to date, see to the keys.

    What is opened has the rights of `role` in the database; None: those of the login
    itself, which owns the tables. Raises `InstallationError` when keys, origin and
    database are not of one installation, `KeyUnusable` when the persons' keys do not
    open.
    """
    with database(settings) as url:
        secrets = _prepare(settings, url)
        ledger = _ledger(settings, url, role)
        try:
            its = _assembled(settings, url, ledger, secrets, clock or SystemClock())
            if role in {None, DatabaseRole.APP}:
                its.personal.check()
            yield its
        finally:
            ledger.close()


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the database's address as it is, nothing brought up to date."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with EmbeddedPostgres(settings.postgres_home) as server:
        yield server.url


def _ledger(settings: Settings, url: str, role: DatabaseRole | None) -> Ledger:
    if role is not None:
        url = speaking_as(url, settings.schema, role)
    return Ledger(environment(url, settings.schema, settings.pool_size))


def _assembled(
    settings: Settings, url: str, ledger: Ledger, secrets: FileSecrets, clock: Clock
) -> Installation:
    factory = ledger.factory
    assert isinstance(factory, PostgresFactory)
    datastore = factory.datastore
    desk = PostgresStockDesk(datastore)
    personal = SubjectCipher(datastore, key_encryption=keyring(settings, secrets))
    pepper = secrets.people_pepper()
    ledger.hear(stock_search.telling(desk))
    return Installation(
        settings=settings,
        url=url,
        clock=clock,
        ledger=ledger,
        datastore=datastore,
        personal=personal,
        cards=MasterKeys(
            secrets.card_masters(), continuation=secrets.card_continuation()
        ),
        secrets=secrets,
        log_keys=LogKeys(settings.keys_home, secrets.log_key()),
        policy=_policy(settings),
        tokens=TokenStore(datastore),
        signing_keys=SigningKeys(datastore),
        people=People(
            logins=Logins(datastore, personal, pepper=pepper),
            sessions=Sessions(datastore),
            attempts=Attempts(datastore, pepper=pepper),
            passwords=Passwords(),
        ),
        links=Links(datastore, pepper=pepper),
        clients=OAuthClients(datastore),
        consents=Consents(datastore),
        answers=AnswerStore(datastore, pepper=secrets.answer_pepper()),
        desk=desk,
        provider=SandboxPayments(
            secret=secrets.payment_callbacks(), file=settings.home / PAYMENTS_FILE
        ),
        views=Views(
            ownership=OwnershipView(datastore),
            freshness=FreshnessView(datastore),
            wallet=WalletView(datastore),
            notices=NoticesView(datastore),
            accounts=AccountsView(datastore),
            gifts=GiftsView(datastore),
            cases=CasesView(datastore),
            market=MarketView(datastore),
            sales=SalesView(datastore),
            elsewhere=ElsewhereView(datastore),
            redemptions=RedemptionsView(datastore),
            devices=DevicesView(datastore),
            media=MediaView(datastore),
            entries=EntriesView(datastore),
            offerings=OfferingsView(datastore),
            orders=OrdersView(datastore),
        ),
    )


def receipt_signer(origin: str, keys: LogKeys) -> Signer:
    return Signer(f"{origin}/receipts", keys.all()[0].receipts())


def verifiers_of(origin: str, keys: LogKeys) -> tuple[list[Verifier], list[Verifier]]:
    """Return every key that a log signs with or has signed with, the newest first.

    Those of its checkpoints, and those of its receipts.
    """
    name = receipt_signer(origin, keys).verifier.name
    known = keys.all()
    return (
        [Verifier(origin, key.private.public_key()) for key in known],
        [Verifier(name, key.receipts().public_key()) for key in known],
    )


def keyring(settings: Settings, secrets: FileSecrets) -> Keyring:
    """Return what wraps the persons' keys. Raises `SecretsError`."""

    def read() -> list[WrappingKey]:
        return [key for place in settings.key_encryption for key in _keys_in(place)]

    def _keys_in(place: str) -> Sequence[WrappingKey]:
        if place == "pkcs11":
            return [Pkcs11Key(token(settings))]
        if place == "secret":
            return secret_keys(settings.key_encryption_secret or "")
        return file_keys(settings, secrets).all()

    return Keyring(read)


def file_keys(settings: Settings, secrets: FileSecrets) -> FileKeys:
    """Return the key-encryption keys that are files of the installation."""
    return FileKeys(settings.keys_home, secrets.key_encryption())


def token(settings: Settings) -> Token:
    """Return where a PKCS#11 key is. Raises `SecretsError`."""
    pin = settings.pkcs11_pin
    if pin is None and settings.pkcs11_pin_file is not None:
        try:
            pin = settings.pkcs11_pin_file.read_text().splitlines()[0]
        except (OSError, IndexError):
            raise SecretsError(
                f"{settings.pkcs11_pin_file} cannot be read; its first line is the PIN."
            ) from None
    if settings.pkcs11_module is None or pin is None:
        raise SecretsError(
            "A key in a PKCS#11 module needs LEDGER_PKCS11_MODULE, and"
            " LEDGER_PKCS11_PIN or LEDGER_PKCS11_PIN_FILE."
        )
    return Token(
        settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_key, pin
    )


def _channels(settings: Settings) -> Mapping[str, Channel]:
    """Return the ways in which parties are reached, as far as they are set up."""
    hooks = Webhooks(user_agent="eticket-ledger", loopback=settings.webhooks_loopback)
    if settings.smtp_url is None:
        return {WEBHOOK: hooks}
    try:
        server = MailServer.parse(settings.smtp_url)
    except BadServer as error:
        raise InstallationError(f"LEDGER_SMTP_URL cannot be used: {error}.") from None
    return {WEBHOOK: hooks, EMAIL: Mail(server, sender=settings.mail_from)}


def _policy(settings: Settings) -> Policy:
    if settings.witness_policy is None:
        return Policy()
    try:
        return Policy.parse(settings.witness_policy.read_bytes())
    except OSError as error:
        path = settings.witness_policy
        raise InstallationError(f"{path} cannot be read: {error.strerror}.") from None
    except BadPolicy as error:
        raise InstallationError(str(error)) from None


def _prepare(settings: Settings, url: str) -> FileSecrets:
    """Bring the database up to date and see that it and the keys belong together."""
    migrate(url, schema=settings.schema)
    ensure(url, settings.schema)
    with psycopg.connect(url, row_factory=dict_row) as connection:
        known = _remembered(connection, settings.schema)
        secrets = FileSecrets.load(settings.keys_home)
        if secrets is None:
            if known is not None:
                raise InstallationError(
                    "The database belongs to an installation whose keys are not in"
                    f" {settings.keys_home}; put its keys.json back there."
                )
            secrets = FileSecrets.create(settings.keys_home)
        if known is None:
            _remember(connection, settings, secrets)
            known = _remembered(connection, settings.schema)
    if known is None or known["keys_fingerprint"] != secrets.fingerprint():
        raise InstallationError(
            f"The keys in {settings.keys_home} are not those of this database;"
            " set LEDGER_HOME to the folder that holds its keys."
        )
    if known["origin"] != settings.origin:
        raise InstallationError(
            f"The log's origin is {known['origin']} for ever; set LEDGER_ORIGIN to it."
        )
    return secrets


def _remembered(connection: psycopg.Connection[DictRow], schema: str) -> DictRow | None:
    table = Identifier(schema, "installation")
    return connection.execute(SQL("SELECT * FROM {}").format(table)).fetchone()


def _remember(
    connection: psycopg.Connection[DictRow], settings: Settings, secrets: FileSecrets
) -> None:
    """Note whose database this is; whoever was first stays."""
    kid = next(iter(secrets.issuer_public_keys())).hex()
    connection.execute(
        SQL(
            "INSERT INTO {} (origin, issuer_kid, keys_fingerprint, created_at)"
            " VALUES (%s, %s, %s, now()) ON CONFLICT DO NOTHING"
        ).format(Identifier(settings.schema, "installation")),
        (settings.origin, kid, secrets.fingerprint()),
    )
