"""REPRISE_KEEP_LATENTS through the front door: what is stored of a clip, and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.pages import api
from tests.conftest import StartServer
from tests.donor_table import write_table


@pytest.mark.parametrize(
    ("keep", "assist", "bar", "kinds"),
    [
        ("auto", "takes", 0.5, 4),
        ("auto", "takes", 0.99, 3),  # no depth is another clip
        ("auto", "near", 0.99, 4),
        ("auto", "off", 0.5, 3),
        ("off", "takes", 0.5, 3),
        ("on", "off", 0.5, 4),
    ],
)
def test_a_latent_is_stored_and_counted_only_where_it_is_kept(
    start: StartServer, tmp_path: Path, keep: str, assist: str, bar: float, kinds: int
) -> None:
    live = start(keep_latents=keep, assist=assist, assist_table=write_table(tmp_path, bar))
    live.made("a red ball", steps=8, seconds=0.5)
    names = live.objects()
    assert len(names) == kinds
    (clip,) = api(live, "clips")["data"]
    assert ("latent" in {one["kind"] for one in clip["objects"]}) == (kinds == 4)
    assert clip["bytes"] == sum(path.stat().st_size for path in (live.folder / "objects" / "clips").rglob("*") if path.is_file())
