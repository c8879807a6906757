"""An encoder that cannot be loaded makes no clip impossible: misses are rendered, said so, and found by nearness later."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import httpx

from cache.settings import Settings
from tests.live import Live


def parts(live: Live) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = httpx.get(f"{live.url}/health/ready", timeout=10).json()["parts"]
    return found


def test_misses_are_made_and_get_their_vectors_later(tmp_path: Path, tiny_model: Path) -> None:
    exported = next(Settings().encoders.glob("embedder-*"))
    broken = tmp_path / "encoders" / exported.name
    shutil.copytree(exported, broken)
    (broken / "model.onnx").write_bytes((exported / "model.onnx").read_bytes()[:1000])
    live = Live(tmp_path / "data", tiny_model, encoder_dir=tmp_path / "encoders").start()
    try:
        made = live.made("a white ring moving right on a black background", steps=2)
        assert made["reprise"]["verdict"] == "miss"
        assert made["reprise"]["refused"] == [
            {"similarity": None, "reason": "near hits are off: the encoder could not be loaded", "clip": None}
        ]
        again = live.post("a white ring moving right on a black background", steps=2)
        assert again["reprise"]["verdict"] == "exact"
        assert parts(live)["encoder"] == {"ready": False, "needed": False, "note": "encoder_failed"}
        assert "could not be loaded" in live.log.read_text()
        live.stop()

        shutil.copyfile(exported / "model.onnx", broken / "model.onnx")
        live.start()
        until = time.monotonic() + 60
        verdict = ""
        while verdict != "near" and time.monotonic() < until:
            asked = httpx.post(
                f"{live.url}/v1/videos",
                json={"prompt": "A white ring is moving right on the black background", "steps": 2},
                headers={"Cache-Control": "only-if-cached"},
                timeout=40,
            )
            verdict = asked.json()["reprise"]["verdict"] if asked.status_code == 200 else ""
            time.sleep(0.5)
        assert verdict == "near", "the clip that was made without a vector has one now"
        assert parts(live)["encoder"]["ready"]
    finally:
        live.close()
