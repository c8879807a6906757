"""Disclosure: which words of one end user an answer to another may tell. Operators see all of them at /admin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cache.request import Request
from cache.storage.database.database import Database
from cache.storage.requests.end_users import askers
from cache.verdict import Refusal
from gateway.answering.ask import Answered

UNTOLD = "a clip that another user asked for: what differs is not told"


class Disclosure:
    """`across_users`: everybody's words are told within a tenant. A request that names no user is told all, as is whatever no user
    asked for.
    """

    def __init__(self, database: Database, *, across_users: bool) -> None:
        self._database, self._across_users = database, across_users

    def tells(self, request: Request, asker: str | None) -> bool:
        """True if the answer to `request` may tell the words that `asker` gave."""
        return self._across_users or request.end_user is None or asker is None or asker == request.asker

    async def of(self, answers: Sequence[Answered]) -> list[Answered]:
        """`answers` without what they may not tell."""
        named = [answered.request for answered in answers if answered.request.end_user is not None]
        askers = await self._askers(named) if named and not self._across_users else {}
        return [self._told(answered, askers) for answered in answers]

    def _told(self, answered: Answered, askers: Mapping[str, str | None]) -> Answered:
        request, clip = answered.request, answered.clip
        if request.refused and not self.tells(request, UNTOLD):
            request = replace(request, refused=tuple(self._refusal(request, refusal, askers) for refusal in request.refused))
            answered = replace(answered, request=request)
        if answered.matched_prompt is None or clip is None or self.tells(request, clip.asker):
            return answered
        return replace(answered, matched_prompt=None)

    def _refusal(self, request: Request, refusal: Refusal, askers: Mapping[str, str | None]) -> Refusal:
        """A refusal as the asker may see it: of a clip that is gone nobody knows whose words it had."""
        if refusal.clip_id is None or self.tells(request, askers.get(refusal.clip_id, UNTOLD)):
            return refusal
        return Refusal(UNTOLD, refusal.similarity)

    async def _askers(self, asked: Iterable[Request]) -> dict[str, str | None]:
        """The end users whose words the refused clips were made for, by clip."""
        ids = {refusal.clip_id for request in asked for refusal in request.refused if refusal.clip_id is not None}
        if not ids:
            return {}
        async with self._database.read() as connection:
            return await askers(connection, ids)
