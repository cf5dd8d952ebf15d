"""What docs/client.md shows is run as it stands there, and prints what it says.

Planted and caught: a method of the page's misspelt; another code than the page shows; a
door of the table that is not there.
"""

import contextlib
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook as Sender

from ledger_client import Client
from tests.api.signed_in import ADA, KETTLE, account

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
PLACES = [f"Row 4 seat {number}" for number in (12, 13, 14)]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = (
    b'{"type":"gift_offered","timestamp":"2026-11-23T11:59:00+00:00",'
    b'"data":{"position":4711}}'
)


@pytest.fixture
def names(stage):
    """What the page's blocks stand on."""
    ada, now = stage.callers.ada, datetime.now(UTC)
    stage.callers.rich(ada)
    account(stage.callers, ada)
    with stage.its.publisher() as publisher:
        publisher.round()
        with Client(stage.url, ada.token) as ledger:
            vkey = ledger.get("/v1/issuer-keys").said["log_key"]
            yield {
                "SERVER": stage.url,
                "NAME": ADA,
                "PASSWORD": KETTLE,
                "TOKEN": ada.token,
                "OFFERING": stage.callers.offering(places=PLACES),
                "DEVICE": ada.party_id,
                "PRIVATE_KEY": Ed25519PrivateKey.generate(),
                "SECRET": SECRET,
                "BODY": BODY,
                "HEADERS": {
                    "webhook-id": "msg_1",
                    "webhook-timestamp": str(int(now.timestamp())),
                    "webhook-signature": Sender(SECRET).sign(
                        "msg_1", now, BODY.decode()
                    ),
                },
                "LOG_KEY": vkey,
                "SEEN": ledger.log.included(1, vkeys=[vkey]).checkpoint,
                "publish": publisher.round,
                "ledger": ledger,
            }


def test_the_page_runs_and_prints_what_it_says(names):
    assert len(BLOCKS) == 6
    kept = names["ledger"]
    for block in BLOCKS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "docs/client.md", "exec"), names)  # noqa: S102
        names["ledger"] = kept
        shown = "".join(f"{line}\n" for line in re.findall(r"^# > (.*)$", block, re.M))
        assert printed.getvalue() == shown, block


def test_every_door_of_the_table_is_there_and_none_is_missing():
    told = {noun: set(re.findall(r"`(\w+)`", doors)) for noun, doors in ROWS}
    with Client("http://127.0.0.1:1", "secret") as client:
        nouns = {
            name: noun
            for name, noun in vars(client).items()
            if type(noun).__module__.startswith("ledger_client.nouns")
        }
        assert told.keys() == nouns.keys()
        for name, noun in nouns.items():
            doors = {door for door in dir(noun) if not door.startswith("_")}
            assert told[name] - {"as_of"} == doors, name
