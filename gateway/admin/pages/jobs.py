"""The jobs pages: what is rendering, by which worker and how far along; what is queued; what finished recently."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Conflict, NotFound
from cache.ids import is_id
from gateway.admin.charts import waterfall
from gateway.admin.fields import address, one_of, prompt_json, query_fields, shown_prompt, wants_json
from gateway.admin.page import json_variant, page, sent_to
from gateway.auth.access import caller_of
from gateway.http.forms import form
from gateway.http.reply import AnyRequest, Reply
from generator.job import OPEN, JobState, Priority
from generator.queue.board import ENDED, Board, BoardJob
from generator.queue.queue import Queue
from generator.queue.signals import Signals

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
                ["/admin/jobs/{job_id:str}/{action:str}", "/admin/api/jobs/{job_id:str}/{action:str}"],
                http_method=["POST"],
                status_code=200,
            )(self.do),
        ]

    async def list(self, request: AnyRequest) -> Reply:
        facts = await self._facts(request)
        if wants_json(request):
            return json_variant(
                request,
                {
                    "open": facts["open_count"],
                    "model_gone": facts["gone"],
                    "queue": [self._shape(request, one) for one in facts["open_jobs"]],
                    "ended": [self._shape(request, one) for one in facts["ended_jobs"]],
                },
            )
        return page(request, "jobs.html", **facts)

    async def now(self, request: AnyRequest) -> Reply:
        """The live fragment of the page."""
        return page(request, "jobs_now.html", **await self._facts(request))

    async def _facts(self, request: AnyRequest) -> dict[str, Any]:
        ended = one_of(query_fields(request), "ended", ENDED, "all")
        open_jobs, count = await self._board.open(_MOST_OPEN)
        ended_jobs = await self._board.ended(ended, _MOST_ENDED)
        return {
            "open_count": count,
            "gone": await self._board.gone(),
            "open_jobs": open_jobs,
            "ended_jobs": ended_jobs,
            "working": [self._row(request, one) for one in open_jobs if one.job.state is JobState.LEASED],
            "queued": [self._row(request, one) for one in open_jobs if one.job.state is JobState.QUEUED],
            "over": [self._row(request, one) for one in ended_jobs],
            "ended": ended,
            "choices": [(word, address("/admin/jobs", ended=word)) for word in ENDED],
            "live": address("/admin/jobs/now", ended=ended),
            "json_url": address("/admin/api/jobs", ended=ended),
        }

    async def show(self, request: AnyRequest, job_id: FromPath[str]) -> Reply:
        found = await self._board.one(job_id) if is_id("job", job_id) else None
        if found is None:
            raise NotFound(f"no job has the id {job_id[:64]!r}", "job_id")
        if wants_json(request):
            return json_variant(request, self._shape(request, found))
        stages = waterfall("stages", "Where the time went", found.stages_ms) if found.stages_ms else None
        return page(request, "job.html", one=self._row(request, found), stages=stages, json_url=f"/admin/api/jobs/{job_id}")

    async def do(self, request: AnyRequest, job_id: FromPath[str], action: FromPath[str]) -> Reply:
        fields = await form(request)
        if not is_id("job", job_id) or action not in {"cancel", "raise"}:
            raise NotFound(f"unknown action {action[:40]!r} or job {job_id[:64]!r}", "job_id")
        changed = await (self._queue.cancel(job_id, _CANCELLED) if action == "cancel" else self._queue.raise_priority(job_id))
        if not changed:
            found = await self._board.one(job_id)
            if found is None:
                raise NotFound(f"no job has the id {job_id!r}", "job_id")
            raise Conflict("this job is already interactive" if found.job.state in OPEN else f"this job is already {found.job.state}")
        log.info("job changed by an operator", job=job_id, action=action, by=caller_of(request).key_id)
        if wants_json(request):
            return json_variant(request, {"job": job_id, "done": action})
        if request.headers.get("hx-request") == "true":
            return await self.now(request)
        return sent_to(f"/admin/jobs/{job_id}" if fields.get("then") == "job" else "/admin/jobs")

    def _progress(self, found: BoardJob) -> tuple[str, int]:
        """Stage and percent. A render in this process is further along than its row says."""
        told = self._signals.progress(found.job.id)
        if told is None or told.percent < found.job.progress:
            return found.job.stage, found.job.progress
        return told.stage, min(told.percent, 99)

    def _row(self, request: AnyRequest, found: BoardJob) -> dict[str, Any]:
        """A job as the templates take it."""
        job = found.job
        stage, percent = self._progress(found)
        return {
            "id": job.id,
            "prompt": shown_prompt(request, job.tenant, found.prompt),
            "tenant": job.tenant,
            "state": job.state.value,
            "priority": job.priority.value,
            "purpose": found.purpose,
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

    def _shape(self, request: AnyRequest, found: BoardJob) -> dict[str, Any]:
        """A job as the JSON variant shows it."""
        job = found.job
        stage, percent = self._progress(found)
        return {
            "job": job.id,
            "tenant": job.tenant,
            "prompt": prompt_json(request, job.tenant, found.prompt),
            "state": job.state.value,
            "priority": job.priority.value,
            "purpose": found.purpose,
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
