"""Two plots as SVG, drawn by hand: no plotting library for two charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.matching_replay import Run

_WIDTH, _HEIGHT, _LEFT, _BASE = 640, 360, 60, 40
_COLOURS = ["#0b7a75", "#d1495b", "#8d96a3", "#edae49", "#30638e"]
Line = Sequence[tuple[float, float]]


def curves(folder: Path, judge: Line, cosine: Line, runs: Mapping[str, Run]) -> None:
    inside = [[(x, y) for x, y in line if x <= 0.05] for line in (judge, cosine)]
    plot = _plot(
        "Strict paraphrases served, by how many hard negatives are",
        dict(zip(("Reprise", "cosine"), inside, strict=True)),
        0.05,
        1.0,
        "hard negatives served",
    )
    (folder / "recall.svg").write_text(plot)
    if runs:
        lines = {name: [(float(x), y) for x, y in run.curve] for name, run in runs.items()}
        longest = max(x for line in lines.values() for x, _ in line)
        highest = max(y for line in lines.values() for _, y in line)
        (folder / "cold_start.svg").write_text(
            _plot("Hit rate from an empty cache (another clip's hits count too)", lines, longest, highest, "asks")
        )


def _plot(title: str, lines: Mapping[str, Line], right: float, top: float, below: str) -> str:
    def at(x: float, y: float) -> str:
        return f"{_LEFT + x / right * (_WIDTH - _LEFT - 20):.1f},{_HEIGHT - _BASE - y / top * (_HEIGHT - _BASE - 40):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/><text x="{_LEFT}" y="20" font-size="14">{title}</text>',
    ]
    for step in range(6):
        x, y = right * step / 5, top * step / 5
        (x0, y0), (x1, _) = (at(0, y).split(","), at(right, y).split(","))
        parts.append(
            f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y0}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 8}" y="{float(y0) + 4}" text-anchor="end">{y:.0%}</text>'
        )
        label = f"{x:.1%}" if right <= 1 else f"{x:.0f}"
        parts.append(f'<text x="{at(x, 0).split(",")[0]}" y="{_HEIGHT - _BASE + 16}" text-anchor="middle">{label}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{below}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(at(x, min(y, top)) for x, y in sorted(line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"><title>{name}</title></polyline>')
        parts.append(f'<text x="{_WIDTH - 24}" y="{44 + 16 * number}" text-anchor="end" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
