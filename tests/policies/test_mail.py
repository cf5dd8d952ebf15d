"""Mail, handed to a real SMTP server: over TLS, or not at all; nobody's address leaks.

Bugs planted to see this fail: STARTTLS tried and its absence put up with; the server's
words repeated in what is told of a failure.
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from ledger.adapters.smtp import BadServer, Mail, MailServer, is_address
from ledger.ports import Destination, Message, Undelivered
from tests.policies.receivers import mailbox, trust

AT = datetime.now(UTC).replace(microsecond=0)
SENDER = "Tickets <tickets@example.org>"
BOB = Destination("bob@example.net")
MESSAGE = Message(
    message_id="msg_1", subject="Ein Fahrschein", text="Grüße, Bob.\n", body=b"{}"
)


def mail(port: int, scheme: str = "smtp+plain", user: str = "", **given) -> Mail:
    server = MailServer.parse(f"{scheme}://{user}127.0.0.1:{port}")
    return Mail(server, sender=SENDER, timeout_s=5, **given)


def test_a_letter_arrives_with_all_that_a_letter_has():
    with mailbox() as box:
        mail(box.port).deliver(MESSAGE, BOB, at=AT)
    ((sender, recipients, content),) = box.letters
    assert (sender, recipients) == ("tickets@example.org", ["bob@example.net"])
    letter = message_from_bytes(content, policy=policy.default)
    assert letter["From"] == SENDER
    assert letter["To"] == "bob@example.net"
    assert letter["Subject"] == "Ein Fahrschein"
    assert letter["Message-ID"] == "<msg_1@example.org>"
    assert letter["Date"].datetime == AT
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().replace("\r\n", "\n") == "Grüße, Bob.\n"


def test_with_starttls_the_letter_and_the_password_go_over_tls(tmp_path):
    its = trust(tmp_path, "mail.example.org", at=AT)
    with mailbox(its.server, login=("us", "p:ss")) as box:
        sender = mail(box.port, "smtp", "us:p%3Ass@", tls=its.client)
        sender.deliver(MESSAGE, BOB, at=AT)
    assert box.over_tls == [True]
    assert box.logins == [(b"us", b"p:ss")]


@pytest.mark.parametrize("user", ["", "us:secret@"])
def test_a_server_that_offers_no_starttls_is_given_nothing(user):
    login = ("us", "secret") if user else None
    with (
        mailbox(login=login) as box,
        pytest.raises(Undelivered, match="TLS") as failed,
    ):
        mail(box.port, "smtp", user).deliver(MESSAGE, BOB, at=AT)
    assert not failed.value.for_good
    assert (box.letters, box.logins) == ([], [])


def test_a_server_whose_certificate_nobody_vouches_for_is_given_nothing(tmp_path):
    its = trust(tmp_path, "mail.example.org", at=AT)
    with (
        mailbox(its.server) as box,
        pytest.raises(Undelivered, match="SSLCertVerificationError"),
    ):
        mail(box.port, "smtp").deliver(MESSAGE, BOB, at=AT)
    assert box.letters == []


@pytest.mark.parametrize(("answer", "for_good"), [("550", True), ("450", False)])
def test_a_recipient_who_is_refused_for_good_is_not_tried_again(answer, for_good):
    with mailbox() as box:
        box.refuse_recipient = answer
        with pytest.raises(Undelivered, match=answer) as failed:
            mail(box.port).deliver(MESSAGE, BOB, at=AT)
    assert failed.value.for_good == for_good
    assert "bob" not in str(failed.value)


@pytest.mark.parametrize(("answer", "for_good"), [("554", True), ("451", False)])
def test_a_message_that_is_refused_for_good_is_not_tried_again(answer, for_good):
    with mailbox() as box:
        box.refuse_message = answer
        with pytest.raises(Undelivered, match=answer) as failed:
            mail(box.port).deliver(MESSAGE, BOB, at=AT)
    assert failed.value.for_good == for_good


def test_a_wrong_password_is_the_operators_to_put_right_so_it_is_tried_again(tmp_path):
    its = trust(tmp_path, "mail.example.org", at=AT)
    with mailbox(its.server, login=("us", "secret")) as box:
        sender = mail(box.port, "smtp", "us:wrong@", tls=its.client)
        with pytest.raises(Undelivered, match="login") as failed:
            sender.deliver(MESSAGE, BOB, at=AT)
    assert not failed.value.for_good
    assert "wrong" not in str(failed.value)


def test_nobody_who_answers_is_a_failure_to_try_again():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        server = MailServer.parse(f"smtp+plain://127.0.0.1:{port}")
        with pytest.raises(Undelivered, match="did not answer") as failed:
            Mail(server, sender=SENDER, timeout_s=0.2).deliver(MESSAGE, BOB, at=AT)
    assert not failed.value.for_good
    with pytest.raises(Undelivered, match="ConnectionRefusedError"):
        mail(port).deliver(MESSAGE, BOB, at=AT)


@pytest.mark.parametrize(
    "contact",
    [
        "bob",
        "@example.net",
        "bob@",
        "bob@example.net\r\nBcc: all@example.net",
        "bob@example.net, eve@example.net",
        "Bob <bob@example.net>",
        "bob@example.net eve@example.net",
        "bob@a@b",
        "+41 79 000 00 00",
        "b" * 65 + "@example.net",
        "b@" + "e" * 260,
    ],
)
def test_what_is_no_address_is_not_written_to(contact):
    assert not is_address(contact)
    with pytest.raises(Undelivered) as failed:
        mail(1).deliver(MESSAGE, Destination(contact), at=AT)
    assert failed.value.for_good
    assert contact not in str(failed.value)


def test_a_mail_server_is_said_as_a_url():
    assert MailServer.parse("smtps://mail.example.org") == MailServer(
        "smtps", "mail.example.org", 465
    )
    its = MailServer.parse("smtp://us:p%40ss@mail.example.org")
    assert (its.port, its.user, its.password) == (587, "us", "p@ss")
    assert "p@ss" not in repr(its)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "https://mail.example.org",
        "smtp://",
        "smtp://us@mail.example.org",
        "smtp://mail.example.org/x",
        "smtp://mail.example.org:x",
        "smtp+plain://mail.example.org",
        "smtp+plain://us:secret@10.0.0.1",
    ],
)
def test_a_mail_server_that_would_be_used_wrongly_is_refused(url):
    with pytest.raises(BadServer) as bad:
        MailServer.parse(url)
    assert "secret" not in str(bad.value)
