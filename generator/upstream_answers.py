"""The answers of servers that speak `/v1/videos`: state, id, progress, reasons and addresses in them, by whatever word. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from urllib.parse import quote

LONGEST_ID = 2000  # characters; a proxy's id may hold another one, a model's name and who asked, in base64
LONGEST_REASON = 500  # characters of what a server said that are passed on

Told = Mapping[str, object]


class UpstreamState(Enum):
    """The state of a video as a server tells it. UNKNOWN is a word that nobody has told us, which may mean anything."""

    OPEN = "open"
    DONE = "done"
    OVER = "over"
    UNKNOWN = "unknown"


_WORDS: Mapping[UpstreamState, str] = {
    UpstreamState.OPEN: "queued in_progress running processing pending submitted not_start starting preparing generating cancelling",
    UpstreamState.DONE: "completed succeeded success",
    UpstreamState.OVER: "failed failure error cancelled canceled expired deleted rejected",
}
_STATES = {word: state for state, words in _WORDS.items() for word in words.split()}


def status_word(answer: Told) -> str:
    """The word for the state, as the server wrote it; empty where there is none."""
    word = answer.get("status")
    return word[:64] if isinstance(word, str) else ""


def state_of(answer: Told) -> UpstreamState:
    return _STATES.get(status_word(answer).lower().replace("-", "_").replace(" ", "_"), UpstreamState.UNKNOWN)


def path_of(answer: Told) -> str | None:
    """The path of a new video under the API's base, its id quoted; None for an answer without a name for anything."""
    named = answer.get("id")
    if isinstance(named, int) and not isinstance(named, bool):
        named = str(named)
    # Dots alone are no name but a way to another place, quoted or not.
    if not isinstance(named, str) or not named.strip("."):
        return None
    return f"videos/{quote(named, safe='', errors='replace')}"


def usable(path: str) -> bool:
    """False for an id so long that something must be wrong with it."""
    return len(path) <= len("videos/") + 3 * LONGEST_ID


def share_done(answer: Told) -> float:
    """The progress as a share under 1; 0 where none is told."""
    percent = answer.get("progress")
    return min(99.0, max(0.0, float(percent))) / 100 if isinstance(percent, (int, float)) and not isinstance(percent, bool) else 0.0


def addresses(answer: Told) -> list[str]:
    """The other addresses of a finished video: what stands under `url`, `video_url` or `output`, plain, listed or in an object."""
    found = [address for name in ("url", "video_url", "output") for address in _texts(answer.get(name))]
    return list(dict.fromkeys(found))[:3]


def _texts(value: object) -> Iterator[str]:
    match value:
        case str() if value:
            yield value
        case [first, *_]:
            yield from _texts(first)
        case {"url": str(inner)} | {"video_url": str(inner)}:
            yield inner


def reason(answer: object) -> str:
    """The server's own words for a failure; empty where it has none. OpenAI's envelope, FastAPI's `detail`, and the flat ones."""
    return _reason(answer)[:LONGEST_REASON]


def _reason(answer: object) -> str:
    match answer:
        case str():
            return answer
        case list():
            return "; ".join(filter(None, map(_reason, answer[:5])))
        case {"loc": list(place), "msg": str(said)}:
            return f"{'.'.join(str(step) for step in place if step not in {'body', 'query'})}: {said}"
        case dict():
            named = (answer.get(name) for name in ("error", "detail", "message", "msg", "error_message", "fail_reason"))
            return next((said for value in named if value is not None and (said := _reason(value))), "")
    return ""
