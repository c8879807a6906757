"""LoRA files of this process, as REPRISE_LORA names them: `name=file[:scale]` is one that requests may choose, `file[:scale]` one that
is in every clip. A file is checked before anything is rendered: what is no LoRA, or half of one, is refused by its name.

A Recipe spells a LoRA `name:scale:sha256`, several joined by "+".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from cache.errors import RenderFailed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_MOST = 16  # in one process: each takes memory
_STRONGEST = 10.0

_DOWN = re.compile(r"lora_(?:A|down)\.(?:\w+\.)?weight$")
_UP = re.compile(r"lora_(?:B|up)\.(?:\w+\.)?weight$")


@dataclass(frozen=True)
class FoundLora:
    """A LoRA that was found. `tensors`: how many the file has, without the scales (`alpha`) that go into them."""

    name: str
    file: Path
    scale: float
    digest: str
    fused: bool
    tensors: int

    @property
    def spelled(self) -> str:
        return f"{self.name}:{self.scale:g}:{self.digest}"


def find_loras(entries: Iterable[str]) -> tuple[FoundLora, ...]:
    """Blocks: reads every byte of each file once, for its digest. RenderFailed names the entry that is wrong."""
    found = tuple(_found(entry) for entry in entries)
    names = [lora.name for lora in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RenderFailed(f"REPRISE_LORA names {twice} twice", _CODE)
    if len(found) > _MOST:
        raise RenderFailed(f"REPRISE_LORA names {len(found)} files; at most {_MOST}", _CODE)
    return found


_CODE = "lora_not_supported"


def _found(entry: str) -> FoundLora:
    head, equals, tail = entry.partition("=")
    named = bool(equals) and _NAME.fullmatch(head.strip()) is not None
    path, scale = _with_scale(tail if named else entry)
    file = _file(Path(path).expanduser(), entry)
    tensors = _checked(file)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    name = head.strip() if named else re.sub(r"[^A-Za-z0-9._-]", "-", file.stem).lstrip("._-")[:40] or "lora"
    return FoundLora(name, file.resolve(), scale, digest, not named, tensors)


def _with_scale(text: str) -> tuple[str, float]:
    path, colon, number = text.rpartition(":")
    try:
        scale = float(number) if colon else 1.0
    except ValueError:
        return text, 1.0
    if colon and not 0 < abs(scale) <= _STRONGEST:
        raise RenderFailed(f"REPRISE_LORA: a scale is between -{_STRONGEST:g} and {_STRONGEST:g} and not 0; not {number}", _CODE)
    return (path if colon else text), scale


def _file(path: Path, entry: str) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise RenderFailed(f"REPRISE_LORA: there is no {path}; write name=file[:scale], not {entry[:100]!r}", _CODE)
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        listed = ", ".join(file.name for file in files[:5]) or "none"
        raise RenderFailed(f"REPRISE_LORA: {path} must hold one .safetensors file; it has {listed}: name the file", _CODE)
    return files[0]


def _checked(file: Path) -> int:
    """The number of its tensors."""
    try:
        with safe_open(file, framework="np") as opened:
            keys = [key for key in opened.keys() if not key.endswith(".alpha")]  # noqa: SIM118  # it is no dictionary
    except (SafetensorError, OSError) as error:
        raise RenderFailed(f"REPRISE_LORA: {file} is no safetensors file ({str(error)[:100]})", _CODE) from error
    down, up = ({pattern.sub("", key) for key in keys if pattern.search(key)} for pattern in (_DOWN, _UP))
    if not down:
        raise RenderFailed(f"REPRISE_LORA: {file} holds no LoRA: none of its {len(keys)} tensors is a low-rank one", _CODE)
    if down != up:
        raise RenderFailed(f"REPRISE_LORA: {file} is half a LoRA: {sorted(down ^ up)[0]} has one of its two matrices", _CODE)
    if any("dora_scale" in key for key in keys):
        raise RenderFailed(f"REPRISE_LORA: {file} is a DoRA, of which diffusers would drop a part", _CODE)
    return len(keys)
