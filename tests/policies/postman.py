"""A process that sends one letter and then waits, for tests to kill.

URL, schema and the mail server's port are its words; it says when the letter is there.
"""

import sys
from datetime import datetime
from threading import Event

from ledger.adapters.outbox import Outbox
from ledger.adapters.smtp import Mail, MailServer
from ledger.adapters.subscriptions import Subscriptions
from ledger.application import Ledger
from ledger.clock import new_id
from ledger.log.cipher import SubjectCipher
from ledger.log.recorder import environment
from ledger.policies.sending import Sender
from ledger.ports import Destination, Message
from tests.domain.examples import NOON
from tests.log.keys import local_keys


class Last(Mail):
    """Delivers, says so, and does not come back."""

    def deliver(self, message: Message, to: Destination, *, at: datetime) -> None:
        super().deliver(message, to, at=at)
        sys.stdout.write("delivered\n")
        sys.stdout.flush()
        Event().wait()


if __name__ == "__main__":
    url, schema, port = sys.argv[1:]
    ledger = Ledger(environment(url, schema, 3))
    datastore = ledger.recorder.datastore
    Sender(
        ledger,
        Outbox(datastore),
        Subscriptions(datastore, key_encryption=bytes(32)),
        SubjectCipher(datastore, key_encryption=local_keys(bytes(32))),
        {
            "email": Last(
                MailServer.parse(f"smtp+plain://127.0.0.1:{port}"),
                sender="tickets@example.org",
            )
        },
        origin="tickets.example/log",
        new_id=new_id,
        chance=lambda: 1.0,
    ).send_next(lambda: NOON)
