"""What a scrape says, who may read it, and that documents and dashboard speak of what is there."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from cache.durations import BOUNDS, Durations
from cache.errors import Forbidden
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.operators.gauges import Gauges
from cache.storage.tables import now, workers
from gateway.telemetry.metrics import Metrics, Sources
from gateway.telemetry.worker_metrics import scraped
from generator.renders import Renders
from tests.conftest import StartServer
from tests.live import PATIENCE, Live

pytestmark = pytest.mark.timeout(600)  # on two cores that may be busy

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
WORDS = "a crimson walrus juggling lanterns"
TOKEN = "a token that only a scraper has"
ADMIN = "an admin key of this very test"


def scrape(live: Live, headers: dict[str, str] | None = None) -> dict[str, Metric]:
    answer = httpx.get(f"{live.url}/metrics", headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    """Of one sample; its name without `_total` and the like is its family's."""
    (one,) = [s for family in found.values() for s in family.samples if s.name == sample and labels.items() <= s.labels.items()]
    return float(one.value)


@pytest.fixture(scope="module")
def asked(live: Live) -> Live:
    """One render, two exact hits, a video read twice, a path that is none, a word of feedback."""
    video = live.made(WORDS, steps=2)
    for _ in range(2):
        assert live.post(WORDS, steps=2)["reprise"]["verdict"] == "exact"
        live.content(video["id"])
    assert httpx.get(f"{live.url}/no/such/{WORDS}").status_code == 404
    assert httpx.post(f"{live.url}/v1/videos/{video['id']}/feedback", json={"satisfied": True}).status_code == 200
    return live


def test_answers_are_counted_by_verdict_with_their_times(asked: Live) -> None:
    found = scrape(asked)
    assert value(found, "reprise_verdicts_total", verdict="exact") == 2
    assert value(found, "reprise_verdicts_total", verdict="miss") == 1
    assert value(found, "reprise_answer_seconds_count", verdict="exact") == 2
    assert value(found, "reprise_answer_seconds_bucket", verdict="exact", le="+Inf") == 2
    assert 0 < value(found, "reprise_answer_seconds_sum", verdict="exact") < value(found, "reprise_answer_seconds_sum", verdict="miss")
    saved, spent = value(found, "reprise_gpu_seconds_saved_total"), value(found, "reprise_gpu_seconds_total")
    assert saved == pytest.approx(2 * spent)
    assert value(found, "reprise_http_requests_total", method="POST", route="/v1/videos", status="200") == 3
    assert value(found, "reprise_http_requests_total", route="unmatched", status="404") == 1


def test_renders_caches_index_and_parts_are_told(asked: Live) -> None:
    found = scrape(asked)
    assert value(found, "reprise_renders_total", outcome="made") == 1
    assert value(found, "reprise_renders_total", outcome="failed") == 0
    stages = {sample.labels["stage"] for sample in found["reprise_stage_seconds"].samples}
    assert stages == {"queue", "text_encode", "denoise", "vae_decode", "video_encode", "store"}
    assert value(found, "reprise_byte_cache_total", result="hit") == 1
    assert value(found, "reprise_byte_cache_bytes") > 0
    assert value(found, "reprise_exact_memory_total", result="hit") >= 1
    assert value(found, "reprise_index_clips") == 1
    assert value(found, "reprise_index_bytes") > 0
    assert value(found, "reprise_index_lag_seconds") < PATIENCE
    assert value(found, "reprise_workers", state="alive") == 1
    assert {sample.labels["part"]: sample.value for sample in found["reprise_up"].samples} == dict.fromkeys(
        ("database", "store", "encoder", "index", "near_hits", "disk", "model", "background"), 1.0
    )
    assert value(found, "reprise_labels", source="client", said="right") == 1


def test_the_queue_is_told_while_it_is_long(start: StartServer) -> None:
    live = start()
    waiting = [live.post(f"{WORDS} {n}", steps=100, priority="background") for n in range(3)]
    found = scrape(live)
    held = sum(value(found, "reprise_jobs", state=state, priority="background") for state in ("queued", "leased"))
    assert held == 3
    assert value(found, "reprise_queue_oldest_seconds", priority="background") > 0
    assert value(found, "reprise_queue_oldest_seconds", priority="interactive") == 0
    for video in waiting:
        httpx.post(f"{live.url}/v1/videos/{video['id']}/cancel", timeout=PATIENCE)


def test_nothing_of_a_client_is_a_label(asked: Live) -> None:
    text = httpx.get(f"{asked.url}/metrics", timeout=PATIENCE).text
    assert "walrus" not in text
    assert not re.search(r"[0-9a-f]{32}", text), "an id"
    for family in text_string_to_metric_families(text):
        assert not {"tenant", "prompt", "key"} & {label for sample in family.samples for label in sample.labels}


def test_open_metrics_for_who_asks_for_them(asked: Live) -> None:
    answer = httpx.get(f"{asked.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}, timeout=PATIENCE)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_with_keys_metrics_are_for_admins_and_the_scraper(start: StartServer) -> None:
    live = start(admin_key=ADMIN, metrics_token=TOKEN)
    url = f"{live.url}/metrics"
    assert httpx.get(url, timeout=PATIENCE).status_code == 401
    assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}x"}, timeout=PATIENCE).status_code == 401
    scrape(live, {"Authorization": f"Bearer {TOKEN}"})
    scrape(live, {"Authorization": f"Bearer {ADMIN}"})
    elsewhere = httpx.get(f"{live.url}/v1/videos", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE)
    assert elsewhere.status_code == 401, "the token opens nothing else"


def test_a_process_that_only_renders_is_scraped_at_a_port_of_its_own() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    metrics = Metrics(Sources(renders=Renders()))
    with scraped(metrics, Settings(metrics_port=port, metrics_token=TOKEN)):
        url = f"http://127.0.0.1:{port}/metrics"
        assert httpx.get(url).status_code == 401
        answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"})
        assert 'reprise_renders_total{outcome="made"} 0.0' in answer.text
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    with pytest.raises(Forbidden), scraped(metrics, Settings(metrics_port=port, host="0.0.0.0")):
        pass
    with scraped(metrics, Settings()) as nowhere:
        assert nowhere is None


async def test_workers_that_stopped_or_fell_silent_are_not_alive(database: Database) -> None:
    gauges = Gauges(database)
    assert (await gauges.standing()).alive == 0
    known = {"model": "m", "revision": "r", "device": "d", "started_at": 0.0}
    async with database.write() as connection:
        for name, seen_at, stopped in (("alive", now(), False), ("stopped", now(), True), ("silent", 0.0, False)):
            await connection.execute(insert(workers).values(id=name, seen_at=seen_at, stopped=stopped, **known))
    standing = await gauges.standing()
    assert (standing.alive, standing.busy, standing.jobs) == (1, 0, {})
    assert (await gauges.judged()).labels == {}


def test_every_duration_falls_into_one_bucket() -> None:
    durations = Durations()
    for bound in BOUNDS:
        durations.note(bound)
    durations.note(BOUNDS[-1] * 2)
    assert durations.counts == [1] * (len(BOUNDS) + 1)
    assert durations.count == len(BOUNDS) + 1
    assert durations.total == pytest.approx(sum(BOUNDS) + BOUNDS[-1] * 2)


# Documents


def test_every_metric_is_documented_and_every_documented_one_is_there(asked: Live) -> None:
    table = (DOCS / "observability.md").read_text().split("<!-- metrics -->")[1].split("<!-- /metrics -->")[0]
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in re.findall(r"^\| `(\w+)` \| ([^|]*)\|", table, re.M)}
    found = {name: family for name, family in scrape(asked).items() if name.startswith("reprise_")}
    exported = {f"{name}_total" if family.type == "counter" else name: family for name, family in found.items()}
    assert set(documented) == set(exported)
    for name, family in exported.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels in (documented[name], set()), name


def queries(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_the_dashboard_asks_for_nothing_that_is_not_there(asked: Live) -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    found = scrape(asked)
    there = {sample.name for family in found.values() for sample in family.samples}
    there |= set(found)  # families without a sample so far
    wanted = {name for query in queries(dashboard["panels"]) for name in re.findall(r"\b(?:reprise|process)_\w+", query)}
    assert wanted - there == set()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    bases = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in wanted}
    shown = {re.sub(r"_total$", "", name) for name in found if name.startswith("reprise_")}
    assert shown - bases == set(), "every metric of ours is shown"


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.MatrixSelector):
            found.append(part.vector_selector)
        elif isinstance(part, promql_parser.VectorSelector):
            found.append(part)

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def test_alerts_ask_for_nothing_that_is_not_there(asked: Live) -> None:
    """By Prometheus' grammar; each word that a rule compares a label with is one that the label has or, in a document, may have."""
    there: dict[str, dict[str, set[str]]] = {}
    for family in scrape(asked).values():
        for sample in family.samples:
            labels = there.setdefault(sample.name, {})
            for label, word in sample.labels.items():
                labels.setdefault(label, set()).add(word)
    rules = [rule for group in yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    for rule in rules:
        asks = selectors(rule["expr"])
        assert asks, rule["alert"]
        for one in asks:
            assert one.name in there, rule["alert"]
            for matcher in one.matchers.matchers:
                has = there[one.name][matcher.name]
                if matcher.name in {"status", "route", "verdict"}:  # of what was asked so far
                    continue
                assert all(word in has for word in matcher.value.split("|")), (rule["alert"], matcher.name)
    tried = yaml.safe_load((ROOT / "tests" / "deploy" / "alerts_test.yaml").read_text())["tests"]
    for name in ("all is well", "all is wrong"):
        (case,) = [one for one in tried if one["name"] == name]
        assert {one["alertname"] for one in case["alert_rule_test"]} == {rule["alert"] for rule in rules}
