"""An index as files, so that a gateway with a million clips need not build its graphs at start. Only a cache of the rows.

A folder holds one generation, a folder of files that never change, and `manifest.json`, which names it. The manifest is
replaced in one step when everything that it names is on disk; whatever a crash leaves beside it, nobody reads. A
snapshot that is not exactly what its manifest says is refused, and the index is built from rows.

One process at a time saves into a folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from cache.matching.vectors.block import Block, Halves
from cache.matching.vectors.graph import HnswGraph
from cache.matching.vectors.index import Index
from cache.matching.vectors.shard import Base, Moment, Portion
from cache.variant import Partition

FORMAT = 1
MANIFEST = "manifest.json"
ARRIVING = "arriving-"  # folders of files that are on their way
GENERATION = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
_FILE = re.compile(r"[a-z0-9-]+\.(json|bin|faiss)")


@dataclass(frozen=True)
class Origin:
    """The source of an index. `database` is whatever tells one database from another; "" where nothing does."""

    embedder: str
    dimension: int
    database: str = ""


@dataclass(frozen=True)
class WrittenFile:
    sha256: str
    length: int


@dataclass(frozen=True)
class Manifest:
    """`count`: live clips; `sequence`: the last change in the snapshot."""

    format: int
    origin: Origin
    generation: str
    count: int
    sequence: int
    files: dict[str, WrittenFile]


@dataclass(frozen=True)
class Unusable:
    """The reason why a snapshot is not read; the rows are."""

    reason: str


@dataclass(frozen=True)
class Ahead(Unusable):
    """It holds changes that the database does not know: an older state of that was restored."""


@dataclass(frozen=True)
class _Stretch:
    """One Partition's part of the files, in the order of the list. Rows of its base come before those of its block."""

    scope: str
    recipe_key: str
    graph: str | None
    nodes: int
    base_rows: int
    block_rows: int


def save(index: Index, folder: Path, origin: Origin) -> Manifest:
    """Blocks for as long as the disk takes (about a second per gigabyte and more): call it in a thread."""
    moment = index.moment()
    generation = f"{moment.sequence:020d}-{secrets.token_hex(4)}"
    place = folder / generation
    place.mkdir(parents=True)
    count = _write(moment, place, origin)
    files = {path.name: WrittenFile(_sha256(path), path.stat().st_size) for path in sorted(place.iterdir())}
    _sync(place)
    manifest = Manifest(FORMAT, origin, generation, count, moment.sequence, files)
    _publish_manifest(folder, manifest)
    _clear(folder, generation)
    return manifest


def load_snapshot(index: Index, folder: Path, origin: Origin, latest: int | None = None) -> Manifest | Unusable:
    """Fills the empty `index`, or leaves it empty. Blocking. `latest` is the last change that the database knows.

    Every byte is digested once, which also brings it into the page cache; vectors and graphs stay in their files, mapped.
    """
    manifest = read_manifest(folder)
    if isinstance(manifest, Unusable):
        return manifest
    mismatch = _mismatch(manifest, folder / manifest.generation, origin, latest)
    if mismatch is not None:
        return mismatch
    try:
        portions = list(_read(folder / manifest.generation, origin))
    except (OSError, ValueError, IndexError, msgspec.MsgspecError) as error:
        return Unusable(f"its files do not fit together: {error}")
    if sum(portion.live for portion in portions) != manifest.count:
        return Unusable("its count is not that of its clips")
    index.restore(Moment(manifest.sequence, portions))
    return manifest


def _mismatch(manifest: Manifest, place: Path, origin: Origin, latest: int | None) -> Unusable | None:
    if manifest.origin != origin:
        return Unusable(f"made from {manifest.origin}, not {origin}")
    if latest is not None and manifest.sequence > latest:
        return Ahead(f"its last change is {manifest.sequence}, the database is at {latest}: an older state of that was restored")
    for name, written in manifest.files.items():
        path = place / name
        if not path.is_file() or path.stat().st_size != written.length or _sha256(path) != written.sha256:
            return Unusable(f"{name} is not the file that was written")
    return None


def read_manifest(folder: Path) -> Manifest | Unusable:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Unusable("there is none")
    except (OSError, msgspec.MsgspecError) as error:
        return Unusable(f"its manifest cannot be read: {error}")
    if manifest.format != FORMAT:
        return Unusable(f"its format is {manifest.format}, this version reads {FORMAT}")
    if not GENERATION.fullmatch(manifest.generation) or not all(_FILE.fullmatch(name) for name in manifest.files):
        return Unusable("its manifest names files that are not a snapshot's")
    return manifest


def snapshot_age(folder: Path) -> float:
    """Seconds since the manifest was written, or fetched; 0 where there is none."""
    try:
        return max(0.0, time.time() - (folder / MANIFEST).stat().st_mtime)
    except FileNotFoundError:
        return 0.0


def _write(moment: Moment, place: Path, origin: Origin) -> int:
    """Returns the number of live clips written."""
    count, stretches, ids = 0, list[_Stretch](), list[str]()
    with _synced(place / "vectors.bin") as vectors, _synced(place / "sequences.bin") as sequences, _synced(place / "starts.bin") as starts:
        for portion in moment.portions:
            if portion.partition.embedder != origin.embedder:
                continue
            base, block = portion.base, portion.block
            graph = None
            if base is not None:
                graph = f"graph-{len(stretches)}.faiss"
                base.graph.save(place / graph)
                _sync(place / graph)
                ids += base.ids
                sequences.write(base.sequences.astype("<i8").tobytes())
                starts.write(base.starts.astype("<i8").tobytes())
                count += int((base.sequences >= 0).sum())
            ids += block.ids
            sequences.write(np.array(block.sequences, "<i8").tobytes())
            vectors.write(block.halves.tobytes())
            count += block.count
            stretches.append(
                _Stretch(
                    portion.partition.scope, portion.partition.recipe_key, graph,
                    base.graph.nodes if base else 0, len(base.ids) if base else 0, block.count,
                )
            )  # fmt: skip
    for name, rows in (("partitions.json", stretches), ("clips.json", ids)):
        with _synced(place / name) as file:
            file.write(msgspec.json.encode(rows))
    return count


def _read(place: Path, origin: Origin) -> Iterator[Portion]:
    stretches = msgspec.json.decode((place / "partitions.json").read_bytes(), type=list[_Stretch])
    ids = msgspec.json.decode((place / "clips.json").read_bytes(), type=list[str])
    sequences = np.fromfile(place / "sequences.bin", "<i8")
    starts = np.fromfile(place / "starts.bin", "<i8")
    vectors = _mapped(place / "vectors.bin").reshape(-1, origin.dimension)
    row = edge = at = 0
    if not len(ids) == len(sequences) == sum(stretch.base_rows + stretch.block_rows for stretch in stretches):
        raise ValueError("ids, sequences and partitions differ in number")
    for stretch in stretches:
        base, end = None, row + stretch.base_rows
        if stretch.graph is not None:
            graph = HnswGraph.open(place / stretch.graph)
            edges = starts[edge : edge + stretch.nodes + 1]
            _check(graph, stretch, edges, origin)
            base = Base(graph, ids[row:end], sequences[row:end].copy(), edges.copy())
            edge += stretch.nodes + 1
        row = end + stretch.block_rows
        block = _block(vectors[at : at + stretch.block_rows], ids[end:row], sequences[end:row])
        at += stretch.block_rows
        yield Portion(Partition(stretch.scope, stretch.recipe_key, origin.embedder), base, block)


def _mapped(path: Path) -> Halves:
    return np.asarray(np.memmap(path, "<f2", "r")) if path.stat().st_size else np.empty(0, "<f2")


def _check(graph: HnswGraph, stretch: _Stretch, edges: NDArray[np.int64], origin: Origin) -> None:
    if (graph.nodes, graph.dimension) != (stretch.nodes, origin.dimension):
        raise ValueError(f"{stretch.graph} holds {graph.nodes} vectors of {graph.dimension} dimensions")
    if len(edges) != stretch.nodes + 1 or edges[0] != 0 or edges[-1] != stretch.base_rows or (np.diff(edges) < 1).any():
        raise ValueError(f"clips do not fit on the nodes of {stretch.graph}")


def _block(stored: Halves, ids: list[str], sequences: NDArray[np.int64]) -> Block:
    if len(stored) != len(ids):
        raise ValueError("vectors are missing")
    return Block.in_file(stored, ids, sequences.tolist())


def adopt_snapshot(arriving: Path, folder: Path, manifest: Manifest) -> None:
    """The files of another gateway's snapshot become this folder's; `arriving` lies in `folder` and holds nothing else."""
    place = folder / manifest.generation
    shutil.rmtree(place, ignore_errors=True)  # remains of a fetch that was cut off, or files that were damaged
    for path in arriving.iterdir():
        _sync(path)
    arriving.rename(place)
    _publish_manifest(folder, manifest)
    _clear(folder, manifest.generation)


def _publish_manifest(folder: Path, manifest: Manifest) -> None:
    coming = folder / f"{MANIFEST}.{secrets.token_hex(4)}"
    with _synced(coming) as file:
        file.write(msgspec.json.encode(manifest))
    _sync(folder)  # the generation's own entry, before anything names it
    coming.replace(folder / MANIFEST)
    _sync(folder)


def _clear(folder: Path, generation: str) -> None:
    """Mapped files of older generations live on until the index that maps them lets go."""
    for path in folder.iterdir():
        if path.is_dir() and path.name != generation and (GENERATION.fullmatch(path.name) or path.name.startswith(ARRIVING)):
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f"{MANIFEST}."):
            path.unlink(missing_ok=True)


@contextmanager
def _synced(path: Path) -> Iterator[BinaryIO]:
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    """A file's bytes, or a folder's entries, are on disk after it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
