"""Destinations: which URLs and addresses webhooks may go to. Pure; so that nobody makes this server call what only it can reach."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from cache.errors import Invalid, NotSupported
from generator.public_addresses import is_public

FIELD = "reprise.webhook_url"
_LONGEST = 2048  # characters
_PORTS = {"http": 80, "https": 443}


class Destinations:
    """`allowed`: host names, to which others are not, if there are any; and origins such as `http://10.0.0.7:9000`, which may also
    be private or without TLS. `signed`: there are keys to sign with.
    """

    def __init__(self, allowed: Sequence[str], signed: bool = True) -> None:
        self._origins = {origin_of(urlsplit(one)) for one in allowed if "://" in one}
        self._hosts = {one.lower() for one in allowed if "://" not in one}
        self._limited, self._signed = bool(allowed), signed

    def check(self, url: str) -> None:
        """Raises Invalid, or NotSupported where nothing could be signed."""
        if not self._signed:
            raise NotSupported(FIELD, "webhooks are signed, and this server has no signing keys (REPRISE_SIGNING_KEYS)")
        parts = _parts(url)
        if self._trusted(parts):
            return
        host = parts.hostname or ""
        if parts.scheme != "https":
            raise Invalid(FIELD, "a webhook URL begins with https://")
        if self._limited and host not in self._hosts:
            raise Invalid(FIELD, f"webhooks to {host[:80]!r} are not allowed here (REPRISE_WEBHOOK_HOSTS)")
        literal = _address(host)
        if literal is not None and not is_public(literal):
            raise Invalid(FIELD, f"{host[:80]} is no public address")

    def permits(self, url: str, address: str) -> bool:
        """True if a call to this URL, which passed `check`, may go to an address that its host has now."""
        found = _address(address.partition("%")[0])
        return found is not None and (self._trusted(_parts(url)) or is_public(found))

    def _trusted(self, parts: SplitResult) -> bool:
        return origin_of(parts) in self._origins


def origin_of(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _parts(url: str) -> SplitResult:
    """The parts of a URL that could be called. Raises Invalid."""
    if len(url) > _LONGEST or not url.isascii() or any(char <= " " or char in '\\"<>' or char == "\x7f" for char in url):
        raise Invalid(FIELD, f"a webhook URL has at most {_LONGEST:,} ASCII characters, none of them a space")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # ValueError for what is no port
    except ValueError:
        raise Invalid(FIELD, "this is not a URL") from None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise Invalid(FIELD, "a webhook URL is https://host/path, without a user, a password or a fragment")
    return parts


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
