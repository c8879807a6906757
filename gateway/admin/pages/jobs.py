"""Jobs: what is being made, by whom and how far it is, what waits, and what came of the last ones."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Conflict, NotFound
from cache.ids import is_id
from gateway.admin.charts import waterfall
from gateway.admin.fields import Asked, address, form, one_of, plain, query, wants_json, words
from gateway.admin.page import page, sent_to, twin
from gateway.entry.access import caller_of
from gateway.http.reply import Reply
from generator.job import OPEN, Priority, State
from generator.queueing.queue import Queue
from generator.queueing.queue_board import ENDED, Board, BoardJob
from generator.queueing.signals import Signals

log = structlog.get_logger(__name__)

_MOST_OPEN, _MOST_ENDED = 100, 30
_CANCELLED = "cancelled by an operator"


class Jobs:
    def __init__(self, board: Board, queue: Queue, signals: Signals) -> None:
        self._board, self._queue, self._signals = board, queue, signals

    def routes(self) -> list[HTTPRouteHandler]:
        reading: Any = ["GET", "HEAD"]
        return [
            route(["/admin/jobs", "/admin/api/jobs"], http_method=reading, status_code=200)(self.list),
            route("/admin/jobs/now", http_method=reading, status_code=200)(self.now),
            route(["/admin/jobs/{job_id:str}", "/admin/api/jobs/{job_id:str}"], http_method=reading, status_code=200)(self.show),
            route(
                ["/admin/jobs/{job_id:str}/{deed:str}", "/admin/api/jobs/{job_id:str}/{deed:str}"],
                http_method=["POST"],
                status_code=200,
            )(self.do),
        ]

    async def list(self, request: Asked) -> Reply:
        facts = await self._facts(request)
        if wants_json(request):
            return twin(
                request,
                {
                    "open": facts["open_count"],
                    "queue": [self._shape(request, one) for one in facts["open_jobs"]],
                    "ended": [self._shape(request, one) for one in facts["ended_jobs"]],
                },
            )
        return page(request, "jobs.html", **facts)

    async def now(self, request: Asked) -> Reply:
        """The live part of the page."""
        return page(request, "jobs_now.html", **await self._facts(request))

    async def _facts(self, request: Asked) -> dict[str, Any]:
        ended = one_of(query(request), "ended", ENDED, "all")
        open_jobs, count = await self._board.open(_MOST_OPEN)
        ended_jobs = await self._board.ended(ended, _MOST_ENDED)
        return {
            "open_count": count,
            "open_jobs": open_jobs,
            "ended_jobs": ended_jobs,
            "working": [self._row(request, one) for one in open_jobs if one.job.state is State.LEASED],
            "queued": [self._row(request, one) for one in open_jobs if one.job.state is State.QUEUED],
            "over": [self._row(request, one) for one in ended_jobs],
            "ended": ended,
            "choices": [(word, address("/admin/jobs", ended=word)) for word in ENDED],
            "live": address("/admin/jobs/now", ended=ended),
            "twin": address("/admin/api/jobs", ended=ended),
        }

    async def show(self, request: Asked, job_id: FromPath[str]) -> Reply:
        found = await self._board.one(job_id) if is_id("job", job_id) else None
        if found is None:
            raise NotFound(f"no job has the id {job_id[:64]!r}", "job_id")
        if wants_json(request):
            return twin(request, self._shape(request, found))
        stages = waterfall("stages", "Where the time went", found.stages_ms) if found.stages_ms else None
        return page(request, "job.html", one=self._row(request, found), stages=stages, twin=f"/admin/api/jobs/{job_id}")

    async def do(self, request: Asked, job_id: FromPath[str], deed: FromPath[str]) -> Reply:
        fields = await form(request)
        if not is_id("job", job_id) or deed not in {"cancel", "raise"}:
            raise NotFound(f"there is nothing to {deed[:40]!r} at {job_id[:64]!r}", "job_id")
        changed = await (self._queue.cancel(job_id, _CANCELLED) if deed == "cancel" else self._queue.raise_priority(job_id))
        if not changed:
            found = await self._board.one(job_id)
            if found is None:
                raise NotFound(f"no job has the id {job_id!r}", "job_id")
            raise Conflict("this job is interactive already" if found.job.state in OPEN else f"this job is {found.job.state} already")
        log.info("job changed by hand", job=job_id, deed=deed, by=caller_of(request).key_id)
        if wants_json(request):
            return twin(request, {"job": job_id, "done": deed})
        if request.headers.get("hx-request") == "true":
            return await self.now(request)
        return sent_to(f"/admin/jobs/{job_id}" if fields.get("then") == "job" else "/admin/jobs")

    def _progress(self, found: BoardJob) -> tuple[str, int]:
        """Stage and percent: a render of this process has gone further than its row says."""
        told = self._signals.progress(found.job.id)
        if told is None or told.percent < found.job.progress:
            return found.job.stage, found.job.progress
        return told.stage, min(told.percent, 99)

    def _row(self, request: Asked, found: BoardJob) -> dict[str, Any]:
        """One job for a template."""
        job = found.job
        stage, percent = self._progress(found)
        return {
            "id": job.id,
            "prompt": words(request, job.tenant, found.prompt),
            "tenant": job.tenant,
            "state": job.state.value,
            "priority": job.priority.value,
            "raisable": job.priority is Priority.BACKGROUND and job.state in OPEN,
            "open": job.state in OPEN,
            "recipe": job.recipe,
            "stage": stage,
            "percent": percent,
            "attempt": job.attempt,
            "lost": found.lost,
            "worker": job.worker,
            "lease_left": found.lease_left,
            "position": found.position,
            "asking": found.asking,
            "waited": found.waited,
            "worked": found.worked,
            "clip_id": found.clip_id,
            "error": job.error_code,
            "message": job.error_message,
            "created_at": job.created_at,
            "finished_at": job.finished_at,
            "take": job.take,
            "seed": job.seed,
            "stages": waterfall(f"stages-{job.id}", "Where the time went", found.stages_ms) if found.stages_ms else None,
        }

    def _shape(self, request: Asked, found: BoardJob) -> dict[str, Any]:
        """One job for a program."""
        job = found.job
        stage, percent = self._progress(found)
        return {
            "job": job.id,
            "tenant": job.tenant,
            "prompt": plain(request, job.tenant, found.prompt),
            "state": job.state.value,
            "priority": job.priority.value,
            "position": found.position,
            "requests_waiting": found.asking,
            "stage": stage,
            "progress": percent,
            "attempt": job.attempt,
            "leases_lost": found.lost,
            "worker": job.worker,
            "lease_left_seconds": found.lease_left,
            "waited_seconds": found.waited,
            "worked_seconds": found.worked,
            "stages_ms": found.stages_ms,
            "clip": found.clip_id,
            "error": None if job.error_code is None else {"code": job.error_code, "message": job.error_message},
            "created_at": job.created_at,
            "finished_at": job.finished_at,
        }
