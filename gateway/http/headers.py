"""The header fields of an answer that say how it was found and when to poll again."""

from __future__ import annotations

from math import ceil

from gateway.answering.ask import Answered
from gateway.http.reply import Header
from gateway.http.video_objects import clip_age, failure_of

# The reason of a Bypass that the client asked for; every other reason is ours.
NO_CACHE = "no-cache"

SOONEST_POLL_MS, LATEST_POLL_MS, USUAL_POLL_MS = 200, 5000, 1000


def found_headers(answered: Answered) -> list[Header]:
    """The headers of the answer that created the request; later reads looked nothing up and do not have them."""
    seconds = clip_age(answered)
    return [
        (b"cache-status", cache_status(answered)),
        *([] if seconds is None else [(b"age", b"%d" % seconds)]),
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
    """The poll interval of an open video."""
    return [] if video_closed(answered) else [(b"openai-poll-after-ms", b"%d" % poll_after_ms(answered))]


def poll_after_ms(answered: Answered) -> int:
    """A fifth of the time left, so that progress is visible."""
    eta = answered.eta_ms
    return USUAL_POLL_MS if eta is None else min(max(ceil(eta / 5), SOONEST_POLL_MS), LATEST_POLL_MS)


def video_closed(answered: Answered) -> bool:
    return answered.request.clip_id is not None or failure_of(answered) is not None
