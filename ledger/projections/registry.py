"""All projections, by name: what the runner runs and what can be rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from eventsourcing.postgres import PostgresDatastore

from ledger.errors import Unknown
from ledger.projections.accounts import Accounts, AccountsView
from ledger.projections.base import Projection, View
from ledger.projections.cases import Cases, CasesView
from ledger.projections.devices import Devices, DevicesView
from ledger.projections.elsewhere import Elsewhere, ElsewhereView
from ledger.projections.entries import Entries, EntriesView
from ledger.projections.freshness import Freshness, FreshnessView
from ledger.projections.gifts import Gifts, GiftsView
from ledger.projections.market import Market, MarketView
from ledger.projections.media import Media, MediaView
from ledger.projections.notices import Notices, NoticesView
from ledger.projections.offerings import Offerings, OfferingsView
from ledger.projections.orders import Orders, OrdersView
from ledger.projections.ownership import Ownership, OwnershipView
from ledger.projections.redemptions import Redemptions, RedemptionsView
from ledger.projections.sales import Sales, SalesView
from ledger.projections.wallet import Wallet, WalletView

AnyProjection: TypeAlias = Projection[Any]

_VIEWS: Mapping[type[View], type[AnyProjection]] = {
    OwnershipView: Ownership,
    FreshnessView: Freshness,
    WalletView: Wallet,
    NoticesView: Notices,
    AccountsView: Accounts,
    GiftsView: Gifts,
    CasesView: Cases,
    MarketView: Market,
    SalesView: Sales,
    ElsewhereView: Elsewhere,
    RedemptionsView: Redemptions,
    DevicesView: Devices,
    MediaView: Media,
    EntriesView: Entries,
    OfferingsView: Offerings,
    OrdersView: Orders,
}

NAMES: tuple[str, ...] = tuple(view.name for view in _VIEWS)


def projection(name: str, datastore: PostgresDatastore) -> AnyProjection:
    """Make one projection with a view of its own. Raises `Unknown`."""
    for view, kind in _VIEWS.items():
        if view.name == name:
            return kind(view(datastore))
    raise Unknown(what="projection")


def projections(datastore: PostgresDatastore) -> list[AnyProjection]:
    """Make all projections, each with a view of its own."""
    return [projection(name, datastore) for name in NAMES]
