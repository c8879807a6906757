"""The description of a JSON schema's fields in words, for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A field. `shapes`: names of the shapes in its type."""

    name: str
    kind: str
    shapes: tuple[str, ...]
    required: bool
    tells: str


def fields_of(schema: Schema) -> Iterator[Field]:
    for name, field in schema.get("properties", {}).items():
        yield Field(name, kind_of(field), tuple(shapes_in(field)), name in schema.get("required", ()), description_of(field))


def kind_of(schema: Schema) -> str:
    """A type in words: `string or null, at most 64 characters`; a shape by its name."""
    if "$ref" in schema:
        return name_of(schema["$ref"])
    if "anyOf" in schema:
        return " or ".join(kind_of(one) for one in schema["anyOf"])
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        kind = f"list of {kind_of(schema.get('items', {}))}"
    elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        kind = f"object of {kind_of(schema['additionalProperties'])}"
    return kind + limits_of(schema)


def limits_of(schema: Schema) -> str:
    for least, most, unit in (("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", "")):
        low, high = schema.get(least), schema.get(most)
        if low is not None and high is not None:
            return f", {low:,} to {high:,}{unit}"
        if low is not None:
            return f", at least {low:,}{unit}"
        if high is not None:
            return f", at most {high:,}{unit}"
    return ""


def description_of(schema: Schema) -> str:
    told = [schema.get("description", ""), *(one.get("description", "") for one in schema.get("anyOf", ()))]
    return next((text for text in told if text), "")


def shapes_in(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        yield name_of(schema["$ref"])
    for inner in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from shapes_in(inner)


def name_of(reference: str) -> str:
    return reference.rpartition("/")[2]
