"""The model of this process: its folder or hub id, its revision, and its row of the catalogue.

A folder's revision is the digest of its files; a hub model's is the commit, which is a digest of its files too. Which row it
has, generator/model_rows.py finds out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from cache.canonical import digest
from cache.catalog import ROWS, WAN, ServedModel
from cache.errors import RenderFailed
from cache.setting_values import Offload
from generator.hub import INDEX, find_in_hub
from generator.loras import FoundLora
from generator.model_rows import SMALL, model_row_of, read_row

BUNDLED = Path(__file__).parent / "demo" / "model"
RENDERER = "pipeline"

# Changes pixels, as `name` or `name:number`: a threshold, or for taylor the steps between two whole ones.
STEP_CACHES = ("none", "first_block", "taylor", "sea")

_KNOWN = "model_digests.json"  # in the data folder: digests of files that were read before


@dataclass(frozen=True)
class FoundModel:
    """A model that was found. `source`: the argument of `from_pretrained`, a folder, or a hub id with its commit where files are
    still to be fetched.
    """

    served: ServedModel
    source: str
    commit: str | None
    loras: tuple[FoundLora, ...] = ()

    @property
    def local(self) -> bool:
        return self.commit is None

    def with_loras(self, loras: tuple[FoundLora, ...]) -> FoundModel:
        """Those of every clip and those that a request may choose. RenderFailed for a model that takes none."""
        if not loras:
            return self
        if self.served.row.pipeline != WAN:
            raise RenderFailed(f"{self.served.name} takes no LoRA: REPRISE_LORA is for a {WAN}", "model_not_supported")
        fused = "+".join(lora.spelled for lora in loras if lora.fused)
        row = replace(self.served.row, loras={lora.name: lora.spelled for lora in loras if not lora.fused}, fused_lora=fused)
        return replace(self, served=replace(self.served, row=row), loras=loras)

    def with_step_cache(self, step_cache: str) -> FoundModel:
        """RenderFailed for one that nobody knows. "none" leaves what the model's own row says."""
        name, _, number = step_cache.partition(":")
        if name not in STEP_CACHES or (number and not number.replace(".", "", 1).isdigit()):
            raise RenderFailed(f"unknown step cache: {step_cache}; known: {', '.join(STEP_CACHES)}", "model_not_supported")
        if name == "none":
            return self
        if self.served.row.sampler != "unipc":
            raise RenderFailed(f"{self.served.name} has no use for a step cache: REPRISE_STEP_CACHE must be none", "model_not_supported")
        return replace(self, served=replace(self.served, row=replace(self.served.row, step_cache=step_cache)))

    def with_fp8_products(self, on: bool) -> FoundModel:
        """A transformer in eight bits has other weights, and so is another revision: see `with_offload`."""
        if not on:
            return self
        if self.served.row.pipeline != WAN:
            raise RenderFailed(f"{self.served.name} has no products in eight bits: fp8_products is for a {WAN}", "model_not_supported")
        return replace(self, served=replace(self.served, revision=f"{self.served.revision}+fp8_products"))

    def with_offload(self, offload: Offload) -> FoundModel:
        """A text encoder in eight bits has other weights, and so is another revision: its clips and jobs are its own."""
        if offload != "encoder_fp8":
            return self
        return replace(self, served=replace(self.served, revision=f"{self.served.revision}+text_fp8"))


def find_model(model: str, revision: str, data_dir: Path, aliases: tuple[str, ...] = (), row: str = "") -> FoundModel:
    """Finds `model`: a folder, a hub id, or "" for the bundled demo. Raises RenderFailed if it cannot be found or has no row.
    `row`: the file with its row, in place of what the folder or the catalogue says.

    Blocks: the first look at a folder reads all its bytes (about a second per GB); a hub id may ask the hub for its newest
    commit, or takes the one in the local hub cache when the hub cannot be reached (generator/hub.py). No weights are loaded.
    """
    folder, own = Path(model).expanduser() if model else BUNDLED, Path(row).expanduser() if row else None
    if (folder / INDEX).is_file():
        folder = folder.resolve()
        found = model_row_of(folder, model or folder.name, own)
        return FoundModel(ServedModel(found, folder_revision(folder, data_dir), RENDERER, aliases), str(folder), None)
    if not model or folder.exists() or model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise RenderFailed(f"{folder} is not a folder with a {INDEX}", "model_not_found")
    hub = find_in_hub(model, revision or None, list(SMALL))
    served = ServedModel(model_row_of(hub.folder, model, own), hub.commit, RENDERER, aliases)
    return FoundModel(served, str(hub.folder), None) if hub.whole else FoundModel(served, model, hub.commit)


def find_upstream_model(model: str, revision: str, url: str, aliases: tuple[str, ...] = ()) -> ServedModel:
    """The model of another server: `model` names a row of the catalogue or a JSON file with its own row.

    Nobody can ask that server for its weights' digest, so the revision is its address and whatever `revision` says: change
    that when its model changes.
    """
    rows = {row.name: row for row in ROWS}
    row = rows.get(model) or (read_row(Path(model).expanduser()) if model.endswith(".json") else None)
    if row is not None and row.draft_timesteps:
        if model not in rows:
            raise RenderFailed(f"{model}: draft_timesteps are for a folder, not for another server's model", "model_not_supported")
        row = row.undistilled
    if row is None:
        known = ", ".join(rows)
        raise RenderFailed(f"name the upstream's model: {known}, or a JSON file with its row; not {model!r}", "model_not_found")
    return ServedModel(row, digest({"upstream": url, "model": row.name, "revision": revision}), "upstream", aliases)


def folder_revision(folder: Path, data_dir: Path) -> str:
    """SHA-256 over the names and digests of all files that can change pixels: all but hidden ones and *.md. A subfolder may be a link.

    Digests are kept in the data folder by path, size and time of change, so that an unchanged folder is read once.
    """
    known_at = data_dir / _KNOWN
    known = _known(known_at)
    digests: dict[str, object] = {}
    fresh: dict[str, list[object]] = {}
    for path in sorted(chain(folder.iterdir(), *(part.rglob("*") for part in folder.iterdir() if part.is_dir()))):
        name = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in name.parts) or path.suffix == ".md":
            continue
        stat = path.stat()
        mark: list[object] = [stat.st_size, stat.st_mtime_ns]
        entry = known.get(str(path))
        if entry is None or entry[:2] != mark:
            with path.open("rb") as file:
                entry = [*mark, hashlib.file_digest(file, "sha256").hexdigest()]
            fresh[str(path)] = entry
        digests[name.as_posix()] = entry[2]
    if fresh:
        kept = {path: entry for path, entry in known.items() if Path(path).exists()}
        data_dir.mkdir(parents=True, exist_ok=True)
        written = known_at.with_suffix(".new")
        written.write_text(json.dumps(kept | fresh, indent=0))
        written.replace(known_at)
    return digest(digests)


def _known(path: Path) -> dict[str, list[Any]]:
    try:
        read = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}  # only a cache: whatever cannot be read is made anew
    return {key: entry for key, entry in read.items() if isinstance(entry, list) and len(entry) == 3} if isinstance(read, dict) else {}
