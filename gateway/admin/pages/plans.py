"""The plans pages: prompts worth rendering ahead of time, their progress and hits; and what was evicted for lack of capacity."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Forbidden, Invalid, NotFound, UnsupportedMedia
from cache.ids import is_id
from cache.matching.popular import Bounds
from cache.plan import Plan, PlanPrompt
from cache.storage.requests.plans import Plans
from gateway.admin.door import CSRF_FIELD
from gateway.admin.fields import prompt_json, query_fields, shown_prompt, wants_json
from gateway.admin.page import json_variant, page, sent_to
from gateway.answering.models import Models
from gateway.auth.access import caller_of
from gateway.http.body import Fields, Form, read_fields
from gateway.http.forms import form
from gateway.http.prompt_lists import Fault, ListRow, format_of, list_row_of, parted, read_list, resolved, settings_of
from gateway.http.reply import AnyRequest, Reply, headers_of
from gateway.precompute.planner import Mined, Planner
from gateway.upkeep.capacity import Capacity

log = structlog.get_logger(__name__)

_SHOWN = 30  # plans on a page
_PAGE = 100  # prompts
_FAULTS = 20  # faulty lines shown
_LARGEST = 900_000  # bytes of a list
_FORM = 250_000  # bytes of a list that comes as a plain form
_BUDGET = 1000
_MINED = Bounds(budget=0, specs=500, pairs=1500)  # small, because somebody waits for the answer
_FIELDS = {"prompts", "recipe", "budget", "gpu_seconds", "tenant", "start"}
_FORM_FIELDS = {"action", "list", "file", "recipe", "budget", CSRF_FIELD}


class PlansPage:
    """`budget`: the number of prompts proposed by default."""

    def __init__(self, plans: Plans, planner: Planner, models: Models, capacity: Capacity, budget: int) -> None:
        self._plans, self._planner, self._models, self._capacity, self._budget = plans, planner, models, capacity, budget

    def routes(self) -> list[HTTPRouteHandler]:
        reading: Any = ["GET", "HEAD"]
        one, action = "{plan_id:str}", "{plan_id:str}/{action:str}"
        return [
            route(["/admin/plans", "/admin/api/plans"], http_method=reading, status_code=200)(self.index),
            route("/admin/plans/now", http_method=reading, status_code=200)(self.now),
            route("/admin/plans", http_method=["POST"], status_code=200)(self.sent),
            route("/admin/api/plans", http_method=["POST"], status_code=200)(self.create),
            route([f"/admin/plans/{one}", f"/admin/api/plans/{one}"], http_method=reading, status_code=200)(self.show),
            route(f"/admin/plans/{one}/now", http_method=reading, status_code=200)(self.show_now),
            route([f"/admin/plans/{action}", f"/admin/api/plans/{action}"], http_method=["POST"], status_code=200)(self.do),
        ]

    # Looking

    async def index(self, request: AnyRequest) -> Reply:
        facts = await self._facts()
        if not wants_json(request):
            return page(request, "plans.html", **facts, budget=self._budget, told=None)
        return json_variant(
            request, {"plans": [shape(plan) for plan in facts["plans"]], "capacity": facts["room"], "ghosts": facts["ghosts"]}
        )

    async def now(self, request: AnyRequest) -> Reply:
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

    async def show(self, request: AnyRequest, plan_id: FromPath[str]) -> Reply:
        facts = await self._plan(request, plan_id)
        if not wants_json(request):
            return page(request, "plan.html", **facts)
        prompts = [_prompt_shape(request, facts["plan"], one) for one in facts["found"]]
        return json_variant(request, {**shape(facts["plan"]), "prompts": prompts, "after": facts["next"]})

    async def show_now(self, request: AnyRequest, plan_id: FromPath[str]) -> Reply:
        return page(request, "plan_now.html", **await self._plan(request, plan_id))

    async def _plan(self, request: AnyRequest, plan_id: str) -> dict[str, Any]:
        after = query_fields(request).get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) < 9):
            raise Invalid("after", f"after is a rank, not {after[:40]!r}")
        plan = await self._plans.by_id(plan_id)
        found = await self._plans.prompts(plan.id, int(after), _PAGE + 1)
        shown = found[:_PAGE]
        rows = [
            {"one": one, "prompt": shown_prompt(request, plan.tenant, one.prompt), "covers": _covers(request, plan, one)} for one in shown
        ]
        return {"plan": plan, "found": shown, "rows": rows, "after": after, "next": shown[-1].rank if len(found) > _PAGE else None}

    # Making

    async def create(self, request: AnyRequest) -> Reply:
        """Creates a plan: `{"prompts": […]}` is a list, `{"budget": N}` asks for the best N."""
        fields = await read_fields(headers_of(request.scope), request.receive, _LARGEST, _known)
        if isinstance(fields, Form):
            raise UnsupportedMedia("a plan is sent as application/json")
        start = fields.get("start", False)
        if not isinstance(start, bool):
            raise Invalid("start", "start must be true or false", "invalid_type")
        if "prompts" not in fields:
            plan_id, mined = await self._mine(request, fields, start)
            told = {"specs": mined.specs, "answered_already": mined.answered, "pairs_judged": mined.pairs}
            plan = None if plan_id is None else await self._plans.by_id(plan_id)
            return json_variant(request, {"plan": None if plan is None else shape(plan), **told})
        rows = fields["prompts"]
        if not isinstance(rows, list) or not rows:
            raise Invalid("prompts", "prompts must be a list with a prompt in it", "invalid_type")
        usual = fields.get("recipe", {})
        if not isinstance(usual, dict):
            raise Invalid("recipe", "recipe must be an object", "invalid_type")
        plan_id, faults = await self._add(request, *parted(list_row_of(at, row) for at, row in enumerate(rows, 1)), usual, start, fields)
        return json_variant(request, {"plan": shape(await self._plans.by_id(plan_id)), "faults": [_fault(one) for one in faults]})

    async def _mine(self, request: AnyRequest, fields: Fields, start: bool) -> tuple[str | None, Mined]:
        budget, seconds = fields.get("budget", self._budget), fields.get("gpu_seconds")
        if not isinstance(budget, int) or isinstance(budget, bool) or not 1 <= budget <= _BUDGET:
            raise Invalid("budget", f"budget must be a whole number of prompts from 1 to {_BUDGET}")
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0):
            raise Invalid("gpu_seconds", "gpu_seconds must be a number above 0")
        tenant = fields.get("tenant", caller_of(request).tenant)
        if not isinstance(tenant, str) or not 1 <= len(tenant) <= 64:
            raise Invalid("tenant", "tenant must be the name of a tenant")
        limit = float("inf") if seconds is None else float(seconds)
        bounds = Bounds(budget, limit, _MINED.specs, _MINED.pairs)
        plan_id, mined = await self._planner.plan(tenant, bounds, start=start)
        log.info("plan mined", plan=plan_id, prompts=len(mined.prompts), by=caller_of(request).key_id)
        return plan_id, mined

    async def _add(
        self, request: AnyRequest, rows: list[ListRow], faults: list[Fault], usual: Fields, start: bool, fields: Fields
    ) -> tuple[str, list[Fault]]:
        """Adds a list for the caller's own tenant: nobody may put prompts into another tenant's cache."""
        caller = caller_of(request)
        if fields.get("tenant", caller.tenant) != caller.tenant:
            raise Forbidden("a list is rendered for the tenant of the key that sends it")
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
            raise Invalid("prompts", f"no prompt of this list can be rendered{first}")
        plan_id = await self._plans.add(caller.tenant, "list", prompts, len(prompts), 0.0, start=start)
        log.info("list of prompts accepted", plan=plan_id, prompts=len(prompts), by=caller.key_id)
        return plan_id, faults

    async def sent(self, request: AnyRequest) -> Reply:
        """The two forms of the page."""
        fields = await _form(request)
        told: dict[str, Any]
        if fields.get("action") == "propose":
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
            plan_id, faults = await self._add(request, *parted(read_list(format_of("", lines), lines)), usual, start=True, fields={})
            if not faults:
                return sent_to(f"/admin/plans/{plan_id}")
            told = {"mined": None, "faults": faults[:_FAULTS], "more": max(0, len(faults) - _FAULTS), "plan_id": plan_id}
        return page(request, "plans.html", **await self._facts(), budget=self._budget, told=told)

    async def do(self, request: AnyRequest, plan_id: FromPath[str], action: FromPath[str]) -> Reply:
        if not is_id("plan", plan_id):
            raise NotFound(f"no plan has the id {plan_id[:64]!r}", "plan_id")
        match action:
            case "start":
                await self._plans.start(plan_id)
            case "cancel":
                await self._plans.cancel(plan_id)
            case _:
                raise NotFound("unknown action: a plan can be started or cancelled")
        log.info("plan changed", plan=plan_id, action=action, by=caller_of(request).key_id)
        if wants_json(request):
            return json_variant(request, shape(await self._plans.by_id(plan_id)))
        return sent_to(f"/admin/plans/{plan_id}")


def _known(name: str, is_file: bool) -> None:
    if name not in _FIELDS or is_file:
        raise Invalid(name[:64], f"unknown field {name[:64]!r}; known: {', '.join(sorted(_FIELDS))}", "unknown_parameter")


async def _form(request: AnyRequest) -> dict[str, str]:
    """The fields of the page's two forms; a list may come as a file."""
    fields = await form(request, _LARGEST, _LARGEST, files=True)
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


def _prompt_shape(request: AnyRequest, plan: Plan, one: PlanPrompt) -> dict[str, Any]:
    covers = [
        {"prompt": prompt_json(request, plan.tenant, cover.prompt), "asks": cover.asks, "confidence": cover.confidence}
        for cover in one.covers
    ]
    return {
        "rank": one.rank,
        "prompt": prompt_json(request, plan.tenant, one.prompt),
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


def _covers(request: AnyRequest, plan: Plan, one: PlanPrompt) -> list[dict[str, Any]]:
    """The other prompts that it covers."""
    others = [cover for cover in one.covers if cover.spec_key != one.spec_key]
    return [{"prompt": shown_prompt(request, plan.tenant, cover.prompt), "cover": cover} for cover in others]


def _fault(one: Fault) -> dict[str, Any]:
    return {"row": one.line, "message": one.message}
