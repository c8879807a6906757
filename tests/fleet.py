"""Several machines on this one: gateways without a model, workers, and a database and a store that they share."""

from __future__ import annotations

import time
from pathlib import Path

from tests.live import PATIENCE, Live


class LiveWorker(Live):
    command, ready = "worker", "Reprise worker is ready: "


class Fleet:
    """Each process has a data folder of its own. `close` ends all that were started here and nothing else."""

    def __init__(self, folder: Path, model: Path, database_url: str, store_url: str, **settings: object) -> None:
        self.folder, self._model = folder, model
        self._shared = {"database_url": database_url, "store_url": store_url, "warm_up": False, **settings}
        self.gateways: list[Live] = []
        self.workers: list[LiveWorker] = []

    def gateway(self, **settings: object) -> Live:
        """It has no files of the model, and could not load it."""
        folder = self.folder / f"gateway-{len(self.gateways)}"
        self.gateways.append(Live(folder, Path("/no/model"), renderer="none", **self._shared, **settings))
        return self.gateways[-1].start()

    def worker(self, **settings: object) -> LiveWorker:
        folder = self.folder / f"worker-{len(self.workers)}"
        self.workers.append(LiveWorker(folder, self._model, **self._shared, **settings))
        self.workers[-1].start()
        return self.workers[-1]

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
