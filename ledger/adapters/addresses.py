"""Which addresses on the network a stranger may have us call: public ones alone.

Whoever names a host decides what it resolves to, and may decide anew each time. So a
host is resolved once, every address that it has is judged, and the connection is made
to one of those very addresses, never to the name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Returns all addresses of a host as text. Raises OSError."""

# What `is_global` of one Python version or another lets pass, or is no single host.
_REFUSED: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("100.64.0.0/10"),  # RFC 6598: carriers' own; some clouds' metadata.
    IPv4Network("192.0.0.0/24"),  # RFC 6890.
    IPv4Network("192.88.99.0/24"),  # RFC 7526: relays of 6to4.
    IPv4Network("198.18.0.0/15"),  # RFC 2544.
    IPv6Network("2001::/23"),  # RFC 2928: Teredo and other protocols.
    IPv6Network("fec0::/10"),  # RFC 3879: the old site-local ones.
    IPv6Network("64:ff9b:1::/48"),  # RFC 8215: translation within a network.
    IPv6Network("5f00::/16"),  # RFC 9602.
)
_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address inside.
# A last label of digits makes a resolver read the host as a number: 0x7f.1, 2130706433.
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")
_LABEL = re.compile(r"[0-9a-zA-Z_]([0-9a-zA-Z_-]{0,61}[0-9a-zA-Z_])?")
HOST_MAX = 253


class Forbidden(Exception):
    """The host is not one that we call; `str()` says why."""


def is_public(address: Address) -> bool:
    """Say whether an address is one single host of the public network."""
    inner = _inside(address)
    if inner is not None:
        return is_public(inner)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not any(address in each for each in _REFUSED if _fits(address, each))
    )


def check_host(host: str) -> None:
    """Raise `Forbidden` unless this is a host name, or an address plainly written."""
    try:
        if not is_public(ipaddress.ip_address(host.strip("[]"))):
            raise Forbidden("the address is not public")
        return
    except ValueError:
        pass
    labels = host.removesuffix(".").split(".")
    if len(host) > HOST_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise Forbidden("the host is not a name")
    if _NUMBER.fullmatch(labels[-1]):
        raise Forbidden("the host is a number in disguise")
    if len(labels) < 2:
        raise Forbidden("the host is a name of a local network")


def public_addresses(
    host: str, port: int, resolve: Resolver, *, loopback: bool = False
) -> list[str]:
    """Resolve a host, once; return its addresses, all of which are public.

    `loopback` lets this machine's own pass. Raises `Forbidden` if one of them is not
    public, OSError if there is none.
    """
    found = list(dict.fromkeys(resolve(host, port)))
    if not found:
        raise OSError("the host has no address")
    for each in found:
        try:
            address = ipaddress.ip_address(each)
        except ValueError:  # With a zone, as fe80::1%eth0: never a public one.
            raise Forbidden("the host is on a local network") from None
        # Python's versions differ in whether a mapped address can be a loopback.
        mapped = getattr(address, "ipv4_mapped", None) is not None
        ours = address.is_loopback and not mapped
        if not (is_public(address) or (loopback and ours)):
            raise Forbidden("the host is on a private network")
    return found


def resolve_by_system(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _inside(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _TRANSLATED or address in IPv6Network("::/96"):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _fits(address: Address, network: IPv4Network | IPv6Network) -> bool:
    return address.version == network.version
