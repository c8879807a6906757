"""Assisted renders as operators see them: counted apart from hits, compared and labelled on the audits page, reported by a command."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.admin.pages import api, html, post, until
from tests.conftest import StartServer
from tests.live import PATIENCE, Live

QUICK: dict[str, Any] = {"steps": 10, "seconds": 0.5}


def audited(live: Live) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api(live, "near-hits", kind="audit")["data"]
    return found


def clip(live: Live, clip_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api(live, f"clips/{clip_id}")
    return found


def test_it_is_counted_apart_compared_and_accepted(start: StartServer) -> None:
    live = start(assist="near", audit_share=1, gpu_price_per_hour=3600)
    donor = live.made("a small red ball bounces", **QUICK)["reprise"]["clip"]
    asked = live.made("a large red ball bounces", **QUICK)
    child = asked["reprise"]["clip"]
    ever = api(live, "overview")["ever"]
    assert (ever["assisted"], ever["gpu_seconds_saved"]) == (1, 0)
    assert ever["assist_gpu_seconds_saved"] > 0
    assert ever["assist_money_saved"] == pytest.approx(ever["assist_gpu_seconds_saved"])
    assert [one["id"] for one in api(live, "requests", spared="assist")["requests"]] == [asked["id"]]
    told = clip(live, child)
    assert (told["assisted"]["start"]["donor"], told["assisted"]["start"]["kind"], told["reserved"]) == (donor, "near", True)
    assert "answers its own request alone" in html(live, f"/admin/clips/{child}")
    assert "skipped steps" in html(live, "/admin")

    until(lambda: bool(audited(live)), 2 * PATIENCE)
    (pair,) = audited(live)
    assert (pair["request"], pair["verdict"], pair["clip"]) == (asked["id"], "miss", child)
    assert "Started from another clip" in html(live, "/admin/near-hits?kind=audit")
    own = live.made("a large red ball bounces", **QUICK)["reprise"]
    assert (own["verdict"], own["clip"], own["assisted"]) == ("exact", pair["audit_clip"], None), "its own render answers meanwhile"
    assert post(live, f"/admin/api/near-hits/audit/{asked['id']}/label", right="yes").json()["right"] is True
    assert api(live, "overview")["precision"]["assisted"]["right"] == 1
    assert api(live, "overview")["precision"]["audited"]["right"] == 0, "no near hit was labelled"
    accepted = clip(live, child)
    assert (accepted["reserved"], accepted["state"]) == (False, "superseded"), "the newer clip of its words goes on to answer"


def test_a_report_makes_past_misses_again(start: StartServer) -> None:
    live = start(keep_latents="on")
    live.made("a small red ball bounces", **QUICK)
    miss = live.made("a large red ball bounces", **QUICK)
    live.made("a dog runs on the beach", **QUICK)
    assert miss["reprise"]["assisted"] is None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
    command = [sys.executable, "-m", "gateway.cli", "assist-report", "--url", live.url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env={**environment, "COLUMNS": "160"}).stdout
    assert "a large red ball bounces" in printed
    assert "size of *ball*: large / small" in printed
    assert "2 of 10" in printed
    assert f"{live.url}/admin/near-hits?kind=audit" in printed
    until(lambda: bool(audited(live)), 2 * PATIENCE)
    (pair,) = audited(live)
    assert (pair["request"], pair["audit_clip"]) == (miss["id"], miss["reprise"]["clip"])
    assisted = clip(live, pair["clip"])
    assert (assisted["assisted"]["steps_skipped"], assisted["reserved"]) == (2, True)
    assert live.made("a large red ball bounces", **QUICK)["reprise"]["clip"] == miss["reprise"]["clip"], "what answered goes on to answer"
    assert len(httpx.get(f"{live.url}/v1/videos").json()["data"]) == 4, "it is nobody's request"
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "no past miss has a donor" in again, "each is made once"
    wrong = httpx.post(f"{live.url}/admin/api/assist-report", params={"pairs": "0"}, timeout=PATIENCE)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "pairs")
