"""Lessons: a teacher's list of scenes is made overnight, and in the morning a page with all clips lies in a folder.

    python examples/lessons.py lesson/                        # the scenes below
    python examples/lessons.py lesson/ --scenes scenes.txt    # one scene a line

Background priority lets everybody else go first. Run it again after a change of the list: what exists is not made twice.
Needs httpx (`pip install httpx`) and a server (`make run`).
"""

from __future__ import annotations

import argparse
import html
import time
from pathlib import Path
from typing import Any

import httpx

SCENES = ["a red ball floats up into a blue sky", "a green square and a purple ring on sand", "a yellow star moves up in a starry night"]


def finished(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    while (video := answer.raise_for_status().json())["status"] in {"queued", "in_progress"}:
        time.sleep(int(answer.headers["openai-poll-after-ms"]) / 1000)
        answer = client.get(f"/v1/videos/{video['id']}")
    return dict(video)


def make(client: httpx.Client, scenes: list[str]) -> list[dict[str, Any]]:
    """All scenes are asked for first, so that a worker can render several together; then each is waited for."""
    answers = [client.post("/v1/videos", json={"prompt": scene, "priority": "background", "tags": ["lesson"]}) for scene in scenes]
    videos = []
    for number, answer in enumerate(answers):
        video = finished(client, answer)
        print(f"{number + 1} of {len(scenes)}: {video['reprise']['verdict']}, {scenes[number]}")
        videos.append(video)
    return videos


def page(videos: list[dict[str, Any]]) -> str:
    return "\n".join(
        ["<!doctype html>", '<meta charset="utf-8">', "<title>Lesson</title>", *map(figure, range(1, len(videos) + 1), videos)]
    )


def figure(number: int, video: dict[str, Any]) -> str:
    scene = html.escape(video["prompt"])
    if video["status"] == "failed":
        return f"<p>Failed: {scene}: {html.escape(video['error']['message'])}</p>"
    return f'<figure><video src="{number}.mp4" controls loop muted playsinline></video><figcaption>{scene}</figcaption></figure>'


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--key")
    options = parser.parse_args()
    scenes = options.scenes.read_text(encoding="utf-8").split("\n") if options.scenes else SCENES
    options.folder.mkdir(parents=True, exist_ok=True)
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    with httpx.Client(base_url=options.url, headers=headers, timeout=90) as client:
        videos = make(client, [scene.strip() for scene in scenes if scene.strip()])
        for number, video in enumerate(videos, 1):
            if video["status"] == "completed":
                clip = client.get(f"/v1/videos/{video['id']}/content").raise_for_status().content
                (options.folder / f"{number}.mp4").write_bytes(clip)
    (options.folder / "index.html").write_text(page(videos), encoding="utf-8")
    print(f"open {options.folder / 'index.html'}")


main()
