"""The typed client against a real server, and its types against the API's own document."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from gateway.http.openapi import document
from gateway.http.wire import encode_json
from tests.live import Live

CLIENT = Path(__file__).parents[2] / "examples" / "client"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Imported from where it lies, as after `pip install ./examples/client`."""
    sys.path.insert(0, str(CLIENT))
    yield importlib.import_module("reprise_client")
    sys.path.remove(str(CLIENT))


def test_a_video_is_made_found_again_saved_and_judged(client: Any, live: Live, tmp_path: Path) -> None:
    with client.Reprise(live.url) as reprise:
        made = reprise.video("a violet square grows", quality="draft")
        assert (made["status"], made["reprise"]["verdict"]) == ("completed", "miss")
        again = reprise.create("a violet square grows", quality="draft")
        assert again["reprise"]["verdict"] == "exact"
        fresh = reprise.video("a violet square grows", quality="draft", fresh=True)
        assert fresh["reprise"]["clip"] != made["reprise"]["clip"]
        reprise.feedback(again["id"], True)
        reprise.save(made["id"], tmp_path / "square.mp4")
        assert (tmp_path / "square.mp4").read_bytes()[4:8] == b"ftyp"
        assert reprise.latest(1)[0]["id"] == fresh["id"]
        assert reprise.models()[0]["object"] == "model"
        reprise.delete(made["id"], erase=True)
        with pytest.raises(client.RequestFailed) as gone:
            reprise.retrieve(made["id"])
        assert gone.value.status == 404


def test_a_user_is_handed_out_and_erased(client: Any, live: Live) -> None:
    with client.Reprise(live.url) as reprise:
        video = reprise.video("a client's user asks for a ring", steps=4, user="client/1", reprise={"scope": "user"})
        assert [(one["id"], one["scope"]) for one in reprise.user_requests("client/1")] == [(video["id"], "user")]
        assert reprise.erase_user("client/1") == (1, 1)
        assert reprise.user_requests("client/1") == []


def test_what_the_server_refuses_names_the_field(client: Any, live: Live) -> None:
    with client.Reprise(live.url, patience=1) as reprise:
        with pytest.raises(client.RequestFailed) as refused:
            reprise.create("a ball", size="1x1")
        assert (refused.value.status, refused.value.param) == (400, "size")
        with pytest.raises(client.VideoFailed) as failed:
            reprise.completed(reprise.cancel(reprise.create("a beige slab spins", quality="final")["id"]))
        assert failed.value.video["error"]["code"] == "cancelled"


def test_its_types_are_those_of_the_document(client: Any) -> None:
    schemas = document()["components"]["schemas"]
    for name, shape in (
        ("VideoObject", client.Video),
        ("RepriseDetail", client.RepriseDetail),
        ("ModelObject", client.Model),
        ("UserRequest", client.UserRequest),
    ):
        assert set(get_type_hints(shape)) == set(schemas[name]["properties"]), name


def test_the_types_for_typescript_are_of_this_document() -> None:
    """They are made by a Node program (`make types`), which names the document that it read."""
    digest = hashlib.sha256(encode_json(document())).hexdigest()
    first = (CLIENT / "typescript" / "reprise.d.ts").read_text().splitlines()[0]
    assert first == f"// Made by `make types` from openapi.json with SHA-256 {digest}.", "run `make types`"
