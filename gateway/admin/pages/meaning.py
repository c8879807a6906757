"""Search by meaning: for a prompt, the clip that would be served and why the others would not. Nothing is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import route
from litestar.handlers import HTTPRouteHandler

from cache.catalog import AskedSettings
from cache.errors import Forbidden, Invalid, RepriseError
from cache.matching.inspection import Considered, Inspected, Inspection
from cache.matching.rules.facts import Fact
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.storage.operators.clip_search import ClipSearch
from cache.variant import Spec, tenant_scope
from cache.verdict import Exact, Near
from gateway.admin.door import may_read, reader_of
from gateway.admin.fields import address, query_fields, wants_json
from gateway.admin.page import json_variant, page
from gateway.answering.models import Models
from gateway.auth.access import caller_of
from gateway.http.reply import AnyRequest, Reply


@dataclass(frozen=True)
class RecipeChoice:
    """A Recipe to search in, and its number of live clips."""

    recipe: Recipe
    count: int

    @property
    def title(self) -> str:
        recipe = self.recipe
        return f"{recipe.model} {recipe.size}, {recipe.seconds:.3g} s, {recipe.quality} ({recipe.steps} steps): {self.count:,} clips"


class Meaning:
    def __init__(self, inspection: Inspection, search: ClipSearch, models: Models) -> None:
        self._inspection, self._search, self._models = inspection, search, models

    def routes(self) -> list[HTTPRouteHandler]:
        return [route(["/admin/meaning", "/admin/api/meaning"], http_method=["GET", "HEAD"], status_code=200)(self.look)]

    async def look(self, request: AnyRequest) -> Reply:
        """Takes `prompt`, and optionally `tenant` and `recipe` (its key) where they differ from those of a plain request."""
        fields, caller = query_fields(request), caller_of(request)
        tenant = fields.get("tenant", caller.tenant)
        if not may_read(reader_of(request), tenant):
            raise Forbidden("the clips and scores of other tenants are not shown")
        choices = await self._choices(tenant)
        chosen = _chosen(choices, fields.get("recipe"))
        found, problem = None, None
        if "prompt" in fields:
            try:
                spec = Spec(tenant_scope(tenant), Prompt.parse(fields["prompt"]), chosen.recipe)
                found = await self._inspection.inspect(spec, shares=caller.shares and tenant == caller.tenant)
            except RepriseError as error:
                if wants_json(request):
                    raise
                problem = error.message
        elif wants_json(request):
            raise Invalid("prompt", "prompt is missing", "missing_required_parameter")
        if wants_json(request):
            assert found is not None, "a prompt was looked for, or said to be missing"
            return json_variant(request, _shape(found, tenant, chosen.recipe))
        return page(
            request,
            "meaning.html",
            prompt=fields.get("prompt", ""),
            tenant=tenant,
            tenants=await self._search.tenants() if reader_of(request) is None else [],
            choices=choices,
            chosen=chosen,
            found=found,
            verdict=None if found is None else _verdict(found),
            problem=problem,
            json_url=address("/admin/api/meaning", **fields),
        )

    async def _choices(self, tenant: str) -> list[RecipeChoice]:
        """The Recipe of a plain request first, then those with most clips."""
        counted = {one.recipe.key: RecipeChoice(one.recipe, one.count) for one in await self._search.recipes(tenant)}
        if self._models.served:
            usual = self._models.recipe(None, AskedSettings())
            counted = {usual.key: counted.get(usual.key) or RecipeChoice(usual, 0)} | counted
        return list(counted.values())


def _chosen(choices: list[RecipeChoice], key: str | None) -> RecipeChoice:
    if not choices:
        raise Invalid("recipe", "there are no clips yet, and no worker has announced its model")
    if key is None:
        # The usual one, unless only others have clips.
        return choices[0] if choices[0].count else max(choices, key=lambda choice: choice.count)
    for choice in choices:
        if choice.recipe.key == key:
            return choice
    raise Invalid("recipe", "no clip has this recipe")


def _verdict(found: Inspected) -> str:
    served = found.pooled if found.pooled is not None else found.verdict
    return {Exact: "exact", Near: "near"}.get(type(served), "miss")


def _shape(found: Inspected, tenant: str, recipe: Recipe) -> dict[str, object]:
    return {
        "verdict": _verdict(found),
        "clip": found.served.id if found.served is not None else None,
        "shared_pool": found.pooled is not None,
        "tenant": tenant,
        "recipe_key": recipe.key,
        "unread": found.unread,
        "took_ms": round(found.took_ms, 1),
        "facts": [_fact(fact) for fact in found.facts],
        "candidates": [_candidate(found, one) for one in found.considered],
    }


def _candidate(found: Inspected, one: Considered) -> dict[str, object]:
    return {
        "clip": one.clip.id,
        "prompt": one.clip.prompt,
        "similarity": round(one.similarity, 4),
        "confidence": round(one.confidence, 4),
        "fate": found.fate(one),
        "reason": one.reason,
        "differences": one.differences,
        "facts": [_fact(fact) for fact in one.facts],
    }


def _fact(fact: Fact) -> dict[str, str]:
    return {"slot": fact.slot, "value": fact.value, "about": fact.noun}
