"""The words between edge and answering: what the edge passes in, what it gets back, and the two ports."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from cache.clip import Clip, ObjectKind, StoredObject
from cache.picture import InputPicture
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.request import Request
from cache.storage.fleet.accounts import Role
from cache.variant import tenant_scope, user_scope
from generator.job import Job, Priority

PageOrder = Literal["asc", "desc"]


@dataclass(frozen=True)
class Caller:
    """The caller. All reads and writes are for its `tenant`; with `shares` also for the shared pool."""

    tenant: str
    role: Role = "user"
    shares: bool = False
    key_id: str | None = None


@dataclass(frozen=True)
class Directives:
    """Cache directives of a request, independent of each other. `max_age`: the maximum age of a clip in seconds."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None


NONE_SAID = Directives()


@dataclass(frozen=True)
class CacheOptions:
    """Options for the cache in a request's body. `max_wrong` None: the instance's own limit. Without `assist` it renders from noise.
    `own_scope`: only what this end user asked for answers, and what is made answers nobody else.
    """

    max_wrong: float | None = None
    assist: bool = True
    own_scope: bool = False


@dataclass(frozen=True)
class VideoAsk:
    """A `POST /v1/videos`, decoded, converted and checked. `wait`: seconds, within the limit. `end_user` and `metadata`: to be
    kept and echoed.

    `body_digest` is the same for the same fields, in whichever encoding they came; it is empty without an Idempotency-Key. `picture` is
    the one whose digest the Recipe has.
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
    options: CacheOptions = CacheOptions()
    webhook_url: str | None = None
    end_user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    picture: InputPicture | None = None

    @property
    def scope(self) -> str:
        """The Scope whose cache it is about. A user's own needs `end_user`."""
        if not self.options.own_scope or self.end_user is None:
            return tenant_scope(self.caller.tenant)
        return user_scope(self.caller.tenant, self.end_user)


@dataclass(frozen=True)
class Answered:
    """A Request with what it stands on. Of an open one `job` is there; of a finished one `clip`, unless it is gone. `donor_prompt`: the
    words of the clip that this clip's render started from.
    """

    request: Request
    clip: Clip | None = None
    job: Job | None = None
    matched_prompt: str | None = None
    donor_prompt: str | None = None
    queue_position: int | None = None
    eta_ms: int | None = None
    collapsed: bool = False
    waited: bool = False


class AnswerPort(Protocol):
    """The port that the edge calls with a new request. Raises the RepriseError that gateway/http/problems.py maps to a status."""

    async def create(self, ask: VideoAsk) -> Answered: ...


class FollowUpPort(Protocol):
    """The port that the edge calls with the id of a request. Raises NotFound for an id of another tenant, as for an unknown one."""

    async def retrieve(self, caller: Caller, video_id: str) -> Answered: ...

    def changes(self, caller: Caller, video_id: str) -> AsyncGenerator[Answered]:
        """The video now, and whenever it may have changed, some times a second; ends with the state that stays."""

    async def page(self, caller: Caller, after: str | None, limit: int, order: PageOrder) -> tuple[list[Answered], bool]:
        """One page, and whether more follow."""

    async def delete(self, caller: Caller, video_id: str, erase: bool) -> None: ...

    async def cancel(self, caller: Caller, video_id: str) -> Answered: ...

    async def feedback(self, caller: Caller, video_id: str, satisfied: bool) -> None: ...

    async def content(self, caller: Caller, video_id: str, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        """Raises NotReady while open, ClipGone, NotFound."""

    async def refused_content(self, caller: Caller, video_id: str, place: int, kind: ObjectKind) -> tuple[Clip, StoredObject]:
        """The same of a clip that was refused for it, by its place from 1. Raises ClipGone, NotFound."""

    async def owner(self, video_id: str) -> Caller:
        """The caller as whom a signed link reads. Raises NotFound."""

    async def downloaded(self, caller: Caller, video_id: str) -> bool:
        """The whole clip was sent. True where that erased it (no-store): then its bytes leave the byte cache too."""

    async def broken(self, clip: Clip, stored: StoredObject) -> None:
        """The store says that these bytes are missing or wrong: the clip goes out of service."""
