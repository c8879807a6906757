"""Post a prompt, wait for its clip, download it, and show the verdict.

    python examples/first_clip.py "a red ball bouncing on grass" ball.mp4

Needs httpx (`pip install httpx`) and a server (`make run`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import httpx

parser = argparse.ArgumentParser()
parser.add_argument("prompt")
parser.add_argument("file", type=Path)
parser.add_argument("--url", default="http://localhost:8000")
parser.add_argument("--key", help="API key, if the server needs one")
asked = parser.parse_args()

headers = {"Authorization": f"Bearer {asked.key}"} if asked.key else {}
with httpx.Client(base_url=asked.url, headers=headers, timeout=90) as client:
    began = time.perf_counter()
    # `Prefer: wait` holds the answer until the clip is ready, up to 30 s here; a hit is completed at once.
    answer = client.post("/v1/videos", json={"prompt": asked.prompt}, headers={"Prefer": "wait=30"}).raise_for_status()
    while (video := answer.json())["status"] in {"queued", "in_progress"}:
        time.sleep(int(answer.headers["openai-poll-after-ms"]) / 1000)
        answer = client.get(f"/v1/videos/{video['id']}").raise_for_status()
    if video["status"] == "failed":
        sys.exit(f"failed: {video['error']['message']}")

    detail = video["reprise"]
    print(f"{detail['verdict']} after {time.perf_counter() - began:.2f} s, {detail['gpu_seconds_saved']:.1f} GPU-seconds saved")
    if detail["matched_prompt"]:
        print(f"  clip made for: {detail['matched_prompt']} ({detail['confidence']:.1%} right, expected by the judge)")
    for refused in detail["refused"]:
        print(f"  refused: {refused['reason']}")
    asked.file.write_bytes(client.get(f"/v1/videos/{video['id']}/content").raise_for_status().content)
    print(f"  saved as {asked.file}")
