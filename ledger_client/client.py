"""A program's side of the ledger's HTTP API: one object, with a noun for each door."""

from __future__ import annotations

from typing import Self

from ledger_client.calls import Calls
from ledger_client.connection import TIMEOUT_S, Connection, Token
from ledger_client.nouns.accounts import Accounts
from ledger_client.nouns.coupons import Coupons
from ledger_client.nouns.dispenses import Dispenses
from ledger_client.nouns.gifts import GiftOffers
from ledger_client.nouns.listings import Listings
from ledger_client.nouns.log import Log
from ledger_client.nouns.media import Media
from ledger_client.nouns.orders import Orders
from ledger_client.nouns.taps import Taps
from ledger_client.nouns.tickets import Tickets
from ledger_client.positions import HighWater
from ledger_client.retries import Retries


class Client(Calls):
    """The ledger, as one caller may use it. Threads may share it.

    Beside the nouns there are `get`, `command` and `pages`, for all that has none.
    """

    def __init__(
        self,
        base_url: str,
        token: Token | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        ca_file: str | None = None,
        retries: Retries | None = None,
        positions: HighWater | None = None,
    ) -> None:
        """`token` is a bearer token, what returns one, such as `DeviceCredentials`, or
        the headers of a `PersonSession`.

        Raises `AddressRefused` unless `base_url` is https, or http on loopback.
        """
        connection = Connection(base_url, token, timeout_s=timeout_s, ca_file=ca_file)
        super().__init__(connection, retries=retries, positions=positions)
        self.tickets = Tickets(self)
        self.orders = Orders(self)
        self.gift_offers = GiftOffers(self)
        self.listings = Listings(self)
        self.coupons = Coupons(self)
        self.taps = Taps(self)
        self.media = Media(self)
        self.dispenses = Dispenses(self)
        self.accounts = Accounts(self)
        self.log = Log(self)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
