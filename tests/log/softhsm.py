"""A security module in software: one token for all tests of a process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ledger.adapters.pkcs11_key import Token

MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
)
LABEL, PIN, OFFICERS_PIN = "ledger-tests", "5678", "1234"


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """Make the token before the module is loaded, which looks for tokens then."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(config)
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", LABEL),
            *("--pin", PIN, "--so-pin", OFFICERS_PIN),
        ],
        check=True,
        capture_output=True,
    )
    module = next(each for each in MODULES if each.exists())
    return Token(module, LABEL, "kek", PIN)
