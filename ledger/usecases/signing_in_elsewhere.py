"""People sign in at an OpenID provider, if one is configured.

leave ──► provider ──► come_back ──► session
  └── with an invitation: the account is opened on the way back
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from ledger.adapters.links import SECRET_MAX, Departure, Links
from ledger.adapters.oidc import OpenIdProvider, ProviderRefused
from ledger.adapters.sessions import Sessions
from ledger.errors import Conflict, Denied, Unknown


class NotInvited(Denied):
    code = "not_invited"
    says = "No account belongs to this sign-in; an invitation opens one."


class NotUnderWay(Conflict):
    code = "sign_in_not_under_way"
    says = "No sign-in of this browser waits for this answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What signing in elsewhere works with; without a provider there is none."""

    links: Links
    sessions: Sessions
    provider: OpenIdProvider | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider's redirect brought along (RFC 6749 section 4.1.2, RFC 9207)."""

    state: str
    code: str | None
    issuer: str | None


def leave(
    its: Elsewhere, *, return_to: str, at: datetime, invitation: str | None = None
) -> tuple[str, str]:
    """Return where the browser goes, and the secret it keeps meanwhile."""
    provider = _provider(its)
    departure = its.links.depart(return_to=return_to, invitation=invitation, at=at)
    address = provider.address(
        state=departure.state,
        nonce=departure.nonce,
        verifier=departure.verifier,
        at=at,
    )
    return address, departure.secret


def come_back(
    its: Elsewhere, answer: Answer, *, secret: str, instead_of: str, at: datetime
) -> tuple[str, str]:
    """Return the session that begins and where to go on; the way back is used up.

    Raises `NotUnderWay`, `ProviderRefused`, `ProviderDown`, `NotInvited`, and with an
    invitation `LoginTaken`.
    """
    provider = _provider(its)
    departure = Departure(secret)
    ours = hmac.compare_digest(answer.state.encode(), departure.state.encode())
    if not ours or len(secret) > SECRET_MAX:
        raise NotUnderWay
    found = its.links.come_back(departure, at=at)
    if found is None:
        raise NotUnderWay
    provider.require_sender(answer.issuer, at=at)
    if answer.code is None:
        raise ProviderRefused
    subject = provider.subject(
        answer.code, nonce=departure.nonce, verifier=departure.verifier, at=at
    )
    if found.invitation_sha256 is not None:
        its.links.link(
            found.invitation_sha256, issuer=provider.issuer, subject=subject, at=at
        )
    session = its.sessions.begin_linked(
        subject_index=its.links.index(provider.issuer, subject),
        instead_of=instead_of,
        at=at,
    )
    if session is None:
        raise NotInvited
    return session, found.return_to


def _provider(its: Elsewhere) -> OpenIdProvider:
    if its.provider is None:
        raise Unknown(what="sign-in at a provider here")
    return its.provider
