"""Schemathesis over the API's own document, against a real server with keys and clips in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from cache.catalog import DEMO
from cache.settings import Settings
from generator.model_rows import OURS
from tests.live import NO_WARM_UP, Live

KEY = "an-admin-key-of-some-length"
BEARER = {"Authorization": f"Bearer {KEY}"}
WORDS = ("a red ball bouncing on grass", "two blue squares", "a star at dusk")
# Waits are short and nothing is full, so that a run is about answers and not about patience.
SETTINGS: dict[str, object] = {"ADMIN_KEY": KEY, "WAIT_SECONDS": 0.2, "QUEUE_JOBS": 10**6, "TENANT_JOBS": 10**6, "SPEED": NO_WARM_UP}


PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGP8xUAaYCJR/aiGUQ1DSAMAMOMBGpnUDAcAAAAASUVORK5CYII="
)


def settings(folder: Path) -> dict[str, object]:
    """Those of a server to fuzz: a model of the demo's shape that begins with a picture, too."""
    row = folder / "row.json"
    told = {name: value for name, value in asdict(DEMO.undistilled).items() if name not in OURS and value not in (None, ())}
    row.write_text(json.dumps(told | {"takes_picture": True}))
    return {**SETTINGS, "MODEL_ROW": row}


# What is well formed may still be refused for what is there: a clip that is gone, bytes that a condition does not want, an
# Idempotency-Key that was used. Every other 4xx to a well-formed call is a fault. 504 says that a wait was too short, which most are here.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "410", "412", "416", "422", "429", "503", "504"]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "504"]
"""


@dataclass(frozen=True)
class Outcome:
    """`cases` were sent; `code` is 0 where every answer was one that the document tells of."""

    code: int
    cases: int
    told: str


def prepared(live: Live) -> dict[str, Any]:
    """The document as this server serves it, with what it says in words (`GET /v1/models`) said in schema, and with ids that
    lead somewhere. Nothing is taken out of it.
    """
    with httpx.Client(base_url=live.url, headers=BEARER, timeout=60) as client:
        told: dict[str, Any] = client.get("/openapi.json").json()
        (model,) = client.get("/v1/models").json()["data"]
        videos = [client.post("/v1/videos", json={"prompt": words, "steps": 2}, headers={"Prefer": "wait=1"}).json() for words in WORDS]
        for video in videos:
            while client.get(f"/v1/videos/{video['id']}").json()["status"] != "completed":
                pass
        schemas = told["components"]["schemas"]
        schemas["RepriseOptions"]["properties"]["lora"] = {"type": "null"}  # this server has none
        for name in ("VideoBody", "VideoForm"):
            fields = schemas[name]["properties"]
            one_of(fields, "model", [model["id"]])
            one_of(fields, "size", model["reprise"]["sizes"])
            fields["steps"]["default"] = 2
            width, height = map(int, model["reprise"]["sizes"][0].split("x"))
            one_of(fields, "width", [width])
            one_of(fields, "height", [height])
            one_of(fields, "num_frames", [5, 8, 9, 16, 17])
            one_of(fields, "fps", [model["reprise"]["fps"]])
            one_of(fields, "flow_shift", [DEMO.flow_shift])
            one_of(fields, "extra_params", [{"n": 1}] if name == "VideoBody" else ['{"n": 1}'])
            fields["input_reference"] = (
                {"enum": [PICTURE, ""]}
                if name == "VideoForm"
                else {"anyOf": [{"enum": [PICTURE, "", {"image_url": PICTURE}, {}]}, {"type": "null"}]}
            )
            if name == "VideoForm":
                one_of(fields, "metadata", ['{"a": "b"}'])
                del fields["reprise[lora]"]  # this server has none
            fields["prompt"] = {"anyOf": [{"enum": list(WORDS)}, fields["prompt"]]}
            seconds = fields["seconds"]
            strictness = schemas["RepriseOptions"]["properties"]["max_wrong"] if name == "VideoBody" else fields["reprise[max_wrong]"]
            number = strictness["anyOf"][0] if "anyOf" in strictness else strictness
            number["maximum"] = Settings.model_fields["max_wrong"].default
            choices = seconds["anyOf"][0]["anyOf"] if name == "VideoBody" else [seconds]
            for choice in choices:
                if choice["type"] == "string":
                    del choice["pattern"]
                    choice["enum"] = ["0.5", "1", "1.25", "2"]
                else:
                    choice.update(exclusiveMinimum=0.25, maximum=model["reprise"]["longest_seconds"])
        parameters = told["components"]["parameters"]
        parameters["video_id"]["example"] = videos[0]["id"]
        del parameters["Idempotency-Key"]["example"]  # every example would be the same request
        return told


def one_of(fields: dict[str, Any], name: str, allowed: Sequence[object]) -> None:
    field = fields[name]
    field = field["anyOf"][0] if "anyOf" in field else field
    field.pop("pattern", None)
    field["enum"] = list(allowed)


def fuzz(live: Live, folder: Path, cases_each: int, seed: int, phases: str = "examples,coverage,fuzzing,stateful") -> Outcome:
    """At most `cases_each` per operation and phase, beside those that the phases of examples and coverage need."""
    document, report, config = folder / "openapi.json", folder / "report.json", folder / "schemathesis.toml"
    hooks = shutil.copy(Path(__file__).with_name("fuzzing_hooks.py"), folder)
    config.write_text(f"hooks = {json.dumps(str(hooks))}\n{CONFIG}")
    document.write_text(json.dumps(prepared(live)))
    ran = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "--no-color", "run",
            str(document), "--url", live.url,
            "--header", f"Authorization: Bearer {KEY}", "--checks", "all", "--max-examples", str(cases_each), "--phases", phases,
            "--seed", str(seed), "--continue-on-failure", "--generation-database", "none",
            "--report", "json", "--report-json-path", str(report), "--warnings", "off",
        ],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    said = ran.stdout[-8000:] + ran.stderr[-2000:]
    assert report.exists(), said
    return Outcome(ran.returncode, int(json.loads(report.read_text())["test_cases"]["generated"]), said)
