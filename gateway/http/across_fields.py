"""The rules of a body that hold for several fields together, as JSON schemas: no Struct can say them."""

from __future__ import annotations

from gateway.http import dialect
from gateway.http.samples import Json

ACROSS_FIELDS: list[Json] = [
    {"not": {"properties": {"quality": {"type": "string"}, "steps": {"type": "integer"}}, "required": ["quality", "steps"]}},
    {
        "if": {"properties": {"allow_smaller": {"const": True}}, "required": ["allow_smaller"]},
        "then": {"properties": {"priority": {"const": "background"}}, "required": ["priority"]},
    },
    {
        "if": {
            "properties": {"reprise": {"type": "object", "properties": {"scope": {"const": "user"}}, "required": ["scope"]}},
            "required": ["reprise"],
        },
        "then": {"properties": {"user": {"type": "string"}}, "required": ["user"]},
    },
    {
        "if": {"properties": {"reprise[scope]": {"const": "user"}}, "required": ["reprise[scope]"]},
        "then": {"required": ["user"]},
    },
    *dialect.ACROSS_FIELDS,
]
