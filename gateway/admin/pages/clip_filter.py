"""The clip filter of a query string, and back: the same fields on the page, in links and under /admin/api/. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cache.clip import ClipState
from cache.errors import Invalid
from cache.ids import is_id
from cache.storage.operators.clip_search import SORTS, STATES, ClipFilter, ClipSort
from gateway.admin.fields import a_moment, one_of

# Query fields of the filter, and those of the list.
NAMES = ("tenant", "model", "size", "quality", "recipe", "tag", "state", "pinned", "since", "until", "text", "removal")
LISTING = ("sort", "order", "after")


@dataclass(frozen=True)
class ClipQuery:
    """A filter with its sort order. `sent`: its fields as they came, for links that ask for the same."""

    filter: ClipFilter
    sent: dict[str, str]
    sort: ClipSort
    ascending: bool
    after: str | None


def asked(fields: Mapping[str, str], reader: str | None) -> ClipQuery:
    """The query in `fields`. `reader`: the tenant whose prompts may be read, None for all. Raises Invalid, naming the field."""
    for name in fields:
        if name not in {*NAMES, *LISTING, "csrf", "counted_at", "dry_run"}:
            raise Invalid(name[:64], f"unknown field {name[:64]!r}; known: {', '.join((*NAMES, *LISTING))}", "unknown_parameter")
    removal = fields.get("removal", "")
    state = one_of(fields, "state", (*STATES, "any"), "withdrawn" if removal else "live")
    if removal and not is_id("removal", removal):
        raise Invalid("removal", f"removal is the id of an invalidation, not {removal[:40]!r}")
    pinned = one_of(fields, "pinned", ("", "yes", "no"), "")
    after = fields.get("after")
    wanted = ClipFilter(
        tenant=fields.get("tenant", ""),
        model=fields.get("model", ""),
        size=fields.get("size", ""),
        quality=fields.get("quality", ""),
        recipe_key=fields.get("recipe", ""),
        tag=fields.get("tag", ""),
        state="" if state == "any" else _state(state),
        pinned=None if not pinned else pinned == "yes",
        since=a_moment(fields, "since"),
        until=a_moment(fields, "until", whole_day=True),
        text=fields.get("text", ""),
        readable=reader,
        removal=removal,
    )
    if after is not None and not is_id("clip", after):
        raise Invalid("after", "after is the id of a clip")
    sent = {name: fields[name] for name in NAMES if fields.get(name)}
    ascending = one_of(fields, "order", ("desc", "asc"), "desc") == "asc"
    return ClipQuery(wanted, sent, one_of(fields, "sort", SORTS, "created"), ascending, after)


def _state(word: str) -> ClipState:
    return next(state for state in STATES if state == word)
