"""Which addresses are called: public ones, by whatever name or number they go.

Bugs planted to see this fail: the IPv4 address inside an IPv6 one not looked at; the
first of several addresses judged, the others not.
"""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.addresses import (
    Forbidden,
    check_host,
    is_public,
    public_addresses,
    resolve_by_system,
)
from ledger.adapters.webhooks import BadUrl, Target

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",  # Metadata at one cloud.
    "169.254.0.1",
    "169.254.169.254",  # Metadata at most clouds.
    "192.0.0.192",  # Metadata at another.
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:1::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",  # Metadata over IPv6.
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "100::1",
]
PUBLIC = [
    "1.1.1.1",
    "9.9.9.9",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_an_address_that_is_not_public_is_not_called_by_number_or_by_name(text):
    assert not is_public(ipaddress.ip_address(text))
    with pytest.raises(Forbidden):
        check_host(text)
    with pytest.raises(Forbidden):
        public_addresses("hooks.example.org", 443, lambda *_: ["1.1.1.1", text])
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(BadUrl):
        Target.parse(f"https://{host}/hook")


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_called(text):
    assert is_public(ipaddress.ip_address(text))
    check_host(text)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::"]))
def test_an_address_within_an_address_is_judged_by_what_is_within(inner, prefix):
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + int(inner))
    assert is_public(outer) == is_public(inner)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "017700000001",
        "1.1.1.0x1",
        "localhost",
        "metadata",
        "a..b",
        "-a.example",
        "ex ample.org",
        "example.org%00.evil.org",
        "\uff11\uff12\uff17.0.0.1",
        "a" * 64 + ".org",
        "",
    ],
)
def test_a_number_in_disguise_and_a_local_name_are_no_hosts(host):
    with pytest.raises(Forbidden):
        check_host(host)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_what_the_system_makes_of_a_number_is_judged_as_well(host):
    """Were the form let pass, the resolver's answer is still what counts."""
    with pytest.raises((Forbidden, OSError)):
        public_addresses(host, 443, resolve_by_system)


def test_an_address_with_a_zone_is_on_a_local_network():
    with pytest.raises(Forbidden):
        public_addresses("hooks.example.org", 443, lambda *_: ["fe80::1%eth0"])


def test_loopback_passes_where_development_asks_for_it_and_nothing_else_does():
    found = public_addresses("h", 1, lambda *_: ["127.0.0.1", "::1"], loopback=True)
    assert found == ["127.0.0.1", "::1"]
    for other in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"):
        with pytest.raises(Forbidden):
            public_addresses("h", 1, lambda *_, each=other: [each], loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "http://localhost/",
        "https://localhost/",
        "https://user@hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org\\@10.0.0.1/",
        "https://hooks.example.org:99999/",
        "https:///path",
        "file:///etc/passwd",
        "gopher://hooks.example.org/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX: y",
        "https://höoks.example.org/",
        "https://hooks.example.org/" + "a" * 2_000,
        "",
    ],
)
def test_a_url_that_is_not_plainly_https_to_a_public_host_is_refused(url):
    with pytest.raises(BadUrl):
        Target.parse(url)


def test_a_url_is_taken_apart():
    assert Target.parse("https://hooks.example.org/a?b=c") == Target(
        secure=True, host="hooks.example.org", port=443, path="/a?b=c"
    )
    assert Target.parse("http://localhost:8080", loopback=True) == Target(
        secure=False, host="localhost", port=8080, path="/"
    )
