"""Loaded by schemathesis itself (see fuzzing.py): which of its cases are none."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, HookContext


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """A webhook goes to a name that is reserved for having no address: the server under test calls nobody. And a user's scope names its
    user: where `reprise` may be null schemathesis cannot read a rule of the schema about a field within it.
    """
    body = case.body
    if not isinstance(body, dict):
        return
    options = body.get("reprise")
    given: list[tuple[Any, str]] = [(body, "reprise[{}]"), *([(options, "{}")] if isinstance(options, dict) else [])]
    for where, spelled in given:
        if str(where.get(spelled.format("webhook_url"))).startswith("https://"):
            where[spelled.format("webhook_url")] = "https://hooks.invalid/videos"
        if where.get(spelled.format("scope")) == "user" and body.get("user") is None:
            body["user"] = "somebody"


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    """False for a form that is called broken and holds tags. All values of a form are texts, so a number cannot be told from
    its digits, nor one tag from a list of one; schemathesis knows the former alone, takes a tag for a text where a list is due, and
    then calls whatever else is text or vanishes on the way (`steps: []`) accepted.
    """
    told_broken = case.meta is not None and case.meta.generation.mode.is_negative
    body = case.body
    tagged = isinstance(body, dict) and ("tags" in body or "tags[]" in body)
    return not (told_broken and case.media_type == "multipart/form-data" and tagged)
