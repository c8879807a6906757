"""Where webhooks may go: nothing that only this server can reach, however it is written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cache.errors import Invalid, NotSupported
from cache.settings import Settings
from gateway.webhooks.destinations import FIELD, Destinations
from generator.public_addresses import is_public

ANY = Destinations([])
SOME = Destinations(["hooks.example.com", "http://10.0.0.7:9000", "https://inside.example"])


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hooks",
        "https://shop.example:8443/a/b?c=d&e=%20",
        "https://203.0.113.9.nip.example/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://SHOP.example",
    ],
)
def test_public_https_is_allowed(url: str) -> None:
    ANY.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "",
        "shop.example",
        "//shop.example/",
        "https://user@shop.example/",
        "https://user:word@shop.example/",
        "https://shop.example/#part",
        "https://shop.example:port/",
        "https://shop.example:99999/",
        "https://shop.example/a b",
        "https://shop.example/\r\nHost: evil",
        "https://shop.example\\@evil.example/",
        "https://shöp.example/",
        "https://[::1/",
        "https://shop.example/" + "a" * 2048,
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001::1]/",
    ],
)
def test_everything_else_is_refused_by_name(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        ANY.check(url)
    assert refused.value.field == FIELD


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.com/a", True),
        ("https://HOOKS.example.com:444/a", True),
        ("http://hooks.example.com/a", False),
        ("https://other.example.com/a", False),
        ("https://hooks.example.com.evil.example/", False),
        ("http://10.0.0.7:9000/a", True),
        ("http://10.0.0.7/a", False),
        ("https://10.0.0.7:9000/a", False),
        ("https://inside.example:443/", True),
        ("http://inside.example/", False),
    ],
)
def test_a_list_of_hosts_is_the_limit(url: str, allowed: bool) -> None:
    if allowed:
        SOME.check(url)
        return
    with pytest.raises(Invalid):
        SOME.check(url)


@pytest.mark.parametrize(
    ("url", "address", "permitted"),
    [
        ("https://hooks.example.com/", "8.8.8.8", True),
        ("https://hooks.example.com/", "127.0.0.1", False),
        ("https://hooks.example.com/", "::ffff:10.0.0.1", False),
        ("https://hooks.example.com/", "fe80::1%eth0", False),
        ("https://hooks.example.com/", "nothing", False),
        ("https://inside.example/", "10.9.9.9", True),
        ("http://10.0.0.7:9000/", "10.0.0.7", True),
    ],
)
def test_a_name_is_worth_what_its_address_is(url: str, address: str, permitted: bool) -> None:
    assert SOME.permits(url, address) is permitted


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_what_it_maps_to(address: IPv4Address) -> None:
    assert is_public(IPv6Address(f"::ffff:{address}")) is is_public(address)


def test_without_keys_there_are_no_webhooks() -> None:
    with pytest.raises(NotSupported):
        Destinations([], signed=False).check("https://shop.example/")


@pytest.mark.parametrize("wrong", ["https://x/path", "*", "a b", "ftp://x", "hooks.example.com:443", "http://*"])
def test_what_is_no_host_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"webhooks is|origin is"):
        Settings(webhook_hosts=(wrong,))
