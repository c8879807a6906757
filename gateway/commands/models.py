"""`reprise models`: the catalogue's rows; one of them as a file to start from; or whether a file or a model folder has a right one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from cache.catalog import ROWS, ModelRow
from cache.errors import NotFound
from generator.hub import INDEX
from generator.model_rows import OURS, model_row_of, read_row


def model_lines(asked: str) -> Iterator[str]:
    """The lines that the command prints. Raises RenderFailed for a row that is wrong or a folder that has none, NotFound for neither."""
    if not asked:
        yield from (line for row in ROWS for line in _told(row))
        return
    named = {row.name: row for row in ROWS}
    path = Path(asked).expanduser()
    if asked in named:
        fields = {name: value for name, value in asdict(named[asked]).items() if name not in OURS and value not in (None, ())}
        told = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
        yield f"{{\n{told}\n}}"
    elif path.is_file():
        yield from _told(read_row(path))
    elif (path / INDEX).is_file():
        yield from _told(model_row_of(path, path.resolve().name))
    else:
        raise NotFound(f"{asked} is no row ({', '.join(named)}), no file with one, and no folder with a {INDEX}")


def _told(row: ModelRow) -> Iterator[str]:
    steps = ", ".join(f"{quality} {count}" for quality, count in row.steps.items())
    points = f" at {', '.join(map(str, row.timesteps))}" if row.timesteps else ""
    yield row.name
    yield f"  {row.pipeline}, sampler {row.sampler}{points}; steps: {steps}; guidance {row.guidance:g}, flow shift {row.flow_shift:g}"
    if row.draft_timesteps:
        yield f"  drafts by a second transformer: sampler lcm at {', '.join(map(str, row.draft_timesteps))}; no guidance"
    sizes = ", ".join(f"{width}x{height}" for width, height in row.sizes)
    yield f"  {sizes}; {row.default_seconds:g} s, at most {row.longest_seconds:g}, {row.fps} fps"
    yield f"  begins with a picture (input_reference): {'yes' if row.takes_picture else 'no'}"
    yield f"  source: {row.source}"
