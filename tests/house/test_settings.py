"""Settings: read once, checked, frozen, and silent about secrets."""

from contextlib import suppress
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import SystemClock, new_id
from ledger.settings import Settings, SettingsError


def test_without_any_setting_it_runs_from_the_local_folder():
    settings = Settings.from_environ({"PATH": "/bin"})
    assert settings.database_url is None
    assert settings.postgres_home == Path(".ledger/postgres")
    assert settings.keys_home == Path(".ledger/keys")
    assert (settings.host, settings.port) == ("127.0.0.1", 8470)
    assert settings.origin == "eticket-ledger.local/log"


def test_each_setting_is_read_from_its_variable():
    settings = Settings.from_environ(
        {
            "LEDGER_DATABASE_URL": "postgresql://app:secret@db/tickets",
            "LEDGER_HOME": "/srv/ledger",
            "LEDGER_SERVER_HOME": "/srv/postgres",
            "LEDGER_ORIGIN": "tickets.example/log",
            "LEDGER_SCHEMA": "west",
            "LEDGER_WITNESS_POLICY": "/srv/policy",
            "LEDGER_HOST": "::1",
            "LEDGER_PORT": "80",
            "LEDGER_WORKERS": "4",
            "LEDGER_THREADS": "16",
            "LEDGER_POOL_SIZE": "20",
            "LEDGER_SMTP_URL": "smtp://us:secret@mail.example",
            "LEDGER_MAIL_FROM": "Tickets <tickets@example.org>",
            "LEDGER_WEBHOOKS_LOOPBACK": "yes",
            "LEDGER_LOG_LEVEL": "DEBUG",
        }
    )
    assert settings == Settings(
        database_url="postgresql://app:secret@db/tickets",
        home=Path("/srv/ledger"),
        server_home=Path("/srv/postgres"),
        origin="tickets.example/log",
        schema="west",
        witness_policy=Path("/srv/policy"),
        host="::1",
        port=80,
        workers=4,
        threads=16,
        pool_size=20,
        smtp_url="smtp://us:secret@mail.example",
        mail_from="Tickets <tickets@example.org>",
        webhooks_loopback=True,
        log_level="debug",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEDGER_DATABASE_URL", "mysql://u:secret@h/d"),
        ("LEDGER_DATABASE_URL", "postgresql://u:secret@h:port/d"),
        ("LEDGER_DATABASE_URL", "postgresql://[secret"),
        ("LEDGER_ORIGIN", "has spaces"),
        ("LEDGER_ORIGIN", "a+b"),
        ("LEDGER_ORIGIN", "two\nlines"),
        ("LEDGER_SCHEMA", 'x"; DROP SCHEMA ledger; --'),
        ("LEDGER_SCHEMA", "pg_temp"),
        ("LEDGER_SCHEMA", "a" * 64),
        ("LEDGER_HOST", "http://here"),
        ("LEDGER_PORT", "0"),
        ("LEDGER_PORT", "65536"),
        ("LEDGER_PORT", "²"),
        ("LEDGER_WORKERS", "-1"),
        ("LEDGER_THREADS", "many"),
        ("LEDGER_POOL_SIZE", "1e3"),
        ("LEDGER_LOG_LEVEL", "loud"),
        ("LEDGER_SMTP_URL", "https://us:secret@mail.example"),
        ("LEDGER_SMTP_URL", "smtp://us:secret@mail.example/path"),
        ("LEDGER_MAIL_FROM", "Tickets <a@b>\nBcc: c@d"),
        ("LEDGER_WEBHOOKS_LOOPBACK", "true"),
        ("LEDGER_HOME", "/dev/null"),
        ("LEDGER_DATABSE_URL", "postgresql://u:secret@h/d"),
    ],
)
def test_a_wrong_setting_stops_the_program_with_one_sentence_that_names_it(name, value):
    with pytest.raises(SettingsError) as stopped:
        Settings.from_environ({name: value})
    message = str(stopped.value)
    assert name in message
    assert message.endswith(".")
    assert "\n" not in message
    assert "secret" not in message


def test_a_secret_may_stand_in_a_file_so_that_no_environment_has_it(tmp_path):
    secret = tmp_path / "database-url"
    secret.write_text("postgresql://app:secret@db/tickets\nand a note\n", "utf-8")
    settings = Settings.from_environ({"LEDGER_DATABASE_URL_FILE": str(secret)})
    assert settings.database_url == "postgresql://app:secret@db/tickets"
    secret.write_text("mysql://app:secret@db\n", "utf-8")
    with pytest.raises(SettingsError, match="LEDGER_DATABASE_URL") as stopped:
        Settings.from_environ({"LEDGER_DATABASE_URL_FILE": str(secret)})
    assert "secret" not in str(stopped.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"LEDGER_SMTP_URL_FILE": "/nowhere"}, "can be read"),
        ({"LEDGER_SMTP_URL_FILE": "/dev/null"}, "empty"),
        (
            {"LEDGER_SMTP_URL_FILE": "/dev/null", "LEDGER_SMTP_URL": "smtp://h"},
            "both set",
        ),
        ({"LEDGER_PORT_FILE": "/dev/null"}, "not a setting"),
    ],
)
def test_a_secrets_file_is_one_that_can_be_read_and_is_not_said_twice(more, says):
    with pytest.raises(SettingsError, match=says):
        Settings.from_environ(more)


@given(
    name=st.sampled_from(
        ["DATABASE_URL", "HOME", "ORIGIN", "SCHEMA", "HOST", "PORT", "LOG_LEVEL", "XYZ"]
    ),
    value=st.text(max_size=80),
)
def test_whatever_is_set_is_taken_or_refused(name, value):
    with suppress(SettingsError):
        Settings.from_environ({f"LEDGER_{name}": value})


def test_secrets_do_not_show_and_nothing_changes_after_the_start():
    settings = Settings(database_url="postgresql://app:secret@db/tickets")
    assert "secret" not in repr(settings)
    assert "secret" not in repr(replace(settings, port=1))
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_the_clock_tells_utc_and_ids_are_drawn_fresh():
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().now().utcoffset() == timedelta(0)
    assert len({new_id() for _ in range(1_000)}) == 1_000
