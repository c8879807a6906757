"""Which model renders here: its folder or hub id, its revision, and the catalogue row that says what it can make.

A folder's revision is the digest of its files; a hub model's is the commit, which is a digest of its files too. A folder
may bring its own row as `reprise.json` (the fields of `cache.catalog.ModelRow`); without one its architecture tells.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cache.canonical import digest
from cache.catalog import DEMO, ROWS, WAN_TI2V_5B, ModelRow, ServedModel
from cache.errors import RenderFailed

BUNDLED = Path(__file__).parent / "demo" / "model"
RENDERER = "pipeline"

# Changes pixels, as `name` or `name:number`: a threshold, or for taylor the steps between two whole ones.
STEP_CACHES = ("none", "first_block", "taylor", "sea")

_INDEX = "model_index.json"
_ROW = "reprise.json"
_KNOWN = "model_digests.json"  # in the data folder: digests of files that were read before


@dataclass(frozen=True)
class FoundModel:
    """`source` is what `from_pretrained` is given: a folder, or a hub id with its commit."""

    served: ServedModel
    source: str
    commit: str | None

    @property
    def local(self) -> bool:
        return self.commit is None

    def with_step_cache(self, step_cache: str) -> FoundModel:
        """RenderFailed for one that nobody knows. "none" leaves what the model's own row says."""
        name, _, number = step_cache.partition(":")
        if name not in STEP_CACHES or (number and not number.replace(".", "", 1).isdigit()):
            raise RenderFailed(f"no such step cache: {step_cache}; there are {', '.join(STEP_CACHES)}", "model_not_supported")
        if name == "none":
            return self
        return replace(self, served=replace(self.served, row=replace(self.served.row, step_cache=step_cache)))


def find_model(model: str, revision: str, data_dir: Path, aliases: tuple[str, ...] = ()) -> FoundModel:
    """`model` is a folder, a hub id, or "" for the bundled demo. RenderFailed where it cannot be found or has no row.

    Blocks: the first look at a folder reads all its bytes (about a second per GB); a hub id may ask the hub for its newest
    commit, or takes the one in the local hub cache when the hub cannot be reached. No weights are loaded.
    """
    folder = Path(model).expanduser() if model else BUNDLED
    if (folder / _INDEX).is_file():
        folder = folder.resolve()
        row = _row_of(folder)
        return FoundModel(ServedModel(row, folder_revision(folder, data_dir), RENDERER, aliases), str(folder), None)
    if not model or folder.exists() or model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise RenderFailed(f"{folder} is no folder with a {_INDEX}", "model_not_found")
    commit, configs = _ask_hub(model, revision or None)
    return FoundModel(ServedModel(_row_of(configs), commit, RENDERER, aliases), model, commit)


def find_upstream_model(model: str, revision: str, url: str, aliases: tuple[str, ...] = ()) -> ServedModel:
    """What another server makes for us: `model` names a row of the catalogue or a JSON file with a row of its own.

    Nobody can ask that server for its weights' digest, so the revision is its address and whatever `revision` says: change
    that when its model changes.
    """
    rows = {row.name: row for row in ROWS}
    row = rows.get(model) or (_own_row(Path(model).expanduser()) if model.endswith(".json") else None)
    if row is None:
        known = ", ".join(rows)
        raise RenderFailed(f"name the upstream's model: {known}, or a JSON file with its row; not {model!r}", "model_not_found")
    return ServedModel(row, digest({"upstream": url, "model": row.name, "revision": revision}), "upstream", aliases)


def folder_revision(folder: Path, data_dir: Path) -> str:
    """SHA-256 over the names and digests of all files that can change pixels: all but hidden ones and *.md.

    Digests are kept in the data folder by path, size and time of change, so that an unchanged folder is read once.
    """
    known_at = data_dir / _KNOWN
    known = _known(known_at)
    digests: dict[str, object] = {}
    fresh: dict[str, list[object]] = {}
    for path in sorted(folder.rglob("*")):
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


def _row_of(folder: Path) -> ModelRow:
    if (folder / _ROW).is_file():
        return _own_row(folder / _ROW)
    if _config(folder / _INDEX).get("_class_name") != "WanPipeline":
        raise RenderFailed(f"{folder} holds no WanPipeline", "model_not_supported")
    transformer, vae = _config(folder / "transformer" / "config.json"), _config(folder / "vae" / "config.json")
    channels, packed = transformer.get("in_channels"), vae.get("scale_factor_spatial")
    if (channels, packed, transformer.get("num_layers")) == (48, 16, 30):
        return WAN_TI2V_5B
    if (channels, packed) == (16, 8) and int(transformer.get("text_dim", 0)) <= 512:
        return DEMO  # the demo's own size and smaller: what generator/demo writes
    raise RenderFailed(f"{folder} is a WanPipeline that no row fits; put a {_ROW} into the folder", "model_not_supported")


def _own_row(path: Path) -> ModelRow:
    fields = _config(path)
    try:
        sizes = tuple((int(width), int(height)) for width, height in fields.pop("sizes"))
        row = ModelRow(sizes=sizes, source=str(fields.pop("source", path.name)), **fields)
    except (TypeError, ValueError, KeyError) as error:
        raise RenderFailed(f"{path} is no row of a model: {error}", "model_not_supported") from error
    if not sizes or not {"draft", "standard", "final"} <= row.steps.keys():
        raise RenderFailed(f"{path} needs sizes, and steps for draft, standard and final", "model_not_supported")
    return row


def _config(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RenderFailed(f"{path} cannot be read: {error}", "model_not_found") from error
    if not isinstance(read, dict):
        raise RenderFailed(f"{path} is no JSON object", "model_not_found")
    return read


def _ask_hub(model: str, revision: str | None) -> tuple[str, Path]:
    """The commit and a folder with the small files that tell the row."""
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415  # only a hub id needs the hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled  # noqa: PLC0415

    small = [_INDEX, _ROW, "transformer/config.json", "vae/config.json"]
    try:
        commit = HfApi().model_info(model, revision=revision, timeout=10).sha
        return str(commit), Path(snapshot_download(model, revision=commit, allow_patterns=small))
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as away:
        try:
            folder = Path(snapshot_download(model, revision=revision, allow_patterns=small, local_files_only=True))
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            raise RenderFailed(f"{model} is neither a folder nor a model that the hub gives us: {away}", "model_not_found") from error
        return folder.name, folder  # snapshots are kept under their commit
