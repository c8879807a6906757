"""Ad ideas: several takes of each idea, a vote, and the winners as files.

    python examples/ad_ideas.py ideas/                        # asks for a vote on each idea
    python examples/ad_ideas.py ideas/ --votes 1,2            # without a terminal
    python examples/ad_ideas.py ideas/ --prompts my_ideas.txt --takes 4

The winner is told to the server as right, and stays under its own id; the newest take is what the same words get from then on.
Needs httpx (`pip install httpx`) and a server (`make run`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import httpx

IDEAS = ["a yellow star moves up in a starry night", "a big red ball bouncing on grass"]


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="where the takes and the winners go")
    parser.add_argument("--prompts", type=Path, help="a text file with one idea a line")
    parser.add_argument("--takes", type=int, default=2)
    parser.add_argument("--votes", help="the winning take of each idea, such as 1,2")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--key")
    return parser.parse_args()


def render(client: httpx.Client, prompt: str, take: int) -> dict[str, Any]:
    """The first take may come from the cache; each further one is rendered anew."""
    headers = {"Prefer": "wait=30"} | ({"Cache-Control": "no-cache"} if take else {})
    answer = client.post("/v1/videos", json={"prompt": prompt, "tags": ["ad ideas"]}, headers=headers).raise_for_status()
    while (video := answer.json())["status"] in {"queued", "in_progress"}:
        time.sleep(int(answer.headers["openai-poll-after-ms"]) / 1000)
        answer = client.get(f"/v1/videos/{video['id']}").raise_for_status()
    if video["status"] == "failed":
        sys.exit(f"{prompt}: {video['error']['message']}")
    return dict(video)


def vote(number: int, takes: int, votes: list[str] | None) -> int:
    said = votes[number] if votes else input(f"  which take is best, 1 to {takes}? ")
    if not said.strip().isdigit() or not 1 <= int(said) <= takes:
        sys.exit(f"a vote is a number from 1 to {takes}, not {said!r}")
    return int(said) - 1


def main() -> None:
    options = asked()
    ideas = options.prompts.read_text(encoding="utf-8").split("\n") if options.prompts else IDEAS
    ideas = [idea.strip() for idea in ideas if idea.strip()]
    votes = options.votes.split(",") if options.votes else None
    if votes is not None and len(votes) != len(ideas):
        sys.exit(f"{len(ideas)} ideas need as many votes")
    options.folder.mkdir(parents=True, exist_ok=True)
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    with httpx.Client(base_url=options.url, headers=headers, timeout=90) as client:
        for number, idea in enumerate(ideas):
            print(f"{number + 1}. {idea}")
            made = [render(client, idea, take) for take in range(options.takes)]
            for take, video in enumerate(made):
                file = options.folder / f"idea{number + 1}-take{take + 1}.mp4"
                file.write_bytes(client.get(f"/v1/videos/{video['id']}/content").raise_for_status().content)
                print(f"  take {take + 1}: {video['reprise']['verdict']}, {file}")
            best = vote(number, options.takes, votes)
            client.post(f"/v1/videos/{made[best]['id']}/feedback", json={"satisfied": True}).raise_for_status()
            print(f"  winner: take {best + 1}, {made[best]['id']}")


main()
