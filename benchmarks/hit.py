"""How fast a hit is, beside a bare Litestar echo of the same size on the same server settings, in one run.

    python -m benchmarks.hit [--seconds 5] [--model FOLDER]

Needs no GPU and nothing running. The figures of one line are ratios of the same run: machines differ, and are shared.
"""

from __future__ import annotations

import argparse
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks import load
from benchmarks.load import Measured
from generator.demo.tiny import make_tiny_folder
from tests.live import Live

CONNECTIONS = 16
WORDS = "a red ball bouncing on grass"
NEAR = ["the red ball is bouncing on grass", "a red ball is bouncing on the grass", "Red ball bouncing on the grass"]


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


def row(name: str, measured: Measured, floor: Measured | None = None) -> None:
    share = "" if floor is None else f"{measured.rate / floor.rate:8.2f}"
    print(f"{name:42}{measured.rate:10.0f}{measured.percentile(50):9.2f}{measured.percentile(99):9.2f}{share}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--model", type=Path, help="a WanPipeline folder; default: a tiny one with random weights")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model or make_tiny_folder(Path(folder) / "model")
        live = Live(Path(folder) / "data", model)
        echo, echo_url = start_echo()
        try:
            measure(live, echo_url, chosen.seconds)
        finally:
            live.close()
            echo.terminate()
            echo.wait()


def first_hit(live: Live) -> float:
    """Seconds from the start of the process to the answer of an exact hit."""
    began = time.perf_counter()
    live.start()
    video = live.post(WORDS)
    assert video["reprise"]["verdict"] == "exact", video
    return time.perf_counter() - began


def measure(live: Live, echo_url: str, seconds: float) -> None:
    live.start()
    video = live.made(WORDS)
    live.stop()
    cold = first_hit(live)
    live.made("a star to wait for the model")  # by now everything is loaded
    exact = [load.request(live.url, "/v1/videos", {"prompt": WORDS})]
    # The echo gets a body as large as our answer, and sends it back: decode and encode of the same size.
    echo = [load.request(echo_url, "/", {"video": live.get(video["id"])})]
    near = [load.request(live.url, "/v1/videos", {"prompt": f"{words}{'.' * dots}"}) for words in NEAR for dots in range(3)]
    hit, judged = b'"verdict":"exact"', b'"verdict":"near"'

    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {CONNECTIONS} connections")
    print(f"{'':42}{'requests/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'of echo':>8}")
    load.run(echo_url, echo, connections=CONNECTIONS, seconds=1)
    load.run(live.url, exact, connections=CONNECTIONS, seconds=1, expect=hit)
    floors, hits = [], []
    for _ in range(3):  # in turns: what else the machine does hits both alike
        floors.append(load.run(echo_url, echo, connections=CONNECTIONS, seconds=seconds / 3))
        hits.append(load.run(live.url, exact, connections=CONNECTIONS, seconds=seconds / 3, expect=hit))
    floor, idle = joined(floors), joined(hits)
    row("bare Litestar echo", floor, floor)
    row("exact hits, request row committed first", idle, floor)
    row("near hits, one connection", load.run(live.url, near, connections=1, seconds=seconds, expect=judged))
    row("near hits", load.run(live.url, near, connections=CONNECTIONS, seconds=seconds, expect=judged))

    one = load.run(live.url, exact, connections=1, seconds=seconds, expect=hit)
    row("exact hits, one connection", one)
    long = live.post("a square that renders meanwhile", steps=100)
    while live.get(long["id"])["status"] == "queued":
        time.sleep(0.02)
    busy = load.run(live.url, exact, connections=1, seconds=min(seconds, 5.0), expect=hit)
    crowded = load.run(live.url, exact, connections=CONNECTIONS, seconds=min(seconds, 5.0), expect=hit)
    rendering = live.get(long["id"])["status"] == "in_progress"
    httpx.post(f"{live.url}/v1/videos/{long['id']}/cancel")
    row("exact hits, one connection, rendering", busy)
    row("exact hits, rendering", crowded)
    print(f"\nexact hits over echo: {idle.rate / floor.rate:.2f} (wanted >= 0.4)")
    print(f"p99 while rendering over idle, one connection: {busy.percentile(99) / one.percentile(99):.2f} (wanted <= 3)")
    print(f"p99 while rendering over idle, {CONNECTIONS} connections: {crowded.percentile(99) / idle.percentile(99):.2f}")
    print(f"first exact hit after start: {cold:.2f} s (wanted <= 3)")
    if not rendering:
        print("NOTE: the render ended before the measurement did")


def joined(parts: list[Measured]) -> Measured:
    return Measured([took for part in parts for took in part.took], sum(part.wall for part in parts))


if __name__ == "__main__":
    main()
