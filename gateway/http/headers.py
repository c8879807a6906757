"""The header fields of an answer that tell how it was found and when to ask again."""

from __future__ import annotations

from math import ceil

from gateway.ask import Answered
from gateway.http.reply import Header
from gateway.http.wire import age, failure_of

# The reason of a Bypass that the client asked for; every other reason is ours.
NO_CACHE = "no-cache"

SOONEST_POLL_MS, LATEST_POLL_MS, USUAL_POLL_MS = 200, 5000, 1000


def found_headers(answered: Answered) -> list[Header]:
    """For the answer that made the request; a later look at it finds the same clip but looked nothing up."""
    clip_age = age(answered)
    return [
        (b"cache-status", cache_status(answered)),
        *([] if clip_age is None else [(b"age", b"%d" % clip_age)]),
        *poll_headers(answered),
    ]


def cache_status(answered: Answered) -> bytes:
    """RFC 9211, for the answer that made the request. `stored` is said only where the answer waited for the clip."""
    request = answered.request
    if request.verdict in {"exact", "near"}:
        return b"Reprise; hit; detail=" + request.verdict.encode("ascii")
    if request.verdict == "bypass":
        status = b"Reprise; fwd=request" if request.reason == NO_CACHE else b"Reprise; fwd=bypass"
    else:
        status = b"Reprise; fwd=miss"
    if answered.waited and request.clip_id is not None and not request.no_store:
        status += b"; stored"
    return status + (b"; collapsed" if answered.collapsed or request.verdict == "joined" else b"")


def poll_headers(answered: Answered) -> list[Header]:
    """How soon an open video is worth asking for: a fifth of what is left, so that progress is seen to move."""
    if video_closed(answered):
        return []
    eta = answered.eta_ms
    after = USUAL_POLL_MS if eta is None else min(max(ceil(eta / 5), SOONEST_POLL_MS), LATEST_POLL_MS)
    return [(b"openai-poll-after-ms", b"%d" % after)]


def video_closed(answered: Answered) -> bool:
    return answered.request.clip_id is not None or failure_of(answered) is not None
