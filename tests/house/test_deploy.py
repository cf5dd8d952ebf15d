"""What stands in deploy/ fits the program: settings, commands, files, times, no secret.

Bugs planted one at a time, each of which made a test fail: a setting misspelt in the
example; one left out of it; `ledgerctl server` in the unit; a folder copied that is not
there, and one of ours that is not; a stop time shorter than the program's own; a
password in the example; a lock file with another version than the tests run with.
"""

import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from dataclasses import fields
from pathlib import Path

import pytest

from api.cli import serve
from api.cli.main import WRONG_SETTING
from ledger.adapters.embedded_postgres import server
from ledger.settings import FILE, SECRETS, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
IGNORED = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
EXAMPLE = (DEPLOY / "ledger.env.example").read_text("utf-8")
NAMES = {f"LEDGER_{each.name.upper()}" for each in fields(Settings)}
PROGRAM = "/opt/eticket-ledger/bin/ledgerctl"
HELPERS = 3


def given(text):
    """Yield name and value of each assignment, also of those that are comments."""
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)


def service(unit):
    """Return the unit's options as they stand, each with all its values."""
    options: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            options.setdefault(name, []).append(value)
    return options


def steps(word):
    """The arguments of each step of the Containerfile that begins with `word`."""
    lines = CONTAINERFILE.replace("\\\n", " ").splitlines()
    return [line.split()[1:] for line in lines if line.startswith(word + " ")]


def test_the_example_names_every_setting_once_and_nothing_else():
    ours = [name for name, _ in given(EXAMPLE) if name.startswith("LEDGER_")]
    files = {secret + FILE for secret in SECRETS}
    assert sorted({*ours} - files) == sorted(NAMES)
    assert files <= {*ours}
    assert sorted(set(ours)) == sorted(set(ours) & (NAMES | files))


def test_the_example_can_be_taken_as_it_is_and_its_values_too(tmp_path):
    assert not [line for line in EXAMPLE.splitlines() if line and line[0] != "#"]
    values = {
        name: value
        for name, value in given(EXAMPLE)
        if name.startswith("LEDGER_") and not name.endswith(FILE)
    }
    Settings.from_environ(values)


@pytest.mark.parametrize(
    "path",
    [*UNITS, DEPLOY / "ledger.env.example", DEPLOY / "Containerfile"],
    ids=lambda path: path.name,
)
def test_no_secret_stands_in_what_is_handed_out(path):
    text = path.read_text("utf-8")
    hidden = {each.name for each in fields(Settings) if not each.repr}
    assert {secret.removeprefix("LEDGER_").lower() for secret in SECRETS} < hidden
    for name, value in given(text):
        if name.removeprefix("LEDGER_").lower() in hidden:
            assert "@" not in value, name
            assert not value or value.startswith(("postgresql:///", "smtp+plain://"))
    assert "PRIVATE KEY" not in text
    assert not re.search(r"(?i)(password|secret|pin)\s*[=:]\s*['\"]?\w", text)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is(unit):
    (start,) = service(unit)["ExecStart"]
    program, command, *words = start.split()
    assert program == PROGRAM
    said = subprocess.run(
        [sys.executable, "-m", "api.cli", command, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert all(word in said for word in words if word.startswith("--"))


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_unit_is_shut_in(unit):
    says = service(unit)
    closed = {
        "CapabilityBoundingSet": "",
        "MemoryDenyWriteExecute": "yes",
        "NoNewPrivileges": "yes",
        "PrivateDevices": "yes",
        "PrivateTmp": "yes",
        "ProtectHome": "yes",
        "ProtectSystem": "strict",
        "StateDirectory": "eticket-ledger",
        "StateDirectoryMode": "0700",
        "SystemCallFilter": "@system-service",
        "UMask": "0077",
        "User": "eticket-ledger",
    }
    assert {name: says[name] for name in closed} == {
        name: [value] for name, value in closed.items()
    }


def test_the_unit_waits_for_the_ends_that_the_program_waits_for():
    says = service(DEPLOY / "systemd/eticket-ledger.service")
    longest_s = (1 + HELPERS) * serve.STOP_TIMEOUT_S + server.STOP_TIMEOUT_S
    assert float(says["TimeoutStopSec"][0]) > longest_s
    assert float(says["TimeoutStartSec"][0]) > serve.READY_TIMEOUT_S
    assert says["KillMode"] == ["mixed"]  # Else the helpers end before the web server.
    assert says["RestartPreventExitStatus"] == [str(WRONG_SETTING)]


def test_credentials_are_for_settings_that_are_read_from_files():
    text = (DEPLOY / "systemd/eticket-ledger.service").read_text("utf-8")
    loaded = dict(re.findall(r"LoadCredential=([a-z0-9-]+):(\S+)", text))
    named = dict(re.findall(r"Environment=(LEDGER_\w+_FILE)=%d/([a-z0-9-]+)", text))
    assert set(named) == {*(each + FILE for each in SECRETS), "LEDGER_PKCS11_PIN_FILE"}
    assert set(named.values()) == set(loaded)
    assert all(path == f"/etc/eticket-ledger/{name}" for name, path in loaded.items())


ANALYZE = shutil.which("systemd-analyze") or ""

if ANALYZE:

    def test_systemd_understands_the_units(tmp_path):
        for unit in UNITS:
            text = unit.read_text("utf-8").replace(PROGRAM, sys.executable)
            (tmp_path / unit.name).write_text(text, "utf-8")
        said = subprocess.run(
            [ANALYZE, "verify", *(tmp_path / unit.name for unit in SERVICES)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (said.returncode, said.stderr) == (0, "")


def test_the_image_copies_what_is_there_and_all_that_is_ours():
    copied = [
        source
        for words in steps("COPY")
        if not words[0].startswith("--from")
        for source in words[:-1]
    ]
    assert not [source for source in copied if not (ROOT / source).exists()]
    allowed = {line[1:] for line in IGNORED if line.startswith("!")}
    assert not [
        source
        for source in copied
        if source not in allowed and Path(source).parts[0] not in allowed
    ]
    packages = re.search(
        r"packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text("utf-8")
    )
    assert packages
    assert set(re.findall(r'"(\w+)"', packages[1])) <= set(copied)


def test_the_image_runs_as_nobody_in_particular_and_says_when_it_is_ready():
    (user,) = steps("USER")
    assert user == ["10001:10001"]
    assert steps("STOPSIGNAL") == [["SIGTERM"]]
    assert len(steps("HEALTHCHECK")) == 1
    assert not [word for words in steps("ARG") for word in words if "BASE" not in word]
    compile((DEPLOY / "ready.py").read_text("utf-8"), "ready.py", "exec")
    assert "/health/ready" in (DEPLOY / "ready.py").read_text("utf-8")


def pins(name):
    text = (ROOT / "requirements" / name).read_text("utf-8")
    parts = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return {
        part.split()[0]: frozenset(re.findall(r"--hash=(\S+)", part))
        for part in parts
        if "==" in part
    }


def test_the_image_has_the_versions_that_the_tests_run_with():
    runs, tested = pins("runtime.lock"), pins("all.lock")
    assert runs
    assert {name: tested.get(name) for name in runs} == runs
    assert not [name for name in runs if name.startswith(("pytest==", "pyscard=="))]


def test_units_are_for_the_user_that_is_made():
    made = (DEPLOY / "systemd/eticket-ledger.sysusers").read_text("utf-8")
    users = re.findall(r"^u (\S+)", made, re.MULTILINE)
    for unit in SERVICES:
        assert service(unit)["User"] == users
    timer = RawConfigParser(strict=False)
    timer.read(DEPLOY / "systemd/eticket-ledger-doctor.timer")
    assert timer["Install"]["wantedby"] == "timers.target"
