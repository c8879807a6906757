"""An avatar that reacts: a clip for every emotion is made ahead, and a line of a chat then gets its reaction in milliseconds.

    python examples/avatar.py                                  # prepares, then reads lines from the terminal
    echo "thank you so much" | python examples/avatar.py       # or from a pipe

The words for each emotion here fit the demo model, which knows moving shapes; a real avatar says "a woman smiles at the camera".
Needs httpx (`pip install httpx`) and a server (`make run`).
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import httpx

CLIPS = {
    "joy": "a yellow star moves up in a starry night",
    "anger": "a big red ball bouncing on grass",
    "calm": "a blue square stays still on sand",
}
# What people type to what they feel: a product has a model for this, an example has a table.
FEELINGS = {"thank": "joy", "great": "joy", "love": "joy", "angry": "anger", "hate": "anger", "wrong": "anger"}


def feeling(line: str) -> str:
    return next((emotion for word, emotion in FEELINGS.items() if word in line.lower()), "calm")


def finished(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    while (video := answer.raise_for_status().json())["status"] in {"queued", "in_progress"}:
        time.sleep(int(answer.headers["openai-poll-after-ms"]) / 1000)
        answer = client.get(f"/v1/videos/{video['id']}")
    return dict(video)


def prepare(client: httpx.Client) -> None:
    """All emotions are asked for at once, when nobody waits; those that exist are found again."""
    asked = {emotion: client.post("/v1/videos", json={"prompt": prompt, "priority": "background"}) for emotion, prompt in CLIPS.items()}
    for emotion, answer in asked.items():
        video = finished(client, answer)
        if video["status"] == "failed":
            sys.exit(f"{emotion}: {video['error']['message']}")
        print(f"{emotion} is ready ({video['reprise']['verdict']})")


def react(client: httpx.Client, url: str, line: str) -> None:
    emotion = feeling(line)
    began = time.perf_counter()
    # only-if-cached: an avatar that cannot react at once had better not react.
    answer = client.post("/v1/videos", json={"prompt": CLIPS[emotion]}, headers={"Cache-Control": "only-if-cached"})
    took = (time.perf_counter() - began) * 1000
    if answer.status_code == 504:
        print(f"{emotion}: no clip yet")
    else:
        video = answer.raise_for_status().json()
        print(f"{emotion}: {video['reprise']['verdict']} in {took:.0f} ms, {url}/v1/videos/{video['id']}/content")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--key")
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    with httpx.Client(base_url=options.url, headers=headers, timeout=90) as client:
        prepare(client)
        for line in sys.stdin:
            react(client, options.url, line)


main()
