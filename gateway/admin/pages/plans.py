"""Plans: what is worth making ahead of time, how far it is, what came of it; and what had to go for want of room."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Forbidden, Invalid, NotFound, TooLarge, UnsupportedMedia
from cache.ids import is_id
from cache.matching.popular import Bounds
from cache.plan import Plan, PlanPrompt
from cache.storage.plans import Plans
from gateway.admin.door import CSRF_FIELD
from gateway.admin.fields import Asked, plain, query, wants_json, words
from gateway.admin.page import page, sent_to, twin
from gateway.ahead.plan_lists import Fault, ListRow, format_of, parted, read_list, resolved, row_of, settings_of
from gateway.ahead.planner import Mined, Planner
from gateway.entry.access import caller_of
from gateway.http.body import Fields, Form, form_fields, read_fields
from gateway.http.reply import Reply, headers_of
from gateway.models import Models
from gateway.upkeep.capacity import Capacity

log = structlog.get_logger(__name__)

_SHOWN = 30  # plans on a page
_PAGE = 100  # prompts
_FAULTS = 20  # lines named
_LARGEST = 900_000  # bytes of a list
_FORM = 250_000  # of one that comes as a plain form
_BUDGET = 1000
_MINED = Bounds(budget=0, films=500, pairs=1500)  # somebody waits for it
_FIELDS = {"prompts", "recipe", "budget", "gpu_seconds", "tenant", "start"}
_FORM_FIELDS = {"deed", "list", "file", "recipe", "budget", CSRF_FIELD}


class PlansPage:
    """`budget`: how many prompts are proposed where nobody says how many."""

    def __init__(self, plans: Plans, planner: Planner, models: Models, capacity: Capacity, budget: int) -> None:
        self._plans, self._planner, self._models, self._capacity, self._budget = plans, planner, models, capacity, budget

    def routes(self) -> list[HTTPRouteHandler]:
        reading: Any = ["GET", "HEAD"]
        one, deed = "{plan_id:str}", "{plan_id:str}/{deed:str}"
        return [
            route(["/admin/plans", "/admin/api/plans"], http_method=reading, status_code=200)(self.index),
            route("/admin/plans/now", http_method=reading, status_code=200)(self.now),
            route("/admin/plans", http_method=["POST"], status_code=200)(self.sent),
            route("/admin/api/plans", http_method=["POST"], status_code=200)(self.create),
            route([f"/admin/plans/{one}", f"/admin/api/plans/{one}"], http_method=reading, status_code=200)(self.show),
            route(f"/admin/plans/{one}/now", http_method=reading, status_code=200)(self.show_now),
            route([f"/admin/plans/{deed}", f"/admin/api/plans/{deed}"], http_method=["POST"], status_code=200)(self.do),
        ]

    # Looking

    async def index(self, request: Asked) -> Reply:
        facts = await self._facts()
        if not wants_json(request):
            return page(request, "plans.html", **facts, budget=self._budget, told=None)
        return twin(request, {"plans": [shape(plan) for plan in facts["plans"]], "capacity": facts["room"], "ghosts": facts["ghosts"]})

    async def now(self, request: Asked) -> Reply:
        return page(request, "plans_now.html", **await self._facts())

    async def _facts(self) -> dict[str, Any]:
        capacity = self._capacity
        room = {
            "bytes": capacity.room or None,
            "used": await capacity.eviction.used(),
            "evicted": await capacity.ghosts.evicted(),
            "withdrawn": await capacity.eviction.count(),
        }
        return {"plans": await self._plans.newest(_SHOWN), "room": room, "ghosts": await capacity.ghosts.summary()}

    async def show(self, request: Asked, plan_id: FromPath[str]) -> Reply:
        facts = await self._plan(request, plan_id)
        if not wants_json(request):
            return page(request, "plan.html", **facts)
        prompts = [_prompt_shape(request, facts["plan"], one) for one in facts["found"]]
        return twin(request, {**shape(facts["plan"]), "prompts": prompts, "after": facts["next"]})

    async def show_now(self, request: Asked, plan_id: FromPath[str]) -> Reply:
        return page(request, "plan_now.html", **await self._plan(request, plan_id))

    async def _plan(self, request: Asked, plan_id: str) -> dict[str, Any]:
        after = query(request).get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) < 9):
            raise Invalid("after", f"after is a rank, not {after[:40]!r}")
        plan = await self._plans.by_id(plan_id)
        found = await self._plans.prompts(plan.id, int(after), _PAGE + 1)
        shown = found[:_PAGE]
        rows = [{"one": one, "prompt": words(request, plan.tenant, one.prompt), "covers": _covers(request, plan, one)} for one in shown]
        return {"plan": plan, "found": shown, "rows": rows, "after": after, "next": shown[-1].rank if len(found) > _PAGE else None}

    # Making

    async def create(self, request: Asked) -> Reply:
        """`{"prompts": […]}` is a list, `{"budget": N}` asks for the best N."""
        fields = await read_fields(headers_of(request.scope), request.receive, _LARGEST, _known)
        if isinstance(fields, Form):
            raise UnsupportedMedia("a plan is sent as application/json")
        start = fields.get("start", False)
        if not isinstance(start, bool):
            raise Invalid("start", "start must be true or false", "invalid_type")
        if "prompts" not in fields:
            plan_id, mined = await self._mine(request, fields, start)
            told = {"films": mined.films, "answered_already": mined.answered, "pairs_judged": mined.pairs}
            plan = None if plan_id is None else await self._plans.by_id(plan_id)
            return twin(request, {"plan": None if plan is None else shape(plan), **told})
        rows = fields["prompts"]
        if not isinstance(rows, list) or not rows:
            raise Invalid("prompts", "prompts must be a list with a prompt in it", "invalid_type")
        usual = fields.get("recipe", {})
        if not isinstance(usual, dict):
            raise Invalid("recipe", "recipe must be an object", "invalid_type")
        plan_id, faults = await self._add(request, *parted(row_of(at, row) for at, row in enumerate(rows, 1)), usual, start, fields)
        return twin(request, {"plan": shape(await self._plans.by_id(plan_id)), "faults": [_fault(one) for one in faults]})

    async def _mine(self, request: Asked, fields: Fields, start: bool) -> tuple[str | None, Mined]:
        budget, seconds = fields.get("budget", self._budget), fields.get("gpu_seconds")
        if not isinstance(budget, int) or isinstance(budget, bool) or not 1 <= budget <= _BUDGET:
            raise Invalid("budget", f"budget must be a whole number of prompts from 1 to {_BUDGET}")
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0):
            raise Invalid("gpu_seconds", "gpu_seconds must be a number above 0")
        tenant = fields.get("tenant", caller_of(request).tenant)
        if not isinstance(tenant, str) or not 1 <= len(tenant) <= 64:
            raise Invalid("tenant", "tenant must be the name of one")
        limit = float("inf") if seconds is None else float(seconds)
        bounds = Bounds(budget, limit, _MINED.films, _MINED.pairs)
        plan_id, mined = await self._planner.plan(tenant, bounds, start=start)
        log.info("plan mined", plan=plan_id, prompts=len(mined.prompts), by=caller_of(request).key_id)
        return plan_id, mined

    async def _add(
        self, request: Asked, rows: list[ListRow], faults: list[Fault], usual: Fields, start: bool, fields: Fields
    ) -> tuple[str, list[Fault]]:
        """For the caller's own tenant: nobody puts words into another's cache."""
        caller = caller_of(request)
        if fields.get("tenant", caller.tenant) != caller.tenant:
            raise Forbidden("a list is made for the tenant of the key that brings it")
        prompts = []
        for row in rows:
            found = resolved(row, usual, caller, self._models)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                prompts.append(self._planner.prompt_of(caller.tenant, *found))
        faults.sort(key=lambda one: one.line)
        if not prompts:
            first = f" (line {faults[0].line}: {faults[0].message})" if faults else ""
            raise Invalid("prompts", f"no prompt of this list can be made{first}")
        plan_id = await self._plans.add(caller.tenant, "list", prompts, len(prompts), 0.0, start=start)
        log.info("list of prompts taken", plan=plan_id, prompts=len(prompts), by=caller.key_id)
        return plan_id, faults

    async def sent(self, request: Asked) -> Reply:
        """The two forms of the page."""
        fields = await _form(request)
        told: dict[str, Any]
        if fields.get("deed") == "propose":
            budget = fields.get("budget", "").strip()
            if not (budget.isascii() and budget.isdecimal() and len(budget) < 6):
                raise Invalid("budget", f"budget must be a whole number of prompts from 1 to {_BUDGET}")
            plan_id, mined = await self._mine(request, {"budget": int(budget)}, start=False)
            if plan_id is not None:
                return sent_to(f"/admin/plans/{plan_id}")
            told = {"mined": mined, "faults": [], "plan_id": None}
        else:
            text = (fields.get("file", "").strip() or fields.get("list", "")).lstrip("\ufeff")
            lines = text.splitlines()
            usual = settings_of(fields.get("recipe", ""))
            first = next((line for line in lines if line.strip()), "")
            plan_id, faults = await self._add(request, *parted(read_list(format_of("", first), lines)), usual, start=True, fields={})
            if not faults:
                return sent_to(f"/admin/plans/{plan_id}")
            told = {"mined": None, "faults": faults[:_FAULTS], "more": max(0, len(faults) - _FAULTS), "plan_id": plan_id}
        return page(request, "plans.html", **await self._facts(), budget=self._budget, told=told)

    async def do(self, request: Asked, plan_id: FromPath[str], deed: FromPath[str]) -> Reply:
        if not is_id("plan", plan_id):
            raise NotFound(f"no plan has the id {plan_id[:64]!r}", "plan_id")
        match deed:
            case "start":
                await self._plans.start(plan_id)
            case "cancel":
                await self._plans.cancel(plan_id)
            case _:
                raise NotFound("a plan is started or cancelled")
        log.info("plan moved", plan=plan_id, deed=deed, by=caller_of(request).key_id)
        if wants_json(request):
            return twin(request, shape(await self._plans.by_id(plan_id)))
        return sent_to(f"/admin/plans/{plan_id}")


def _known(name: str, is_file: bool) -> None:
    if name not in _FIELDS or is_file:
        raise Invalid(name[:64], f"unknown field {name[:64]!r}; known: {', '.join(sorted(_FIELDS))}", "unknown_parameter")


async def _form(request: Asked) -> dict[str, str]:
    """Multipart, as a list comes from a file, or a plain form."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            raise TooLarge(None, f"a list has at most {_LARGEST} bytes")
    kind, _, options = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() == "multipart/form-data":

        async def pieces() -> Any:
            yield bytes(body)

        found = await form_fields(pieces(), options.partition("boundary=")[2].strip().strip('"'), lambda *_: None)
        fields = {name: values[0] for name, values in found.items()}
    else:
        if len(body) > _FORM:
            raise TooLarge(None, f"a list in a form has at most {_FORM} bytes; send it as a file")
        fields = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace"), max_num_fields=16).items()}
    unknown = next((name for name in fields if name not in _FORM_FIELDS), None)
    if unknown is not None:
        raise Invalid(unknown[:64], f"unknown field {unknown[:64]!r}", "unknown_parameter")
    return fields


def shape(plan: Plan) -> dict[str, Any]:
    counts = plan.counts
    states = {"waiting": counts.waiting, "asked": counts.asked, "made": counts.made, "hit": counts.hit, "failed": counts.failed}
    return {
        "id": plan.id,
        "object": "plan",
        "tenant": plan.tenant,
        "source": plan.source,
        "state": plan.state,
        "budget": plan.budget,
        "created_at": plan.created_at,
        "started_at": plan.started_at,
        "finished_at": plan.finished_at,
        "expected_hits": plan.expected_hits,
        "realised_hits": plan.realised_hits,
        "horizon_seconds": plan.horizon,
        "gpu_seconds_left": plan.gpu_seconds,
        "prompts": counts.total,
        "counts": states,
        "held_up_by": plan.error,
    }


def _prompt_shape(request: Asked, plan: Plan, one: PlanPrompt) -> dict[str, Any]:
    covers = [
        {"prompt": plain(request, plan.tenant, cover.prompt), "asks": cover.asks, "confidence": cover.confidence} for cover in one.covers
    ]
    return {
        "rank": one.rank,
        "prompt": plain(request, plan.tenant, one.prompt),
        "state": one.state,
        "expected_hits": one.expected_hits,
        "realised_hits": one.hits,
        "gpu_seconds": one.gpu_seconds,
        "size": one.recipe.size,
        "quality": one.recipe.quality,
        "clip": one.clip_id,
        "error": one.error,
        "covers": covers,
    }


def _covers(request: Asked, plan: Plan, one: PlanPrompt) -> list[dict[str, Any]]:
    """Beside its own words."""
    others = [cover for cover in one.covers if cover.film_key != one.film_key]
    return [{"prompt": words(request, plan.tenant, cover.prompt), "cover": cover} for cover in others]


def _fault(one: Fault) -> dict[str, Any]:
    return {"row": one.line, "message": one.message}
