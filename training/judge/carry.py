"""The material of one training, as small as it goes, for a machine that little can be carried to.

    python -m training.judge.carry DATA MATERIAL FOLDER PLAN.json [LAYERS …]

Rows and groups are read anew; what is held back stays here. Weights are what the plan's stages begin with: the layers that ship where one
goes on from them, else all of the encoder that was published. LAYERS of earlier trainings that the plan names come along in eight bits.
"""

from __future__ import annotations

import json
import lzma
import pickle
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from cache.matching.encoding.exported import SHIPPED
from training.judge.gather import every
from training.judge.network import WORDS, small
from training.judge.shipped import layers, words
from training.judge.sources import permitted
from training.judge.train import CARRIED, NET, opened, saved, sorted_out


def main(data: Path, material: Path, folder: Path, plan: Path, *earlier: Path) -> None:
    stages = json.loads(plan.read_text())["stages"]
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in permitted(data)[0] if not row.held]
    sorted_groups = sorted_out(every())
    made = replace(opened(material), rows=rows, groups=sorted_groups[0], later=sorted_groups[1], newest=sorted_groups[2])
    told = {name: value for name, value in asdict(replace(made, net=None, near=None)).items() if name not in {"net", "near"}}  # type: ignore[arg-type]
    for row in (*told["rows"], *told["chinese"]):
        del row["held"]
    tight = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**27}]
    with lzma.open(folder / CARRIED, "wt", filters=tight, encoding="utf-8") as file:
        json.dump(told, file, ensure_ascii=False, separators=(",", ":"))
    with lzma.open(folder / NET, "wb", filters=tight) as packed:
        pickle.dump((made.net, made.near), packed)
    if any("from" in stage for stage in stages):
        np.savez_compressed(folder / "shipped-1.npz", **layers(SHIPPED / "model.onnx"))  # type: ignore[arg-type]
    if all("from" in stage for stage in stages):
        digits, scale = words(SHIPPED / "words.bin")
        np.savez_compressed(folder / "base_e5.npz", **{WORDS: digits, f"{WORDS}|scale": scale.astype(np.float16)})  # type: ignore[arg-type]
        shutil.copy(SHIPPED / "tokenizer.json", folder / "tokenizer_e5.json")
    else:  # A table of words goes with its own tokenizer alone.
        shutil.copy(material / "base_e5.npz", folder)
        shutil.copy(material / "tokenizer_e5.json", folder)
    for path in earlier:
        np.savez_compressed(folder / f"{path.name}-1.npz", **small(saved(path)))  # type: ignore[arg-type]
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 2**20:6.2f} MiB {path.name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
