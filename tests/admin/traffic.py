"""Requests as a busy month leaves them, written straight into the tables: counting ten thousand must not need ten thousand renders."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import insert

from cache.ids import new_id
from cache.storage.database.database import Database
from cache.storage.database.rows import keep_recipe
from cache.storage.tables import labels, requests
from cache.variant import tenant_scope
from tests.stage import RECIPE

HOSTILE = ("<script>alert(1)</script>", '<img src=x onerror="alert(2)">', "javascript:alert(3)", "</td></table><svg onload=alert(4)>")
_THINGS = ("ball", "cat", "boat", "star", "tree", "robot", "kite", "whale")
_TOOK = {"exact": 0.004, "near": 0.03, "joined": 4.1, "miss": 8.3, "bypass": 8.1}  # seconds
_DEEDS = ("rolls", "jumps", "sleeps", "spins", "rises", "falls")


def row(at: float, verdict: str, words: str, tenant: str = "local", **more: Any) -> dict[str, Any]:
    """A request's row, answered, with what its verdict comes with."""
    saved = 6.2 if verdict in {"exact", "near", "joined"} else 0.0
    made: dict[str, Any] = {
        "id": new_id("video"),
        "tenant": tenant,
        "scope": tenant_scope(tenant),
        "created_at": at,
        "completed_at": at + _TOOK[verdict],
        "answer_ms": 1000 * _TOOK[verdict] if verdict in {"exact", "near"} else None,
        "expires_at": None,
        "prompt": words,
        "spec_key": f"{abs(hash((tenant, words))):064x}"[:64],
        "recipe_key": RECIPE.key,
        "quality": RECIPE.quality,
        "pinned_seed": None,
        "take": 0,
        "priority": "interactive",
        "tags": [],
        "no_store": False,
        "verdict": verdict,
        "reason": "no-cache" if verdict == "bypass" else None,
        "similarity": 0.93 if verdict == "near" else None,
        "confidence": 0.99 if verdict == "near" else None,
        "refused": [],
        "notes": [],
        "clip_id": new_id("clip"),
        "job_id": None,
        "gpu_seconds_saved": saved,
        "asked_before": False,
        "error_code": None,
        "error_message": None,
        "cancelled_at": None,
        "deleted_at": None,
    }
    return made | more


def rows(count: int, now: float, days: float = 20.0, seed: int = 7, tenant: str = "local") -> list[dict[str, Any]]:
    """In the order of their times; more hits as the cache fills, a few failures, hostile words among them. Hits name clips that
    earlier misses made.
    """
    luck = random.Random(seed)
    times = sorted(now - days * 86_400 * luck.random() ** 1.3 for _ in range(count))
    clips: dict[str, str] = {}
    known: list[str] = []
    made: list[dict[str, Any]] = []
    for at, when in enumerate(times):
        number = int(5000 * luck.random() ** 2.4)
        words = HOSTILE[at % len(HOSTILE)] if at % 97 == 0 else f"a {_THINGS[number % 8]} {_DEEDS[number % 6]} number {number}"
        other = luck.choice(known) if known and luck.random() < 0.4 else None
        more: dict[str, Any] = {"priority": "background"} if luck.random() < 0.05 else {}
        if luck.random() < 0.02:
            verdict = "bypass"
        elif words in clips:
            verdict, more["clip_id"] = "exact", clips[words]
        elif other is not None and luck.random() < 0.5:
            verdict, more["clip_id"] = "near", clips[other]
            more |= {"asked_before": luck.random() < 0.4, "confidence": 0.981 + 0.018 * luck.random()}
        else:
            verdict = "joined" if luck.random() < 0.1 else "miss"
            if other is not None:
                more["refused"] = [
                    {"reason": "not sure enough", "similarity": 0.9, "confidence": luck.random(), "clip_id": clips[other], "prompt": None}
                ]
        more["completed_at"] = when + _TOOK[verdict] * luck.lognormvariate(0, 0.5)
        if verdict in {"exact", "near"}:
            more["answer_ms"] = 1000 * (more["completed_at"] - when)
        if verdict == "miss" and luck.random() < 0.02:
            more |= {"clip_id": None, "completed_at": None, "error_code": "render_failed", "gpu_seconds_saved": 0.0}
        made.append(row(when, verdict, words, tenant, **more))
        if verdict in {"miss", "bypass"} and made[-1]["clip_id"] is not None:
            if words not in clips:
                known.append(words)
            clips.setdefault(words, made[-1]["clip_id"])
    return made


async def write(database: Database, made: list[dict[str, Any]]) -> None:
    async with database.write() as connection:
        await keep_recipe(connection, RECIPE)
        for start in range(0, len(made), 500):
            await connection.execute(insert(requests), made[start : start + 500])


async def label(database: Database, request: dict[str, Any], right: bool, source: str = "admin", weight: float = 1.0) -> None:
    said = {name: request[name] for name in ("tenant", "scope", "clip_id", "spec_key", "recipe_key", "verdict", "similarity", "confidence")}
    more = {"id": new_id("label"), "request_id": request["id"], "right": right, "weight": weight, "source": source}
    async with database.write() as connection:
        await connection.execute(insert(labels), {**said, **more, "created_at": request["created_at"]})
