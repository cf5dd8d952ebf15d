"""Webhooks: signed as others expect, sent to the address that was judged, or not sent.

Bugs planted to see this fail: a second look-up when connecting; the certificate checked
against the address and not the name; a redirect taken for an answer.
"""

from __future__ import annotations

import base64
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from ledger.adapters.webhooks import Webhooks, signed
from ledger.ports import Destination, Message, Undelivered
from tests.policies.receivers import HOOK, receiving, trust

KEY, OLD = b"k" * 32, b"o" * 32
AT = datetime.now(UTC).replace(microsecond=0)
MESSAGE = Message(message_id="msg_1", subject="S", text="T", body=b'{"type":"sold"}')


def webhooks(**given):
    return Webhooks(user_agent="eticket-ledger", **given)


def local(**given):
    return webhooks(loopback=True, **given)


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def test_what_is_sent_verifies_by_another_implementation_of_the_standard():
    with receiving() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/hook?x=1"
        local().deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    ((path, headers, body),) = receiver.taken
    assert path == "/hook?x=1"
    assert headers["Content-Type"] == "application/json"
    assert Webhook(secret(KEY)).verify(body, headers) == {"type": "sold"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(OLD)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(KEY)).verify(body + b" ", headers)


def test_while_a_secret_is_rotated_both_verify():
    headers = signed(MESSAGE, (KEY, OLD), at=AT)
    for key in (KEY, OLD):
        assert Webhook(secret(key)).verify(MESSAGE.body, headers)


def test_a_replay_is_known_by_its_old_time():
    headers = signed(MESSAGE, (KEY,), at=AT - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret(KEY)).verify(MESSAGE.body, headers)


def test_the_signature_of_the_standards_own_example():
    """The example of standardwebhooks' test suite, from its specification's text."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    message = Message(
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        subject="",
        text="",
        body=b'{"test": 2432232314}',
    )
    at = datetime.fromtimestamp(1614265330, UTC)
    said = signed(message, (key,), at=at)["webhook-signature"]
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_name_is_looked_up_once_and_its_certificate_is_asked_for(tmp_path):
    """A rebinding resolver: what it says the second time, nobody asks."""
    its = trust(tmp_path, HOOK, at=AT)
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]

    with receiving(its.server) as receiver:
        url = f"https://{HOOK}:{receiver.port}/hook"
        sender = local(resolve=resolve, tls=its.client)
        sender.deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert asked == [HOOK]
    ((_, headers, _),) = receiver.taken
    assert headers["Host"] == f"{HOOK}:{receiver.port}"


def test_a_resolver_that_turns_to_a_private_address_is_not_followed(monkeypatch):
    """Judged as public, connected to as judged: the private one is never called."""
    called: list[str] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        called.append(address[0])
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    answers = iter([["9.9.9.9"], ["169.254.169.254"]])
    sender = webhooks(resolve=lambda *_: next(answers))
    for _ in range(2):
        with pytest.raises(Undelivered):
            sender.deliver(MESSAGE, Destination(f"https://{HOOK}/", (KEY,)), at=AT)
    assert called == ["9.9.9.9"]


@pytest.mark.parametrize("name", ["other.example.org"])
def test_a_certificate_for_another_name_is_not_trusted(tmp_path, name):
    its = trust(tmp_path, name, at=AT)
    with receiving(its.server) as receiver:
        url = f"https://{HOOK}:{receiver.port}/hook"
        sender = local(resolve=lambda *_: ["127.0.0.1"], tls=its.client)
        with pytest.raises(Undelivered, match="SSLCertVerificationError"):
            sender.deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert receiver.taken == []


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path):
    its = trust(tmp_path, HOOK, at=AT)
    with receiving(its.server) as receiver:
        url = f"https://{HOOK}:{receiver.port}/hook"
        sender = local(resolve=lambda *_: ["127.0.0.1"])
        with pytest.raises(Undelivered):
            sender.deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert receiver.taken == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with receiving() as inner, receiving() as outer:
        outer.status = status
        outer.location = f"http://127.0.0.1:{inner.port}/"
        url = f"http://127.0.0.1:{outer.port}/"
        with pytest.raises(Undelivered, match="redirect"):
            local().deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert len(outer.taken) == 1
    assert inner.taken == []


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_any_other_answer_is_a_failure_to_try_again(status):
    with receiving() as receiver:
        receiver.status = status
        url = f"http://127.0.0.1:{receiver.port}/"
        with pytest.raises(Undelivered, match=str(status)) as failed:
            local().deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert not failed.value.for_good


def test_gone_is_for_good():
    with receiving() as receiver:
        receiver.status = 410
        url = f"http://127.0.0.1:{receiver.port}/"
        with pytest.raises(Undelivered) as failed:
            local().deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert failed.value.gone
    assert failed.value.for_good


def test_without_the_setting_of_development_this_machine_is_not_called():
    with receiving() as receiver:
        for url in (
            f"http://127.0.0.1:{receiver.port}/",
            f"https://127.0.0.1:{receiver.port}/",
            f"https://[::ffff:127.0.0.1]:{receiver.port}/",
            f"https://2130706433:{receiver.port}/",
            f"https://0x7f.1:{receiver.port}/",
            f"https://localtest.example:{receiver.port}/",
        ):
            sender = webhooks(resolve=lambda *_: ["127.0.0.1"])
            with pytest.raises(Undelivered, match="nothing is sent there"):
                sender.deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
    assert receiver.taken == []


def test_nobody_there_and_no_such_host_are_failures_to_try_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for resolve in (lambda *_: ["127.0.0.1"], no_such_host):
        url = f"http://localhost:{port}/"
        with pytest.raises(Undelivered) as failed:
            local(resolve=resolve).deliver(MESSAGE, Destination(url, (KEY,)), at=AT)
        assert not failed.value.for_good


def no_such_host(*_: object) -> list[str]:
    raise socket.gaierror("no such host")


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 "])
def test_whoever_answers_without_an_end_is_cut_off(drip):
    with dripping(drip) as port:
        began = monotonic()
        with pytest.raises(Undelivered):
            local(total_s=0.3).deliver(
                MESSAGE, Destination(f"http://127.0.0.1:{port}/", (KEY,)), at=AT
            )
        assert monotonic() - began < 3


def test_a_handshake_that_never_ends_is_cut_off():
    with dripping(b"") as port:
        began = monotonic()
        sender = local(total_s=0.3, resolve=lambda *_: ["127.0.0.1"])
        with pytest.raises(Undelivered):
            sender.deliver(
                MESSAGE, Destination(f"https://{HOOK}:{port}/", (KEY,)), at=AT
            )
        assert monotonic() - began < 3


class dripping:  # noqa: N801, read as a verb
    """A server that says the same few bytes again and again."""

    def __init__(self, drip: bytes) -> None:
        self._drip = drip
        self._stop = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        connected, _ = self._server.accept()
        with connected:
            while not self._stop.wait(0.05):
                try:
                    connected.sendall(self._drip)
                except OSError:
                    return


def test_the_ten_lines_of_the_documentation_verify_what_is_sent():
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    told: dict[str, Any] = {}
    exec(code, told)  # noqa: S102 - what receivers are told to run
    headers = signed(MESSAGE, (KEY, OLD), at=AT)
    for key in (KEY, OLD):
        assert told["verify"](secret(key), headers, MESSAGE.body)
    assert not told["verify"](secret(b"x" * 32), headers, MESSAGE.body)
    assert not told["verify"](secret(KEY), headers, MESSAGE.body + b" ")
    old = signed(MESSAGE, (KEY,), at=AT - timedelta(minutes=6))
    assert not told["verify"](secret(KEY), old, MESSAGE.body)
