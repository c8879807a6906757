"""How fast a hit is, beside a bare Litestar echo of the same size on the same server settings, in one run.

    python -m benchmarks.hit [--seconds 5] [--model FOLDER] [--postgres | --database-url URL]

Needs no GPU and nothing running. The figures of one line are ratios of the same run: machines differ, and are shared.
Processor time (user and system, of the server process alone) holds on a busy machine too; the rest wants a quiet one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import httpx

from benchmarks import load
from benchmarks.load import Measured
from tests.live import Live
from tests.servers.postgres import Postgres
from training.demo_model.tiny import make_tiny_folder

CONNECTIONS = 16
TURNS = 5  # of each kind, one after the other: what else the machine does hits all alike
WORDS = "a red ball bouncing on grass"
NEAR = ["the red ball is bouncing on grass", "a red ball is bouncing on the grass", "Red ball bouncing on the grass"]
COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "black", "white")
KEY = "a-key-for-the-benchmark-alone"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What is asked of whom, and what every answer must hold."""

    name: str
    pid: int
    url: str
    asks: Sequence[bytes]
    expect: bytes = b""
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Turn:
    """`cpu` in seconds of the server process, all its threads."""

    measured: Measured
    cpu: float

    @property
    def each(self) -> float:
        """Microseconds of processor time for one request."""
        return self.cpu / len(self.measured.took) * 1e6


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def once(asked: Load, seconds: float) -> Turn:
    before = cpu_of(asked.pid)
    measured = load.run(asked.url, asked.asks, connections=asked.connections, seconds=seconds, expect=asked.expect)
    return Turn(measured, cpu_of(asked.pid) - before)


def in_turns(kinds: Sequence[Load], seconds: float) -> dict[str, list[Turn]]:
    for kind in kinds:
        once(kind, min(1.0, seconds))  # what is done once is done by now
    turns: dict[str, list[Turn]] = {kind.name: [] for kind in kinds}
    for _ in range(TURNS):
        for kind in kinds:
            turns[kind.name].append(once(kind, seconds / TURNS))
    return turns


def joined(turns: Sequence[Turn]) -> Measured:
    return Measured([took for turn in turns for took in turn.measured.took], sum(turn.measured.wall for turn in turns))


def row(name: str, turns: Sequence[Turn], floor: Sequence[Turn] | None = None) -> tuple[float, float]:
    """Prints it; the shares of the floor: by requests per second, and by processor time."""
    whole, each = joined(turns), median(turn.each for turn in turns)
    line = f"{name:42}{whole.rate:10.0f}{whole.percentile(50):9.2f}{whole.percentile(99):9.2f}{each:9.0f}"
    shares = (0.0, 0.0)
    if floor is not None:
        shares = whole.rate / joined(floor).rate, median(turn.each for turn in floor) / each
        line += f"{shares[0]:9.2f}{shares[1]:9.2f}"
    print(line, flush=True)
    return shares


def start_echo() -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.echo", str(port)])
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            httpx.post(url, json={})
            return process, url
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit("the echo server did not start")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--model", type=Path, help="a WanPipeline folder; default: a tiny one with random weights")
    where = options.add_mutually_exclusive_group()
    where.add_argument("--database-url", default="", help="an empty PostgreSQL database; without a row for a server with keys")
    where.add_argument("--postgres", action="store_true", help="on a PostgreSQL that is started for this run")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
        model = chosen.model or make_tiny_folder(Path(folder) / "model")
        urls = [chosen.database_url, None if chosen.database_url else ""]
        if chosen.postgres:
            server = Postgres()
            ending.callback(server.close)
            server.start()
            urls = [server.create("open"), server.create("keyed")]
        live = Live(Path(folder) / "open", model, database_url=urls[0])
        keyed = None if urls[1] is None else Live(Path(folder) / "keyed", model, database_url=urls[1], admin_key=KEY)
        echo, echo_url = start_echo()
        ending.callback(echo.wait)
        ending.callback(echo.terminate)
        ending.callback(live.close)
        if keyed is not None:
            ending.callback(keyed.close)
        measure(live, keyed, (echo.pid, echo_url), chosen.seconds)


def first_hit(live: Live) -> float:
    """Seconds from the start of the process to the answer of an exact hit."""
    began = time.perf_counter()
    live.start()
    video = live.post(WORDS)
    assert video["reprise"]["verdict"] == "exact", video
    return time.perf_counter() - began


def measure(live: Live, keyed: Live | None, echo: tuple[int, str], seconds: float) -> None:
    live.start()
    video = live.made(WORDS)
    live.stop()
    cold = first_hit(live)
    live.made("a star to wait for the model")  # by now everything is loaded
    pid, url = echo
    hit, judged = b'"verdict":"exact"', b'"verdict":"near"'
    asks = [load.request(live.url, "/v1/videos", {"prompt": WORDS})]
    # The echo gets a body as large as our answer, and sends it back: decode and encode of the same size.
    floor = Load("bare Litestar echo", pid, url, [load.request(url, "/", {"video": live.get(video["id"])})])
    exact = Load("exact hits, request row committed first", live.pid, live.url, asks, hit)
    kinds = [floor, exact]
    if keyed is not None:
        kinds.append(with_key(keyed.start(), hit))

    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {CONNECTIONS} connections")
    print(f"{'':42}{'':10}{'':9}{'':9}{'cpu':>9}{'of echo':>9}{'of echo':>9}")
    print(f"{'':42}{'requests/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'us each':>9}{'by rate':>9}{'by cpu':>9}")
    turns = in_turns(kinds, seconds)
    shares = [row(kind.name, turns[kind.name], turns[floor.name]) for kind in kinds]
    idle = joined(turns[exact.name])

    measure_near(live, judged, seconds)
    row("exact hits, one connection", one := [once(Load("", live.pid, live.url, asks, hit, 1), seconds)])
    long = live.post("a square that renders meanwhile", steps=100)
    while live.get(long["id"])["status"] == "queued":
        time.sleep(0.02)
    busy = load.run(live.url, asks, connections=1, seconds=min(seconds, 5.0), expect=hit)
    crowded = load.run(live.url, asks, connections=CONNECTIONS, seconds=min(seconds, 5.0), expect=hit)
    rendering = live.get(long["id"])["status"] == "in_progress"
    httpx.post(f"{live.url}/v1/videos/{long['id']}/cancel")
    for name, measured in (("exact hits, one connection, rendering", busy), ("exact hits, rendering", crowded)):
        print(f"{name:42}{measured.rate:10.0f}{measured.percentile(50):9.2f}{measured.percentile(99):9.2f}")
    print(f"\nexact hits over echo: {shares[1][0]:.2f} by rate, {shares[1][1]:.2f} by processor time (wanted >= 0.4)")
    print(f"p99 while rendering over idle, one connection: {busy.percentile(99) / joined(one).percentile(99):.2f} (wanted <= 3)")
    print(f"p99 while rendering over idle, {CONNECTIONS} connections: {crowded.percentile(99) / idle.percentile(99):.2f}")
    print(f"first exact hit after start: {cold:.2f} s (wanted <= 3)")
    if not rendering:
        print("NOTE: the render ended before the measurement did")


def with_key(keyed: Live, expect: bytes) -> Load:
    headers = {"Authorization": f"Bearer {KEY}"}
    asks = [load.request(keyed.url, "/v1/videos", {"prompt": WORDS}, headers)]
    until = time.monotonic() + 60
    while httpx.post(f"{keyed.url}/v1/videos", json={"prompt": WORDS}, headers=headers, timeout=60).json()["status"] != "completed":
        assert time.monotonic() < until, "the clip of the server with keys is not made"
        time.sleep(0.2)
    return Load("exact hits, server with keys", keyed.pid, keyed.url, asks, expect)


def measure_near(live: Live, judged: bytes, seconds: float) -> None:
    """Words that meet their neighbour for the first time go through the verifier; what it said of a pair is remembered."""
    took: list[float] = []
    clips = [live.made(f"a {colour} ball bouncing on grass") for colour in COLOURS]
    assert all(video["status"] == "completed" for video in clips), clips
    before = cpu_of(live.pid)
    with closing(HTTPConnection("127.0.0.1", int(live.url.rpartition(":")[2]))) as client:
        for colour in COLOURS:
            for words in NEAR:
                asked = json.dumps({"prompt": words.replace("red", colour).replace("Red", colour)})
                began = time.perf_counter()
                client.request("POST", "/v1/videos", asked, {"Content-Type": "application/json", "Cache-Control": "only-if-cached"})
                answer = client.getresponse().read()
                took.append((time.perf_counter() - began) * 1000)
                assert judged in answer, answer
    row("near hits, new words, one at a time", [Turn(Measured(took, sum(took) / 1000), cpu_of(live.pid) - before)])
    asks = [load.request(live.url, "/v1/videos", {"prompt": f"{words}{'.' * dots}"}) for words in NEAR for dots in range(3)]
    for name, connections in (("near hits, words seen before, one connection", 1), ("near hits, words seen before", CONNECTIONS)):
        row(name, [once(Load(name, live.pid, live.url, asks, judged, connections), seconds)])


if __name__ == "__main__":
    main()
