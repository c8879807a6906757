"""One trace from a client's call to the worker's last stage, across processes; and what a trace never holds."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.fleet import Fleet
from tests.live import PATIENCE
from tests.observation.collector import Collector, facts
from tests.servers.postgres import shared_postgres
from tests.servers.swift import NoSwift, Swift

pytestmark = pytest.mark.timeout(600)  # four processes start first, on two cores that may be busy

WORDS = "a violet heron over a still lake"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STAGES = {"queue", "text_encode", "denoise", "vae_decode", "video_encode", "store"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    opened = Collector()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, collector: Collector) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("traces")
    try:
        swift = Swift(folder / "swift")
    except NoSwift as reason:
        pytest.skip(str(reason))
    swift.start().client().make_bucket("clips")
    name = f"traces_{secrets.token_hex(8)}"
    machines = Fleet(folder, tiny_model, shared_postgres().create(name), swift.url("clips"), otlp_endpoint=collector.url)
    try:
        machines.start(gateways=1, workers=1)
        machines.ready()
        yield machines
    finally:
        machines.close()
        shared_postgres().drop(name)
        swift.stop()


def test_one_trace_leads_from_the_call_to_the_last_stage_of_another_process(fleet: Fleet, collector: Collector) -> None:
    gateway = fleet.gateways[0]
    sent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "call-1", "Prefer": "wait=60"}
    video = gateway.finished(gateway.post(WORDS, headers=sent, steps=2))
    assert video["status"] == "completed"
    collector.awaited(lambda: {"job", "POST /v1/videos"} <= {span.name for _, span in ours(collector)})

    spans = {span.name: (service, span) for service, span in ours(collector)}
    service, call = spans["POST /v1/videos"]
    assert (service, call.parent_span_id.hex()) == ("reprise-gateway", PARENT)
    told = facts(call)
    assert told["reprise.verdict"] == "miss"
    assert told["reprise.video"] == video["id"]
    assert (told["reprise.request"], told["http.response.status_code"]) == ("call-1", 200)
    for name, parent in (("lookup", "POST /v1/videos"), ("embed", "lookup"), ("judge", "lookup"), ("commit", "POST /v1/videos")):
        assert spans[name][1].parent_span_id == spans[parent][1].span_id, name

    service, job = spans["job"]
    assert (service, facts(job)["reprise.outcome"]) == ("reprise-worker", "made")
    assert facts(job)["reprise.job"] == told["reprise.job"]
    assert job.parent_span_id == spans["commit"][1].span_id, "submitted there"
    stages = {name: span for name, (_, span) in spans.items() if name in STAGES}
    assert set(stages) == STAGES
    assert {span.parent_span_id for span in stages.values()} == {job.span_id}
    for name, span in stages.items():
        took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        assert took == pytest.approx(video["reprise"]["stages_ms"][name], abs=1.0), name
        assert job.start_time_unix_nano <= span.start_time_unix_nano

    # The worker's log names the trace; nobody was told the words.
    lines = fleet.workers[0].log.read_text()
    assert f'"trace_id": "{TRACE}"' in lines
    assert not any(b"heron" in body for body in collector.bodies)


def ours(collector: Collector) -> list[tuple[str, Span]]:
    return [(service, span) for service, span in collector.spans if span.trace_id.hex() == TRACE]


def test_a_hit_is_told_too_and_words_only_where_they_are_asked_for(fleet: Fleet, collector: Collector) -> None:
    fleet.gateways[0].made(WORDS, steps=2)
    talking = fleet.gateway(log_prompts=True)
    hit = talking.post(WORDS, steps=2)
    assert hit["reprise"]["verdict"] == "exact"
    assert httpx.post(f"{talking.url}/v1/videos", json={"prompt": ""}, timeout=PATIENCE).status_code == 400
    talking.stop()  # what was not sent yet is sent now
    calls = [facts(span) for _, span in collector.named("POST /v1/videos")]
    (told,) = [call for call in calls if call.get("reprise.video") == hit["id"]]
    assert told["reprise.prompt"] == WORDS
    (refused,) = [call for call in calls if call["http.response.status_code"] == 400]
    assert "reprise.prompt" not in refused
