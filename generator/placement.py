"""The placement of a model's weights while it renders, decided from sizes alone. Pure.

A card that holds everything renders fastest. On a smaller one the text encoder goes first: it works for milliseconds, and
not at all for a prompt whose encoding is kept. Then each part is there in its turn only, and at last the transformer's blocks
travel to the device one by one, each while the one before it computes; as many as the device has room for stay there.

What lies in main memory stays there, page-locked: it is copied to the device and the copy is dropped, never carried back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from cache.catalog import ModelRow
from cache.setting_values import Offload

_GB = 1e9
_TILE = 256  # pixels of a side of what the VAE decodes at once in tiles
_KEPT_FREE = 4_000_000_000
"""Bytes of main memory that are never locked, beside a fifth of what is free: whoever locks all of it stalls the machine."""


@dataclass(frozen=True)
class PartSizes:
    """Bytes of a model's weights in the precision that they compute in. `encoder_travels` and `blocks_travel`: what lies on the
    device at once while the text encoder's layers, or a transformer's blocks, travel. `draft`: the second transformer, 0
    where there is none. `rest`: both without their blocks.
    """

    encoder: int
    encoder_fp8: int
    encoder_travels: int
    transformer: int
    blocks_travel: int
    rest: int
    vae: int
    draft: int = 0

    @property
    def transformers(self) -> int:
        return self.transformer + self.draft


@dataclass(frozen=True)
class WorkingSet:
    """Bytes beside the weights that the model's largest clip takes: a step with both passes of guidance at once, or one after the
    other, and decoding in tiles.
    """

    together: int
    apart: int
    tiles: int


@dataclass(frozen=True)
class FreeMemory:
    """Bytes that renders may take on the device, None where it has no memory of its own, and bytes that are free in main memory."""

    device: int | None
    main: int

    @property
    def lockable(self) -> int:
        return max(0, self.main - max(_KEPT_FREE, self.main // 5))


@dataclass(frozen=True)
class _Placed:
    """`needed`: bytes of the device by estimate. `together`: both passes of guidance fit at once. `reason`: why this way, for people."""

    word: ClassVar[Offload]
    told: ClassVar[str]
    reason: str
    together: bool
    needed: int

    def __str__(self) -> str:
        return f"{self.told} ({self.reason})"


class AllResident(_Placed):
    word, told = "none", "all parts stay on the device"


class EncoderTravels(_Placed):
    word, told = "encoder", "the text encoder lies in page-locked main memory, and travels for prompts that are not kept"


class EncoderOnCpu(_Placed):
    word, told = "encoder_cpu", "the text encoder computes on the CPU"


class EncoderInFp8(_Placed):
    word, told = "encoder_fp8", "the text encoder lies on the device in eight bits"


class PartsInTurn(_Placed):
    word, told = "model", "each part lies in page-locked main memory, and is on the device in its turn"


@dataclass(frozen=True)
class BlocksTravel(_Placed):
    """`spare`: bytes of the device beside those needed, for blocks that stay instead."""

    word, told = "group", "text encoder and transformer lie in page-locked main memory, and travel block by block"
    spare: int = 0

    def __str__(self) -> str:
        return f"{super().__str__()}{f'; {_gb(self.spare)} GB are left for blocks that stay' if self.spare else ''}"


Placement = AllResident | EncoderTravels | EncoderOnCpu | EncoderInFp8 | PartsInTurn | BlocksTravel


@dataclass(frozen=True)
class DoesNotFit:
    """No way fits, or not the one that was asked for."""

    reason: str


# The fastest first. Eight bits change pixels, so that nobody gets them who did not ask.
_BY_ITSELF: tuple[type[Placement], ...] = (AllResident, EncoderTravels, EncoderOnCpu, PartsInTurn, BlocksTravel)
_BY_WORD: dict[str, type[Placement]] = {way.word: way for way in (*_BY_ITSELF, EncoderInFp8)}


def decide_placement(asked: Offload, memory: FreeMemory, sizes: PartSizes, work: WorkingSet) -> Placement | DoesNotFit:
    """The way that was asked for; by "auto" the first that fits with the model's largest clip.

    Where by estimate none fits, the one that needs least is tried all the same, since estimates err on the large side. Only what
    cannot be is refused: weights that alone are over the device's memory, or over what may be locked of main memory.
    """
    if memory.device is None:
        return _BY_WORD["none" if asked == "auto" else asked](_set(asked, "it has no memory of its own"), True, 0)
    if asked != "auto":
        return _asked(_BY_WORD[asked], memory, sizes, work)
    refused, possible = list[str](), list[Placement]()
    for way in _BY_ITSELF:
        impossible = _impossible(way, memory, sizes)
        if impossible is not None:
            refused.append(f"{way.word}: {impossible}")
            continue
        for together in (True, False):
            needed = needs(way, sizes, work, together=together)
            possible.append(_way(way, _why(needed, memory.device, refused), together, needed, memory.device))
            if needed <= memory.device:
                return possible[-1]
        refused.append(f"{way.word}: needs {_gb(possible[-1].needed)} GB")
    if not possible:
        eight_bits = needs(EncoderInFp8, sizes, work, together=False) <= memory.device
        hint = "; REPRISE_OFFLOAD=encoder_fp8 would fit, and changes pixels a little" if eight_bits else ""
        return DoesNotFit(f"the model does not fit: {'; '.join(refused)}{hint}")
    least = min(possible, key=lambda one: one.needed)
    return type(least)(f"may be short: {least.reason}", least.together, least.needed)


def _asked(way: type[Placement], memory: FreeMemory, sizes: PartSizes, work: WorkingSet) -> Placement | DoesNotFit:
    assert memory.device is not None, "asked only where memory is counted"
    impossible = _impossible(way, memory, sizes)
    if impossible is not None:
        return DoesNotFit(f"REPRISE_OFFLOAD={way.word} cannot be: {impossible}")
    together = needs(way, sizes, work, together=True) <= memory.device
    needed = needs(way, sizes, work, together=together)
    short = "" if needed <= memory.device else ", may be short"
    return _way(way, f"{_set(way.word)}; {_of(needed, memory.device)}{short}", together, needed, memory.device)


def _way(way: type[Placement], reason: str, together: bool, needed: int, device: int) -> Placement:
    if way is BlocksTravel:
        return BlocksTravel(reason, together, needed, max(0, device - needed))
    return way(reason, together, needed)


def needs(way: type[Placement], sizes: PartSizes, work: WorkingSet, *, together: bool) -> int:
    """Bytes of the device at the most, by estimate."""
    return max(_stages(way, sizes, work.together if together else work.apart, work.tiles))


def _stages(way: type[Placement], sizes: PartSizes, denoise: int, tiles: int) -> Iterator[int]:
    """The working sets of encoding a text, of denoising, and of decoding."""
    held, travels = sizes.transformers + sizes.vae, sizes.encoder_travels
    if way is AllResident:
        yield from (sizes.encoder + held, sizes.encoder + held + denoise, sizes.encoder + held + tiles)
    elif way is EncoderInFp8:
        yield from (sizes.encoder_fp8 + held, sizes.encoder_fp8 + held + denoise, sizes.encoder_fp8 + held + tiles)
    elif way is EncoderTravels:
        yield from (travels + held, held + denoise, held + tiles)
    elif way is EncoderOnCpu:
        yield from (held, held + denoise, held + tiles)
    elif way is PartsInTurn:
        yield from (travels, max(sizes.transformer, sizes.draft) + denoise, sizes.vae + tiles)
    else:
        held = sizes.rest + sizes.vae
        yield from (travels + held, sizes.blocks_travel + held + denoise, held + tiles)


def _impossible(way: type[Placement], memory: FreeMemory, sizes: PartSizes) -> str | None:
    """The reason why it cannot be, whatever a clip takes; None if it may."""
    assert memory.device is not None, "asked only where memory is counted"
    bare = needs(way, sizes, WorkingSet(0, 0, 0), together=False)
    if bare > memory.device:
        return f"its weights alone need {_of(bare, memory.device)}"
    locked = locked_bytes(way, sizes)
    if locked > memory.lockable:
        return f"{_gb(locked)} GB would be locked in main memory, where {_gb(memory.lockable)} GB may be"
    if way is EncoderOnCpu and sizes.encoder > max(0, memory.main - _KEPT_FREE // 2):
        return f"the text encoder needs {_of(sizes.encoder, memory.main)} of main memory"
    return None


def locked_bytes(way: type[Placement], sizes: PartSizes) -> int:
    """Bytes of main memory that this way locks at the most: blocks that stay on the device are not locked."""
    if way is EncoderTravels:
        return sizes.encoder
    if way is PartsInTurn:
        return sizes.encoder + sizes.transformers + sizes.vae
    return sizes.encoder + sizes.transformers - sizes.rest if way is BlocksTravel else 0


@dataclass(frozen=True)
class Architecture:
    """The sizes of a model's work, from its configurations: `width` and `inner` of the transformer's layers, its `blocks`,
    pixels of one token, the `channels` of the decoder's last layers, and pixels that it packs into one. `number`: bytes of one number.
    """

    width: int
    inner: int
    blocks: int
    token: tuple[int, int, int]  # frames, height, width
    channels: int
    packed: int
    number: int


def work_of(row: ModelRow, shape: Architecture) -> WorkingSet:
    """The working set of the row's largest clip, by estimate: a block holds eight tensors of its width and two of its inner width
    for every token; the decoder two dozen of its last layers for four frames of a tile.
    """
    frames = row.frames(row.longest_seconds)
    most = max(width * height for width, height in row.sizes)
    deep, tall, wide = shape.token
    tokens = ((frames - 1) // deep + 1) * most // (tall * wide)
    texts = 2 * shape.blocks * row.max_sequence_length * shape.width
    one_pass = (tokens * (8 * shape.width + 2 * shape.inner) + texts) * shape.number
    tile = 24 * 4 * (_TILE**2 // shape.packed**2) * shape.channels * shape.number
    video = frames * most * 3
    return WorkingSet(2 * one_pass, one_pass, tile + video * (2 * shape.number + 1))


def _why(needed: int, device: int, refused: list[str]) -> str:
    return "; ".join([_of(needed, device), *(f"not {one}" for one in refused)])


def _of(needed: int, there: int) -> str:
    return f"{_gb(needed)} of {_gb(there)} GB"


def _gb(count: int) -> str:
    return f"{count / _GB:.1f}"


def _set(word: str, otherwise: str = "") -> str:
    return otherwise if word == "auto" else f"as REPRISE_OFFLOAD={word} says"
