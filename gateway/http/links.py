"""Links: addresses of a video's bytes that need no key, for `<video src>`. Each is signed, expires, and names one video and variant.

The signature is an HMAC under a key of its own, derived from a signing key; the first of those signs, all verify, and the URL
names the one that did. A link says who signed it and until when; whether the clip may still be served is asked of the rows each time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import Literal

from litestar.types import HTTPScope

from cache.errors import Invalid, LinkExpired, LinkInvalid
from cache.request import Request
from gateway.auth.access import host_name, is_local

LINK_QUERY = ("variant", "expires", "key", "signature")
_STEP = 60  # seconds: a video that is asked for again keeps its links for as long, so a browser's copy keeps its name

# What a client may have of a clip: stored objects, and previews made of its video.
OfferedBytes = Literal["video", "thumbnail", "spritesheet", "webp", "gif"]
# The link to one kind of bytes of a request's clip, None where there is none.
LinkOf = Callable[[Request, OfferedBytes], str | None]


def no_link(_: Request, __: OfferedBytes) -> None:
    """The links of an instance without signing keys, or of a call whose host is not known: none."""


class Links:
    """`keys`: the signing keys, none: no links. `seconds`: how long a link is valid, rounded up to whole minutes.
    `public`: where clients reach this instance; empty: the host of the call, if it is this machine or one of `hosts`.
    """

    def __init__(self, keys: Sequence[str], seconds: float, public: str = "", hosts: Sequence[str] = ()) -> None:
        derived = [hmac.digest(hashlib.sha256(key.encode()).digest(), b"reprise link", "sha256") for key in keys]
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in derived}
        self._first = next(iter(self._keys.items()), ("", b""))
        self._seconds, self._public = seconds, public
        self._hosts = frozenset(host.lower() for host in hosts)

    def at(self, scope: HTTPScope) -> LinkOf:
        """The links for the answer to this call."""
        base = self._public or self._origin(scope)
        return no_link if base is None else self.under(base)

    def under(self, base: str) -> LinkOf:
        """The links of an answer that may name `base`; none where it is empty."""
        return partial(self._link, base) if base and self._keys else no_link

    @property
    def public(self) -> LinkOf:
        """The links of what no call asked for."""
        return self.under(self._public)

    def _origin(self, scope: HTTPScope) -> str | None:
        """Any other Host may be a name that a client made up, and what we send may be kept and shown to others."""
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
        name = host_name(host)
        return f"{scope['scheme']}://{host}" if name is not None and (name in self._hosts or is_local(name)) else None

    def _link(self, base: str, request: Request, kind: OfferedBytes) -> str | None:
        now = time.time()
        if request.expired(now):
            return None
        expires = ceil((now + self._seconds) / _STEP) * _STEP
        if request.expires_at is not None:
            expires = min(expires, int(request.expires_at))
        key_id, key = self._first
        # Nothing here needs escaping, and links are made for every hit.
        said = f"variant={kind}&expires={expires}&key={key_id}&signature={_signature(key, request.id, kind, expires)}"
        return f"{base}/v1/links/{request.id}?{said}"

    def check(self, video_id: str, kind: OfferedBytes, told: dict[str, str]) -> float:
        """The seconds that a link has left; `told` are its query parameters. Raises Invalid, LinkInvalid, LinkExpired."""
        for name in LINK_QUERY:
            if name not in told and name != "variant":  # which is the video, where nothing is said
                raise Invalid(name, f"a link has the query parameter {name!r}", "missing_required_parameter")
        text, key = told["expires"], self._keys.get(told["key"])
        if not (text.isascii() and text.isdecimal() and len(text) <= 12) or key is None:
            raise LinkInvalid("this link was not made here, or its key is no longer in use: read the video again for a new one")
        expires = int(text)
        if not hmac.compare_digest(_signature(key, video_id, kind, expires).encode(), told["signature"].encode("utf-8")):
            raise LinkInvalid("this link was changed: its signature is for another video, variant or time")
        left = expires - time.time()
        if left <= 0:
            raise LinkExpired("this link has expired: read the video again for a new one")
        return left


def _signature(key: bytes, video_id: str, kind: OfferedBytes, expires: int) -> str:
    said = f"{video_id}\n{kind}\n{expires}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, said, "sha256")).rstrip(b"=").decode("ascii")
