"""Everything that can be set from outside, read once, checked, and frozen.

A program reads its settings at its start and stops there if one is wrong: a misspelt
name is not passed over, for it would silently mean the default.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

PREFIX = "LEDGER_"
PORT_MAX = 65_535
WORKERS_MAX = 256
THREADS_MAX = 256
POOL_SIZE_MAX = 500
PROXIES_MAX = 8
RATE_MAX = 1_000_000
KEY_PLACES = ("file", "secret", "pkcs11")
LABEL_BYTES_MAX = 32  # CK_TOKEN_INFO has so many for a token's label.
SECRETS = (
    "LEDGER_DATABASE_URL",
    "LEDGER_KEY_ENCRYPTION_SECRET",
    "LEDGER_SMTP_URL",
    "LEDGER_OIDC_CLIENT_SECRET",
)
"""Settings that may stand in a file instead; the PIN has had its own for longer."""

FILE = "_FILE"
SECRET_LENGTH_MAX = 64 * 1024
LOG_LEVELS = ("debug", "info", "warning", "error")

# One log is one schema, so its name goes into SQL: an unquoted PostgreSQL identifier.
# Its roles and its channel are called after it, and PostgreSQL cuts names at 63.
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,47}")
# C2SP tlog-checkpoint: the origin is a line of its own, and a key name in signed notes.
_ORIGIN = re.compile(r"[!-*,-~]{1,255}")
_MAIL_FROM = re.compile(r"([^<>@\x00-\x1f]{1,80} <)?[^\s<>@]{1,64}@[^\s<>@]{1,189}>?")
_SMTP = re.compile(r"(smtps|smtp|smtp\+plain)://[^\s/]+/?")
_PUBLIC_URL = re.compile(
    r"https://[0-9A-Za-z.-]{1,255}(:[0-9]{1,5})?"
    r"|http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?"
)
_ISSUER = re.compile(
    r"(https://[0-9A-Za-z.-]{1,255}|http://(127\.0\.0\.1|\[::1\]|localhost))"
    r"(:[0-9]{1,5})?(/[!-~]{0,200})?"
)
_CLIENT_ID = re.compile(r"[!-~]{1,200}")
_NETLOC = re.compile(r"[0-9A-Za-z.-]{1,255}(:[0-9]{1,5})?")
_HOST = re.compile(r"[0-9A-Za-z.:_-]{1,255}")


class SettingsError(Exception):
    """A setting that the program cannot start with; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this installation runs. Each field is set by `LEDGER_` and its name."""

    database_url: str | None = field(default=None, repr=False)  # May hold a password.
    """PostgreSQL 15 to 18 as `postgresql://…`; None: the embedded server, in `home`."""

    home: Path = Path(".ledger")
    """The folder of this installation: `postgres/` (embedded server) and `keys/`."""

    server_home: Path | None = None
    """The folder of the embedded server; None: `postgres` in `home`. Several logs in
    one embedded server have each a `home` and share this."""

    origin: str = "eticket-ledger.local/log"
    """The log's public name, signed with every checkpoint; never changes."""

    schema: str = "ledger"
    """The PostgreSQL schema that holds the log."""

    witness_policy: Path | None = None
    """Who must cosign a checkpoint (a C2SP tlog-policy file); None: nobody."""

    host: str = "127.0.0.1"
    port: int = 8470
    public_url: str | None = None
    """How callers reach this server, `https://…`; None: at `host` and `port`."""

    workers: int = 2
    """Server processes."""

    threads: int = 8
    """Threads in each server process."""

    pool_size: int = 10
    """Database connections that each process may hold."""

    proxies: int = 0
    """Reverse proxies in front, whose word for the caller's address is taken."""

    rate: int = 100
    """Requests a second that one principal may send to one process, on the average."""

    rate_burst: int = 500
    """And so many at once."""

    address_rate: int = 20
    """The same for an address, of requests without a valid token."""

    address_burst: int = 200

    key_encryption: tuple[str, ...] = ("file",)
    """Where the keys are that wrap the persons' keys: `file`, `secret` (environment),
    `pkcs11`; several by commas, the first of which wraps."""

    key_encryption_secret: str | None = field(default=None, repr=False)
    """Keys of 32 bytes in base64, the newest first, by commas."""

    pkcs11_module: Path | None = None
    """The library of a PKCS#11 module."""

    pkcs11_token: str = "eticket-ledger"  # noqa: S105, a label
    pkcs11_key: str = "eticket-ledger"
    """The labels of the token and of the key on it."""

    pkcs11_pin: str | None = field(default=None, repr=False)
    pkcs11_pin_file: Path | None = None
    """The token's PIN, or the file whose first line it is."""

    smtp_url: str | None = field(default=None, repr=False)  # May hold a password.
    """The mail server as `smtp://user:password@host`; None: no mail is sent."""

    mail_from: str = "eticket-ledger@localhost"
    """Who mail is from."""

    webhooks_loopback: bool = False
    """For development: webhooks may go to this machine, by http as well."""

    oidc_issuer: str | None = None
    """The OpenID provider where people may sign in; None: by password alone."""

    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    """As what this server is registered there; its redirect URI is
    `/v1/oidc/callback` behind `public_url`."""

    oidc_hosts: frozenset[str] = frozenset()
    """Hosts besides the issuer's, by commas, where it answers programs."""

    metrics_port: int | None = None
    """Where `ledgerctl serve` answers Prometheus at `/metrics`; 0: at a free port;
    None: nowhere."""

    metrics_host: str = "127.0.0.1"

    log_level: str = "info"

    @property
    def postgres_home(self) -> Path:
        return self.server_home or self.home / "postgres"

    @property
    def base_url(self) -> str:
        """Where callers find this server, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def keys_home(self) -> Path:
        return self.home / "keys"

    @classmethod
    def load(cls) -> Self:
        """Read this process's environment. Raises SettingsError."""
        return cls.from_environ(os.environ)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read `environ`; an empty value counts as not set. Raises SettingsError.

        What holds a secret may stand in a file, which `LEDGER_…_FILE` names.
        """
        names = {PREFIX + each.name.upper(): each.name for each in fields(cls)}
        given: dict[str, Any] = {}
        environ = _with_secrets(environ)
        for name in sorted(environ):
            if not name.startswith(PREFIX):
                continue
            if name not in names:
                known = ", ".join(sorted(names))
                raise SettingsError(f"{name} is not a setting; there are {known}.")
            if value := environ[name].strip():
                given[names[name]] = _READ[names[name]](name, value)
        if ("oidc_issuer" in given) != ("oidc_client_id" in given):
            raise SettingsError(
                f"{PREFIX}OIDC_ISSUER and {PREFIX}OIDC_CLIENT_ID need each other."
            )
        return cls(**given)


def _with_secrets(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Put the first line of each secret's file in its place."""
    read = dict(environ)
    for name in SECRETS:
        path = read.pop(name + FILE, "").strip()
        if not path:
            continue
        if read.get(name, "").strip():
            raise SettingsError(f"{name} and {name}{FILE} are both set: one is enough.")
        try:
            with Path(path).open(encoding="utf-8") as file:
                read[name] = file.readline(SECRET_LENGTH_MAX).strip()
        except (OSError, ValueError):
            raise SettingsError(
                f"{name}{FILE} is not a file that can be read."
            ) from None
        if not read[name]:
            raise SettingsError(f"{name}{FILE} names a file whose first line is empty.")
    return read


def traces_wanted(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether OpenTelemetry's own variables ask for traces over OTLP.

    They are its standard's, so they bear no `LEDGER_`: an endpoint switches traces on,
    OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none off (OpenTelemetry, Environment
    Variable Specification). Raises SettingsError for a way of sending that is not ours.
    """
    says = os.environ if environ is None else environ
    endpoints = (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    exporter = says.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if (
        not any(says.get(name, "").strip() for name in endpoints)
        or says.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or exporter == "none"
    ):
        return False
    if exporter != "otlp":
        raise SettingsError("OTEL_TRACES_EXPORTER must be otlp or none.")
    for name in (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ):
        if says.get(name, "").strip() not in {"", "http/protobuf"}:
            raise SettingsError(f"{name} must be http/protobuf.")
    return True


def _database_url(name: str, value: str) -> str:
    # The value is not repeated: it may hold a password.
    wrong = SettingsError(f"{name} is not of the form postgresql://user@host/database.")
    try:
        parts = urlsplit(value)
        named = parts.path.strip("/") or parts.query
        _ = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"postgresql", "postgres"} or not named:
        raise wrong
    return value


def _whole(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, value: str) -> int:
        if value.isascii() and value.isdigit() and len(value) < 10:
            number = int(value)
            if least <= number <= most:
                return number
        raise SettingsError(f"{name} must be a whole number from {least} to {most}.")

    return read


def _matching(pattern: re.Pattern[str], form: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if not pattern.fullmatch(value):
            raise SettingsError(f"{name} must be {form}.")
        return value

    return read


def _log_level(name: str, value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise SettingsError(f"{name} must be one of {', '.join(LOG_LEVELS)}.")
    return value.lower()


def _smtp_url(name: str, value: str) -> str:
    # The value is not repeated: it may hold a password.
    if not _SMTP.fullmatch(value):
        raise SettingsError(
            f"{name} is not of the form smtps://…, smtp://… or smtp+plain://…."
        )
    return value


def _yes_or_no(name: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise SettingsError(f"{name} must be yes or no.")
    return value == "yes"


def _home(name: str, value: str) -> Path:
    path = Path(value)
    if "\0" in value or (path.exists() and not path.is_dir()):
        raise SettingsError(f"{name} must be a folder.")
    return path


def _file(name: str, value: str) -> Path:
    path = Path(value)
    if "\0" in value or path.is_dir():
        raise SettingsError(f"{name} must be a file.")
    return path


def _places(name: str, value: str) -> tuple[str, ...]:
    places = tuple(each.strip() for each in value.split(","))
    if not set(places) <= set(KEY_PLACES) or len(set(places)) != len(places):
        raise SettingsError(
            f"{name} names, by commas, each at most once: {', '.join(KEY_PLACES)}."
        )
    return places


def _hosts(name: str, value: str) -> frozenset[str]:
    hosts = frozenset(each.strip() for each in value.split(","))
    if not all(_NETLOC.fullmatch(each) for each in hosts):
        raise SettingsError(f"{name} names hosts by commas, each as HOST or HOST:PORT.")
    return hosts


def _label(name: str, value: str) -> str:
    if not value.isprintable() or len(value.encode()) > LABEL_BYTES_MAX:
        raise SettingsError(f"{name} must be at most {LABEL_BYTES_MAX} bytes of text.")
    return value


_READ: Mapping[str, Callable[[str, str], Any]] = {
    "database_url": _database_url,
    "home": _home,
    "server_home": _home,
    "origin": _matching(_ORIGIN, "printable ASCII without spaces and plus signs"),
    "schema": _matching(_SCHEMA, "up to 48 lower-case letters, digits and _, not pg_…"),
    "witness_policy": _file,
    "host": _matching(_HOST, "a host name or an IP address"),
    "port": _whole(1, PORT_MAX),
    "public_url": _matching(_PUBLIC_URL, "https://HOST, or http://… of this machine"),
    "workers": _whole(1, WORKERS_MAX),
    "threads": _whole(1, THREADS_MAX),
    "pool_size": _whole(1, POOL_SIZE_MAX),
    "proxies": _whole(0, PROXIES_MAX),
    "rate": _whole(1, RATE_MAX),
    "rate_burst": _whole(1, RATE_MAX),
    "address_rate": _whole(1, RATE_MAX),
    "address_burst": _whole(1, RATE_MAX),
    "smtp_url": _smtp_url,
    "mail_from": _matching(_MAIL_FROM, "an e-mail address, or a name and one in <>"),
    "webhooks_loopback": _yes_or_no,
    "oidc_issuer": _matching(_ISSUER, "https://HOST/…, or http://… of this machine"),
    "oidc_client_id": _matching(_CLIENT_ID, "up to 200 printable letters"),
    "oidc_client_secret": lambda _, value: value,
    "oidc_hosts": _hosts,
    "key_encryption": _places,
    "key_encryption_secret": lambda _, value: value,
    "pkcs11_module": _file,
    "pkcs11_token": _label,
    "pkcs11_key": _label,
    "pkcs11_pin": lambda _, value: value,
    "pkcs11_pin_file": _file,
    "metrics_port": _whole(0, PORT_MAX),
    "metrics_host": _matching(_HOST, "a host name or an IP address"),
    "log_level": _log_level,
}
