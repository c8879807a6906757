"""The hub of models, and the copies that it left on this machine: the door to huggingface_hub.

A model that lies whole in the local cache is loaded from there, and the hub is not asked for its files: then it starts the
same where the hub is away, blocked or switched off (`HF_HUB_OFFLINE`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cache.errors import RenderFailed

# Read when huggingface_hub is first imported, by us or by diffusers: what is asked of the hub names no versions of this machine.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

INDEX = "model_index.json"
DRAFT = "transformer_draft"
"""The subfolder of a second, distilled transformer, which the index does not name: diffusers would take no part that it does not know."""

_PATIENCE = 10.0  # seconds for the newest commit
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART_OF_MANY = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")
_WEIGHTLESS = {"Scheduler": "scheduler_config.json", "Tokenizer": "tokenizer_config.json", "TokenizerFast": "tokenizer_config.json"}


@dataclass(frozen=True)
class HubModel:
    """A model of the hub: its commit, and the folder of the local cache that holds its configurations. `whole`: its weights, too."""

    commit: str
    folder: Path
    whole: bool


def find_in_hub(model: str, revision: str | None, configs: list[str]) -> HubModel:
    """The commit of `revision` (None: the newest) by the hub, or by the local cache where the hub cannot be reached.

    RenderFailed, in one line, where there is no such model, or where what lies here is not whole and the hub is away.
    """
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415  # only a hub id needs the hub

    if revision is not None and _COMMIT.fullmatch(revision) and (kept := _kept(model, revision)) is not None and not missing(kept):
        return HubModel(revision, kept, True)  # a commit never changes: there is nothing to ask
    try:
        commit = str(HfApi().model_info(model, revision=revision, timeout=_PATIENCE).sha)
        folder = Path(snapshot_download(model, revision=commit, allow_patterns=[INDEX, *configs]))
    except hub_faults() as away:
        kept = _kept(model, revision)
        lacking = None if kept is None else missing(kept)
        if kept is not None and not lacking:
            return HubModel(kept.name, kept, True)  # snapshots are kept under their commit
        here = "it is not in the local cache" if lacking is None else f"the local cache lacks {', '.join(lacking[:3])}"
        raise RenderFailed(f"{model} cannot be had from the hub ({_said(away)}), and {here}", "model_not_found") from away
    return HubModel(commit, folder, not missing(folder))


def hub_faults() -> tuple[type[Exception], ...]:
    """The errors that a call of the hub raises where it is away, switched off, or has no such model."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled  # noqa: PLC0415  # as above

    # Its HTTP library's own errors come through as they are, and are no OSError: the library is named by the hub's error alone.
    by_transport = [parent for parent in HfHubHTTPError.__mro__ if parent.__name__ == "HTTPError"]
    return (*by_transport, HfHubHTTPError, OfflineModeIsEnabled, OSError)


@contextmanager
def fetching(model: str) -> Iterator[None]:
    """A fetch from the hub: errors within become RenderFailed, told in one line."""
    try:
        yield
    except hub_faults() as error:
        raise RenderFailed(f"the files of {model} cannot be fetched from the hub ({_said(error)})", "model_not_found") from error


def missing(folder: Path) -> list[str]:
    """The files of a diffusers folder that are not there, as its index tells; empty where it is whole."""
    parts = _read(folder / INDEX)
    if parts is None:
        return [INDEX]
    found = []
    for part, told in sorted(parts.items()):
        if isinstance(told, list) and len(told) == 2 and told[0] is not None:
            found += [f"{part}/{name}" for name in _missing_of(folder / part, str(told[1]))]
    if (folder / DRAFT).is_dir():
        found += [f"{DRAFT}/{name}" for name in _missing_of(folder / DRAFT, "WanTransformer3DModel")]
    return found


def _missing_of(part: Path, class_name: str) -> list[str]:
    for ending, config in _WEIGHTLESS.items():
        if class_name.endswith(ending):
            return [] if (part / config).is_file() else [config]
    lacking = [] if (part / "config.json").is_file() else ["config.json"]
    present = sorted(path.name for path in part.glob("*.safetensors") if path.is_file())  # a link whose file is gone is no file
    index = next(iter(sorted(part.glob("*.safetensors.index.json"))), None)
    listed = None if index is None else _read(index)
    shards = None if listed is None else listed.get("weight_map")
    if isinstance(shards, dict):
        return lacking + sorted(set(shards.values()) - set(present))
    if not present:
        return [*lacking, "*.safetensors"]
    return [*lacking, "*.safetensors.index.json"] if any(_PART_OF_MANY.search(name) for name in present) else lacking


def _kept(model: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # as above

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=[INDEX], local_files_only=True))
    except hub_faults():
        return None


def _read(path: Path) -> dict[str, object] | None:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
