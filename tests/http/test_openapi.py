"""The document says what the server does: every route, every status, every shape; and its page reads without help."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from litestar import Litestar
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from cache.key_form import key_form
from cache.visible import visible
from gateway.api.videos import UNSUPPORTED
from gateway.auth.access import OpenAccess
from gateway.docs.docs import Docs
from gateway.docs.fields import fields_of
from gateway.http.openapi import VERSION, document
from gateway.http.problems import HANDLERS, STATUS
from gateway.http.samples import Json
from gateway.http.texts import NOTHING
from tests.http.truth import faults, told, validator

ROOT = Path(__file__).parent.parent.parent
# Of a server as it is: what each route answers to. Pages for people are no API.
ROUTES = """
import json, sys
from gateway.app import create_app
from cache.settings import Settings
found = [
    (str(method), route.path_format)
    for route in create_app(Settings(data_dir=sys.argv[1])).routes
    for one in route.route_handlers if not one.opt.get("page")
    for method in one.http_methods if method != "OPTIONS"
]
print(json.dumps(found))
"""


def operations() -> Iterator[tuple[str, str, Json]]:
    for path, methods in told()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_it_is_an_openapi_3_1_document() -> None:
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document())] == []
    for name, schema in told()["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert schema.get("title") == name
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_it_tells_of_every_route_and_of_no_other(tmp_path: Path) -> None:
    printed = subprocess.run([sys.executable, "-c", ROUTES, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    untold = {path.replace(":str", "") for path in UNSUPPORTED}
    routes = {(method, path) for method, path in json.loads(printed) if not path.startswith("/admin") and path not in untold}
    named = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path, _ in operations()}
    assert named == {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in routes}


def test_it_tells_of_every_status_that_an_error_may_give() -> None:
    statuses = {int(status) for _, _, operation in operations() for status in operation["responses"]}
    given = set(STATUS.values())
    assert given - statuses == {405, 500}, "these two are told of once, for all paths"
    assert {status for status in statuses if status >= 400} <= given
    assert "405" in told()["info"]["description"]
    assert "500" in told()["info"]["description"]


def test_every_call_with_a_key_tells_how_it_is_refused() -> None:
    for method, path, operation in operations():
        if operation.get("security") != []:
            assert {"401", "403", "429", "503"} <= set(operation["responses"]), (method, path)
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
        for answer in operation["responses"].values():
            assert answer["headers"]["X-Request-Id"]["required"]


def examples() -> Iterator[tuple[str, str, object]]:
    for _, path, operation in operations():
        contents = [
            operation.get("requestBody", {}).get("content", {}),
            *(one.get("content", {}) for one in operation["responses"].values()),
        ]
        for content in contents:
            for media in content.values():
                shown = [one["value"] for one in media.get("examples", {}).values()] + ([media["example"]] if "example" in media else [])
                for one in shown:
                    yield path, media["schema"]["$ref"], one


def test_every_example_is_what_its_schema_says() -> None:
    found = list(examples())
    assert len(found) > 60
    assert [(path, str(error)) for path, reference, one in found for error in validator(reference).iter_errors(one)] == []


def test_what_the_prompt_may_be_is_what_the_key_form_leaves() -> None:
    nothing = re.compile(f"[{NOTHING}]")
    letters = [chr(code) for code in range(0x11_0000) if not 0xD800 <= code <= 0xDFFF]
    assert [char for char in letters if bool(nothing.fullmatch(char)) is not (key_form(visible(char)) == "")] == []


@pytest.mark.parametrize(
    ("body", "valid"),
    [
        ({"prompt": "一只猫"}, True),
        ({"prompt": "a", "steps": 5, "quality": None}, True),
        ({"prompt": "a", "seconds": 1.5}, True),
        ({"prompt": " .\n"}, False),
        ({"prompt": "a\x00"}, False),
        ({"prompt": "a", "steps": 5, "quality": "draft"}, False),
        ({"prompt": "a", "allow_smaller": True}, False),
        ({"prompt": "a", "allow_smaller": True, "priority": "background"}, True),
        ({"prompt": "a", "colour": "red"}, False),
        ({"prompt": "a", "width": 128, "height": 128, "num_frames": 17, "fps": 8, "num_inference_steps": 9, "n": 1}, True),
        ({"prompt": "a", "width": None, "size": "128x128", "num_frames": None, "extra_params": None, "user": None}, True),
        ({"prompt": "a", "width": 128}, False),
        ({"prompt": "a", "width": 128, "height": 128, "size": "128x128"}, False),
        ({"prompt": "a", "num_frames": 17, "seconds": "2"}, False),
        ({"prompt": "a", "num_inference_steps": 9, "steps": 9}, False),
        ({"prompt": "a", "num_inference_steps": 9, "quality": "draft"}, False),
        ({"prompt": "a", "n": 2}, False),
        ({"prompt": "a", "extra_params": {"flow_shift": 3.0, "seed": 7}}, True),
        ({"prompt": "a", "extra_params": {"lora": "x"}}, False),
        ({"prompt": "a", "user": "", "metadata": {}}, False),
        ({"prompt": "a", "user": "u", "metadata": {"a": "b"}}, True),
        ({"prompt": "a", "metadata": {"a": 1}}, False),
        ({}, False),
    ],
)
async def test_schema_and_server_agree_on_a_body(client: httpx.AsyncClient, body: dict[str, object], valid: bool) -> None:
    assert validator("#/components/schemas/VideoBody").is_valid(body) is valid
    assert (await client.post("/v1/videos", json=body)).status_code == (200 if valid else 400)


async def test_an_answer_that_is_not_told_of_is_found() -> None:
    headers = httpx.Headers({"X-Request-Id": "a", "Content-Type": "application/json"})
    assert faults("GET", "/v1/videos", 418, headers, b"{}") == ["GET /v1/videos: 418 is not told of"]
    assert "is not told of" in faults("PUT", "/v1/videos", 200, headers, b"{}")[0]
    assert faults("GET", "/v1/models", 200, httpx.Headers({"Content-Type": "application/json"}), b'{"object": "list", "data": []}')
    assert faults("GET", "/v1/models", 200, headers, b'{"object": "list"}')
    assert faults("GET", "/v1/models", 200, headers, b'{"object": "list", "data": []}') == []


def test_the_changelog_knows_this_version() -> None:
    assert f"HTTP API {VERSION}" in (ROOT / "CHANGELOG.md").read_text()


# The page


@pytest.fixture(scope="module")
def docs() -> Litestar:
    return Litestar(Docs().routes(), middleware=[OpenAccess().middleware], exception_handlers=HANDLERS, openapi_config=None)


@pytest.fixture
async def reader(docs: Litestar) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=docs), base_url="http://localhost") as client:  # type: ignore[arg-type]
        yield client


async def test_the_document_is_served(reader: httpx.AsyncClient) -> None:
    answer = await reader.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == document()
    assert (await reader.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})).status_code == 304


async def test_the_page_tells_everything_and_loads_nothing_from_elsewhere(reader: httpx.AsyncClient) -> None:
    answer = await reader.get("/docs")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = answer.text
    for _, path, operation in operations():
        if not operation["operationId"].endswith("Head"):
            assert f'id="{operation["operationId"]}"' in page
            assert path in page
    for name, schema in told()["components"]["schemas"].items():
        assert f'id="shape-{name}"' in page
        assert all(f"<code>{field.name}</code>" in page for field in fields_of(schema))
    assert "style=" not in page
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert all(address.startswith("/") for address in loaded), loaded
    for address in {one for one in loaded if one.startswith("/docs/") and one != "/docs/try"}:
        asset = await reader.get(address)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


async def test_only_files_of_the_page_have_an_address(reader: httpx.AsyncClient) -> None:
    for name in ("page.html", "docs.py", "..%2fdocs.py", "%2e%2e/fields.py", "x"):
        assert (await reader.get(f"/docs/x/{name}")).status_code == 404
    old = await reader.get("/docs/an-older-edition/docs.css")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
