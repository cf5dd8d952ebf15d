"""A Python client of the ledger's HTTP API: it asks once, however often it has to.

    with Client("https://tickets.example", token) as ledger:
        for ticket in ledger.tickets.mine():
            print(ticket.title, ticket.right)

- `Client` has a noun for each door, beside `get`, `command` and `pages` for all others.
- A command carries one Idempotency-Key through all its tries: it has one effect.
- `Problem` is a refusal, with a stable `code`; `Unreachable` means that nobody knows.
- `DeviceCredentials` fetches and renews a machine's tokens, by its own key; `sign_in`
  begins a person's session.
- `verify_webhook` takes what the ledger sends; `proofs` checks what it has signed.

It imports nothing of the ledger, and nothing of the ledger imports it.
"""

from ledger_client import proofs
from ledger_client.calls import Calls, Reply
from ledger_client.client import Client
from ledger_client.connection import AddressRefused, Connection, Token
from ledger_client.credentials import DeviceCredentials
from ledger_client.positions import HighWater
from ledger_client.problems import ClientError, Problem, Unreachable
from ledger_client.proofs import Checkpoint, NotProven
from ledger_client.retries import ONCE, Retries
from ledger_client.sessions import PersonSession, sign_in, sign_out
from ledger_client.webhooks import Webhook, WebhookRefused, verify_webhook

__all__ = [
    "ONCE",
    "AddressRefused",
    "Calls",
    "Checkpoint",
    "Client",
    "ClientError",
    "Connection",
    "DeviceCredentials",
    "HighWater",
    "NotProven",
    "PersonSession",
    "Problem",
    "Reply",
    "Retries",
    "Token",
    "Unreachable",
    "Webhook",
    "WebhookRefused",
    "proofs",
    "sign_in",
    "sign_out",
    "verify_webhook",
]
