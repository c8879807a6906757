"""What the HTTP edge hands to the answer, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from cache.clip import Clip, ObjectKind, StoredObject
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.request import Request
from gateway.entry.access import Caller
from gateway.http.directives import Directives
from generator.job import Job, Priority

Order = Literal["asc", "desc"]


@dataclass(frozen=True)
class VideoAsk:
    """One `POST /v1/videos`, decoded, converted and checked. `wait` is in seconds, within the limit.

    `body_digest` is the same for the same fields, in whichever encoding they came; it is empty without an Idempotency-Key.
    """

    caller: Caller
    prompt: Prompt
    recipe: Recipe
    seed: int | None
    priority: Priority
    allow_smaller: bool
    tags: tuple[str, ...]
    directives: Directives
    wait: float
    idempotency_key: str | None
    body_digest: str


@dataclass(frozen=True)
class Answered:
    """A Request with what it stands on. Of an open one `job` is there; of a finished one `clip`, unless it is gone."""

    request: Request
    clip: Clip | None = None
    job: Job | None = None
    matched_prompt: str | None = None
    queue_position: int | None = None
    eta_ms: int | None = None
    collapsed: bool = False
    waited: bool = False


class Answer(Protocol):
    """The story of one request. Every call knows only the caller's tenant: another's id is NotFound."""

    async def create(self, ask: VideoAsk) -> Answered: ...

    async def retrieve(self, caller: Caller, video_id: str) -> Answered: ...

    async def page(self, caller: Caller, after: str | None, limit: int, order: Order) -> tuple[list[Answered], bool]:
        """One page, and whether more follow."""

    async def delete(self, caller: Caller, video_id: str, erase: bool) -> None: ...

    async def cancel(self, caller: Caller, video_id: str) -> Answered: ...

    async def feedback(self, caller: Caller, video_id: str, satisfied: bool) -> None: ...

    async def content(self, caller: Caller, video_id: str, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        """Raises NotReady while open, ClipGone, NotFound."""

    async def downloaded(self, caller: Caller, video_id: str) -> bool:
        """The whole film was sent. True where that erased it (no-store): then its bytes leave the byte cache too."""

    async def broken(self, clip: Clip, stored: StoredObject) -> None:
        """The store says that these bytes are missing or wrong: the clip goes out of service."""
