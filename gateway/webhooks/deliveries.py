"""The delivery of webhooks: each gateway takes what is due, calls, and notes what came of it.

At least once: a call whose process dies before the note is made again, under the same `webhook-id`. Never by two processes at a
time: the row is claimed for longer than a call may take.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from cache.errors import NotFound
from cache.storage.requests.webhooks import Webhook, Webhooks
from cache.supervision import Supervisor
from gateway.answering.ask import Caller, FollowUpPort
from gateway.http.links import Links
from gateway.http.video_objects import event_of, video_object
from gateway.http.wire import encode_json
from gateway.webhooks.calls import CallFailed, Calls
from gateway.webhooks.destinations import Destinations
from gateway.webhooks.signing import signed_headers

log = structlog.get_logger(__name__)

MOST_CALLS = 32  # at a time in one gateway
MOST_OF_TENANT = 8  # of these: one receiver that never answers holds up nobody else's
LEASE = 60.0  # seconds; a call takes fifteen at most
# Seconds until the next attempt, after each one that failed; after the last nothing follows. Eighteen hours in all.
PAUSES = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
_EVERY = 1.0  # seconds between two looks for what is due
_GONE = 410  # the receiver's word for "never again"


class Deliveries:
    def __init__(
        self,
        webhooks: Webhooks,
        follow_up: FollowUpPort,
        links: Links,
        destinations: Destinations,
        keys: Sequence[str],
        *,
        pauses: Sequence[float] = PAUSES,
        lease: float = LEASE,
    ) -> None:
        self._webhooks, self._follow_up, self._links, self._destinations = webhooks, follow_up, links, destinations
        self._keys, self._pauses, self._lease = list(keys), list(pauses), lease
        self._wake = asyncio.Event()
        self._calling: dict[asyncio.Task[None], str] = {}

    def start(self, supervisor: Supervisor) -> None:
        if self._keys:
            supervisor.start("webhooks", self.run)

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self) -> None:
        async with Calls(self._destinations, MOST_CALLS) as calls:
            try:
                while True:
                    await self._take_due(calls)
                    try:
                        async with asyncio.timeout(_EVERY):
                            await self._wake.wait()
                    except TimeoutError:
                        pass
                    self._wake.clear()
            finally:
                for task in self._calling:
                    task.cancel()

    async def _take_due(self, calls: Calls) -> None:
        while len(self._calling) < MOST_CALLS:
            busy = Counter(self._calling.values())
            claimed = await self._webhooks.claim(self._lease, [tenant for tenant, count in busy.items() if count >= MOST_OF_TENANT])
            if claimed is None:
                return
            task = asyncio.create_task(self._deliver(calls, claimed))
            self._calling[task] = claimed.tenant
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._calling[task]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its claim runs out, and it is tried again.
            log.warning("a webhook was not noted", reason=f"{type(error).__name__}: {error}")

    async def _deliver(self, calls: Calls, webhook: Webhook) -> None:
        try:
            body = await self._body(webhook)
        except NotFound:
            return  # deleted since: its row is gone, too
        headers = signed_headers(self._keys, webhook.tenant, webhook.request_id, datetime.now(UTC), body)
        status: int | None = None
        try:
            status = await calls.post(webhook.url, headers, body)
            trouble = f"the answer was {status}"
        except CallFailed as error:
            trouble = str(error)
        await self._note(webhook, status, trouble)

    async def _body(self, webhook: Webhook) -> str:
        answered = await self._follow_up.retrieve(Caller(webhook.tenant), webhook.request_id)
        told = {
            "type": event_of(answered),
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": video_object(answered, self._links.public),
        }
        return encode_json(told).decode("utf-8")

    async def _note(self, webhook: Webhook, status: int | None, trouble: str) -> None:
        if status is not None and 200 <= status < 300:
            await self._webhooks.delivered(webhook, status)
            log.info("webhook delivered", request=webhook.request_id, attempt=webhook.attempt)
        elif status == _GONE or webhook.attempt > len(self._pauses):
            await self._webhooks.gave_up(webhook, status, trouble)
            log.warning("webhook given up", request=webhook.request_id, attempt=webhook.attempt, reason=trouble)
        else:
            # Not all at the same moment, where a receiver was away for many.
            pause = self._pauses[webhook.attempt - 1] * random.uniform(0.8, 1.2)
            await self._webhooks.again(webhook, status, trouble, pause)
