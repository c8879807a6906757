"""Several machines on this one: gateways without a model, workers, and a database and a store that they share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from tests.live import NO_WARM_UP, PATIENCE, Live


class LiveWorker(Live):
    command, ready = "worker", "Reprise worker is ready: "


class Fleet:
    """Each process has a data folder of its own. `close` ends all that were started here and nothing else."""

    def __init__(self, folder: Path, model: Path, database_url: str, store_url: str, **settings: object) -> None:
        self.folder, self._model = folder, model
        self._shared = {"database_url": database_url, "store_url": store_url, "speed": NO_WARM_UP, **settings}
        self._numbers = count()
        self.gateways: list[Live] = []
        self.workers: list[LiveWorker] = []

    def gateway(self, default: str = "/no/model", **settings: object) -> Live:
        """It has no files of any model, and could not load one. `default`: the name of the default among those announced."""
        folder = self.folder / f"gateway-{next(self._numbers)}"
        self.gateways.append(gateway := Live(folder, Path(default), **{**self._shared, "renderer": "none", **settings}))
        return gateway.start()

    def worker(self, model: Path | None = None, **settings: object) -> LiveWorker:
        """`model`: a folder of its own."""
        folder = self.folder / f"worker-{next(self._numbers)}"
        self.workers.append(worker := LiveWorker(folder, model or self._model, **{**self._shared, **settings}))
        worker.start()
        return worker

    @property
    def environment(self) -> dict[str, str]:
        """Of a command that shares database and store."""
        return {f"REPRISE_{name.upper()}": str(self._shared[name]) for name in ("database_url", "store_url")}

    def start(self, gateways: int, workers: int) -> None:
        """At once: most of a start is waiting for imports."""
        with ThreadPoolExecutor(gateways + workers) as pool:
            starts = [pool.submit(self.worker) for _ in range(workers)] + [pool.submit(self.gateway) for _ in range(gateways)]
            for started in starts:
                started.result()

    def ready(self) -> None:
        """Every gateway knows the model and has its encoder."""
        until = time.monotonic() + PATIENCE
        for gateway in self.gateways:
            with gateway.client() as client:
                while not all(part["ready"] for part in client.get("/health/ready").json()["parts"].values()):
                    assert time.monotonic() < until, client.get("/health/ready").text
                    time.sleep(0.1)

    def close(self) -> None:
        for process in (*self.gateways, *self.workers):
            process.close()
