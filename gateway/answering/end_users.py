"""The rights of one end user of a tenant: all that is held of him, and that it goes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from math import inf

from cache.request import Request
from cache.storage.requests.end_users import EndUserRows, KeptRequest
from cache.storage.requests.erasure import Scrubbing
from gateway.answering.ask import Caller
from gateway.answering.byte_cache import ByteCache
from generator.queue.queue import Queue

_AT_ONCE = 200  # requests read at a time


@dataclass(frozen=True)
class ErasedUser:
    """The counts of an erasure: requests that lost their words, and clips that went out of service."""

    requests: int
    clips: int


class EndUsers:
    """`cache` drops the bytes of the videos erased here. An id that nobody ever gave is a user of whom nothing is held."""

    def __init__(self, rows: EndUserRows, queue: Queue, scrubbing: Scrubbing, cache: ByteCache) -> None:
        self._rows, self._queue, self._scrubbing, self._cache = rows, queue, scrubbing, cache

    async def page(self, caller: Caller, end_user: str, after: str | None, limit: int) -> tuple[list[KeptRequest], bool]:
        return await self._rows.page(caller.tenant, end_user, after, limit)

    async def all(self, caller: Caller, end_user: str, after: str | None = None, most: int | None = None) -> AsyncGenerator[KeptRequest]:
        """Requests, oldest first: those `after` one of them, and at most so many, where that is said."""
        more, left = True, inf if most is None else most
        while more and left > 0:
            found, more = await self._rows.page(caller.tenant, end_user, after, int(min(left, _AT_ONCE)))
            for kept in found:
                yield kept
                after = kept.request.id
            left -= len(found)

    async def erase(self, caller: Caller, end_user: str) -> ErasedUser:
        """Erases the user in steps, each of which stays done: broken off, it is repeated until nothing is left."""
        tenant = caller.tenant
        for request_id in await self._rows.waiting(tenant, end_user):
            await self._queue.withdraw(request_id, deleted=True)
        requests = clips = 0
        self._scrubbing.due()
        while some := await self._rows.some(tenant, end_user, _AT_ONCE):
            for asked in _by_spec(some):
                erased, went = await self._rows.erase(tenant, end_user, asked)
                requests, clips = requests + erased, clips + went
            for request in some:
                self._cache.forget(tenant, request.id)
        clips += await self._rows.erase_clips(tenant, end_user)
        self._scrubbing.due()
        await self._scrubbing.run_once()
        return ErasedUser(requests, clips)


def _by_spec(found: list[Request]) -> list[list[Request]]:
    specs: dict[str, list[Request]] = {}
    for request in found:
        specs.setdefault(request.spec_key, []).append(request)
    return list(specs.values())
