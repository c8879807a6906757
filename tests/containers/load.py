"""A light load that accounts for every id that it was given."""

from __future__ import annotations

import collections
import itertools
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

COLOURS = ["red", "blue", "green", "yellow", "purple", "orange", "pink", "white", "black", "cyan"]
SHAPES = ["ball", "square", "triangle", "star", "ring", "cube"]
MOVES = ["moves to the left", "moves to the right", "bounces", "floats upward", "falls down", "spins", "grows", "shrinks"]


def prompts(seed: int) -> list[str]:
    every = [f"a {colour} {shape} {move}" for colour, shape, move in itertools.product(COLOURS, SHAPES, MOVES)]
    random.Random(seed).shuffle(every)
    return every


@dataclass
class Load:
    """`rate` posts a second, most of them of few prompts; with `patient` each is tried again until it is taken."""

    url: str
    key: str
    rate: float = 3.0
    fresh: float = 0.05
    patient: bool = False
    seed: int = 1
    ids: set[str] = field(default_factory=set)
    codes: collections.Counter[str] = field(default_factory=collections.Counter)

    def __enter__(self) -> Load:
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(16)
        self._client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=40)
        self._thread = threading.Thread(target=self._post_all)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._pool.shutdown()

    def _post_all(self) -> None:
        rng, new = random.Random(self.seed), iter(prompts(self.seed))
        hot = [next(new) for _ in range(4)]
        while not self._ending.wait(1 / self.rate):
            self._pool.submit(self._post, next(new) if rng.random() < self.fresh else rng.choice(hot))

    def _post(self, prompt: str) -> None:
        key, until = str(uuid.uuid4()), time.monotonic() + 120
        while True:
            try:
                answer = self._client.post("/v1/videos", json={"prompt": prompt, "quality": "draft"}, headers={"Idempotency-Key": key})
                told = str(answer.status_code)
            except httpx.HTTPError as error:
                told = type(error).__name__
            self.codes[told] += 1
            if told == "200":
                self.ids.add(answer.json()["id"])
            if told == "200" or not self.patient or time.monotonic() > until:
                return
            time.sleep(1)

    def ended(self, patience: float = 300.0) -> collections.Counter[str]:
        """How every id ended: completed, failed, or what it still is when patience is over."""
        states: dict[str, str] = dict.fromkeys(self.ids, "unknown")
        until = time.monotonic() + patience
        while time.monotonic() < until and set(states.values()) - {"completed", "failed"}:
            for video in [one for one, state in states.items() if state not in {"completed", "failed"}]:
                answer = self._client.get(f"/v1/videos/{video}")
                states[video] = answer.json()["status"] if answer.status_code == 200 else str(answer.status_code)
            time.sleep(1)
        return collections.Counter(states.values())
