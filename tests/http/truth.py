"""Holds answers against the API's document: each must be one that the document tells of, headers and body included."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import httpx
import jsonschema_rs

from gateway.http.openapi import document
from gateway.http.samples import Json

# Told once, in the document's own description: these may come from any path, or from none that is told.
ANYWHERE = {405, 500}
UNTOLD = re.compile(r"/v1/videos/(edits|extensions|characters)|/v1/videos/[^/]*/remix")


@lru_cache(maxsize=1)
def told() -> Json:
    return document()


@lru_cache(maxsize=256)
def validator(reference: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": reference, "components": {"schemas": told()["components"]["schemas"]}})


def operation_of(method: str, path: str) -> Json | None:
    for template, methods in told()["paths"].items():
        if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", template), path) and method.lower() in methods:
            found: Json = methods[method.lower()]
            return found
    return None


def faults(method: str, path: str, status: int, headers: httpx.Headers, body: bytes) -> list[str]:
    """What the answer says that the document does not, or the other way round."""
    if UNTOLD.match(path) or status in ANYWHERE:
        return []
    operation = operation_of(method, path)
    if operation is None:
        return [] if status == 404 or method == "OPTIONS" else [f"{method} {path} is not told of, and answers {status}"]
    answer = operation["responses"].get(str(status))
    if answer is None:
        return [f"{method} {path}: {status} is not told of"]
    found = [f"{name} is missing" for name, header in answer["headers"].items() if header.get("required") and name not in headers]
    for name, header in answer["headers"].items():
        schema = header.get("schema") or told()["components"]["headers"][name]["schema"]
        if name in headers and not jsonschema_rs.is_valid(schema, _read(headers[name], schema)):
            found.append(f"{name}: {headers[name]}")
    if method == "HEAD":
        return found
    media = headers.get("content-type", "").partition(";")[0]
    content = answer.get("content", {})
    if body and media not in content:
        return [*found, f"{media} is not told of"]
    if body and "schema" in content[media]:
        found += [str(error) for error in validator(content[media]["schema"]["$ref"]).iter_errors(json.loads(body))]
    return [f"{method} {path} {status}: {one}" for one in found]


async def hold(response: httpx.Response) -> None:
    """A hook for a client."""
    body = await response.aread()
    request = response.request
    found = faults(request.method, request.url.raw_path.decode().partition("?")[0], response.status_code, response.headers, body)
    assert found == []


def _read(value: str, schema: Json) -> object:
    return int(value) if schema.get("type") == "integer" and value.isdecimal() else value
