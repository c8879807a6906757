"""Charts as inline SVG, made on the server. Pure: numbers in, markup out, each with a text summary and a table of its numbers.

Horizontal lengths are percentages and there is no viewBox, so a chart may have any width while its text and patterns
keep their size. Colours come from classes (charts.css): the content security policy allows no inline styles, and themes change them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup, escape

from gateway.admin.figures import duration, number

Shown = Callable[[float | None], str]

_PLOT = 168  # height of the plot in pixels
_BELOW = 24  # height of the labels below it

# Besides its colour each kind has a pattern, for people who cannot tell the colours apart. Kinds without one are plain.
_PATTERNS = {
    "near": '<path class="mark" d="M-1 1 1-1M0 6 6 0M5 7 7 5"/>',
    "joined": '<path class="mark" d="M2 0V6"/>',
    "miss": '<path class="mark" d="M0 2H6"/>',
    "bypass": '<path class="mark" d="M0 0 6 6M6 0 0 6"/>',
    "failed": '<circle class="dots" cx="2" cy="2" r="1.3"/>',
    "two": '<path class="mark" d="M-1 5 1 7M0 0 6 6M5-1 7 1"/>',
    "text_encode": '<path class="mark" d="M2 0V6"/>',
    "picture_encode": '<path class="mark" d="M0 0 6 6M6 0 0 6"/>',
    "vae_decode": '<path class="mark" d="M-1 1 1-1M0 6 6 0M5 7 7 5"/>',
    "video_encode": '<path class="mark" d="M0 2H6"/>',
    "store": '<circle class="dots" cx="2" cy="2" r="1.3"/>',
}
_DASHED = {"near", "two"}  # lines of these kinds


@dataclass(frozen=True)
class Series:
    """A named row of values. `kind` sets colour and pattern (class `k-…` of charts.css); None means unknown, which is not 0."""

    kind: str
    label: str
    values: Sequence[float | None]


def stacked(
    name: str, title: str, slots: Sequence[str], series: Sequence[Series], *, links: Sequence[str] = (), shown: Shown = number
) -> Markup:
    """Stacked bars over time, one for each slot. `name` must be unique on the page: it becomes an id.
    `links`: the page that lists the rows of each slot.
    """
    totals = [sum(one.values[at] or 0 for one in series) for at in range(len(slots))]
    top = round_up(max(totals, default=0))
    wide = 100 / max(1, len(slots))
    bars = []
    for at, slot in enumerate(slots):
        parts, floor_at = [], 100.0
        for one in series:
            high = (one.values[at] or 0) / top * 100
            if high > 0:
                floor_at -= high
                parts.append(_bar(name, one.kind, at * wide + wide * 0.1, floor_at, wide * 0.8, high))
        inside = Markup("").join([_values_of(slot, series, at, shown), *parts, _column(at * wide, wide)])
        # The table has the same links; one tab stop for each bar would make the page long for keyboard users.
        link = Markup('<a href="{}" tabindex="-1" aria-label="{}">{}</a>')
        bars.append(link.format(links[at], slot, inside) if links else Markup("<g>{}</g>").format(inside))
    plot = Markup("").join([_scale(top, shown), *bars])
    return _over_time(name, title, plot, slots, series, links, shown)


def line_chart(
    name: str, title: str, slots: Sequence[str], series: Sequence[Series], *, links: Sequence[str] = (), shown: Shown = number
) -> Markup:
    """A line for each series, with gaps where a value is None."""
    top = round_up(max((value for one in series for value in one.values if value is not None), default=0))
    wide = 100 / max(1, len(slots))

    def place(at: int, value: float) -> tuple[float, float]:
        return at * wide + wide / 2, 100 - value / top * 100

    drawn = []
    for one in series:
        dashed = " dashed" if one.kind in _DASHED else ""
        for at, (before, value) in enumerate(zip((None, *one.values), one.values, strict=False)):
            if value is None:
                continue
            x, y = place(at, value)
            if before is not None:
                x0, y0 = place(at - 1, before)
                drawn.append(
                    Markup('<line class="line k-{}{}" x1="{:.3f}%" y1="{:.2f}%" x2="{:.3f}%" y2="{:.2f}%"/>').format(
                        one.kind, dashed, x0, y0, x, y
                    )
                )
            drawn.append(Markup('<circle class="dot k-{}" cx="{:.3f}%" cy="{:.2f}%" r="3"/>').format(one.kind, x, y))
    spots = [
        Markup("<g>{}{}</g>").format(_values_of(slot, series, at, shown), _column(at * wide, wide))
        for at, slot in enumerate(slots)
        if any(one.values[at] is not None for one in series)
    ]
    plot = Markup("").join([_scale(top, shown), *drawn, *spots])
    return _over_time(name, title, plot, slots, series, links, shown)


def waterfall(name: str, title: str, stages: Mapping[str, float]) -> Markup:
    """A bar for each stage, starting where the one before ended. `stages`: milliseconds by stage, in order."""
    whole = sum(stages.values()) or 1.0
    row, rows, at = 36, [], 0.0
    for count, (stage, took) in enumerate(stages.items()):
        y, x, wide = count * row, at / whole * 100, took / whole * 100
        hover = Markup("<title>{}: {}</title>").format(stage, duration(took / 1000))
        bar = Markup('<rect class="bar k-{0}" x="{1:.3f}%" y="{2}" width="{3:.3f}%" height="14" rx="3">{4}</rect>').format(
            stage, x, y + 18, max(wide, 0.3), hover
        )
        over = Markup('<rect fill="url(#{}-{})" x="{:.3f}%" y="{}" width="{:.3f}%" height="14" rx="3" pointer-events="none"/>').format(
            name, stage, x, y + 18, max(wide, 0.3)
        ) if stage in _PATTERNS else Markup("")  # fmt: skip
        # The name stands above its bar: left-aligned with it or, far to the right, right-aligned with the edge.
        where = Markup('x="100%" text-anchor="end"') if x > 65 else Markup('x="{:.3f}%"').format(x)
        named = Markup('<text class="tick" {} y="{}">{} {}</text>').format(where, y + 13, stage.replace("_", " "), duration(took / 1000))
        rows += [named, bar, over]
        at += took
    high = max(1, len(stages)) * row
    told = ", ".join(f"{stage} {duration(took / 1000)}" for stage, took in stages.items()) or "no stages"
    svg = Markup('<svg class="chart" role="img" aria-labelledby="{0}-title {0}-desc" width="100%" height="{1}">{2}{3}{4}</svg>').format(
        name, high, _told(name, title, told), _defs(name, list(stages)), Markup("").join(rows)
    )
    series = [Series("one", "time", list(stages.values()))]
    return _figure(name, title, svg, list(stages), series, (), lambda took: duration(None if took is None else took / 1000), legend=False)


def spark(name: str, title: str, values: Sequence[float | None], *, shown: Shown = number) -> Markup:
    """A small line for a figure or a table cell, with gaps where a value is None; its values are in the title."""
    top = max([value for value in values if value is not None], default=0.0) or 1.0
    wide = 100 / max(1, len(values) - 1)
    told = ", ".join(shown(value) for value in values if value is not None)
    drawn = [
        Markup('<line class="line k-one" x1="{:.2f}%" y1="{:.2f}%" x2="{:.2f}%" y2="{:.2f}%"/>').format(
            at * wide, 95 - before / top * 90, (at + 1) * wide, 95 - after / top * 90
        )
        for at, (before, after) in enumerate(itertools.pairwise(values))
        if before is not None and after is not None
    ]
    return Markup('<svg class="chart spark" role="img" aria-labelledby="{0}-title {0}-desc">{1}{2}</svg>').format(
        name, _told(name, title, told), Markup("").join(drawn)
    )


def round_up(value: float) -> float:
    """The smallest round number that is at least `value` and has a round half; 1 for zero."""
    if value < 1e-12:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if value <= step * power * (1 + 1e-12))


def summary(slots: Sequence[str], series: Sequence[Series], shown: Shown) -> str:
    """The text that a screen reader reads instead of the chart."""
    if not slots:
        return "Nothing yet."
    parts = []
    for one in series:
        known = [value for value in one.values if value is not None]
        parts.append(f"{one.label}: maximum {shown(max(known))}, last {shown(known[-1])}" if known else f"{one.label}: nothing")
    return f"From {slots[0]} to {slots[-1]}. " + "; ".join(parts) + "."


def _over_time(
    name: str, title: str, plot: Markup, slots: Sequence[str], series: Sequence[Series], links: Sequence[str], shown: Shown
) -> Markup:
    svg = _drawn(name, title, summary(slots, series, shown), plot, slots, series, linked=bool(links))
    return _figure(name, title, svg, slots, series, links, shown, legend=True)


def _values_of(slot: str, series: Sequence[Series], at: int, shown: Shown) -> Markup:
    """The values of one slot, as the title that a pointer over it shows."""
    told = ", ".join(f"{one.label} {shown(one.values[at])}" for one in series if one.values[at])
    return Markup("<title>{}: {}</title>").format(slot, told or "nothing")


def _column(x: float, wide: float) -> Markup:
    """A whole column of the plot, so that the pointer need not meet a dot or a bar."""
    return Markup('<rect class="column" x="{:.3f}%" y="0" width="{:.3f}%" height="100%"/>').format(x, wide)


def _bar(name: str, kind: str, x: float, y: float, wide: float, high: float) -> Markup:
    where = Markup('x="{:.3f}%" y="{:.3f}%" width="{:.3f}%" height="{:.3f}%"').format(x, max(0.0, y), wide, high)
    drawn = Markup('<rect class="bar k-{}" {}/>').format(kind, where)
    return drawn + Markup('<rect fill="url(#{}-{})" {}/>').format(name, kind, where) if kind in _PATTERNS else drawn


def _scale(top: float, shown: Shown) -> Markup:
    """Three grid lines with their values."""
    drawn = []
    for part in (0.0, 0.5, 1.0):
        y = 100 - part * 100
        drawn.append(Markup('<line class="axis" x1="0" x2="100%" y1="{0}%" y2="{0}%"/>').format(y))
        if part:
            drawn.append(Markup('<text class="tick" x="2" y="{}%" dy="-4">{}</text>').format(y, shown(top * part)))
    return Markup("").join(drawn)


def _drawn(name: str, title: str, told: str, plot: Markup, slots: Sequence[str], series: Sequence[Series], *, linked: bool) -> Markup:
    """The plot with its frame: a nested SVG for the bars or lines, and a few labels below it."""
    # Three labels: that many fit on a phone.
    ends = {0: ("0", "start"), len(slots) // 2: (f"{(len(slots) // 2 + 0.5) * 100 / max(1, len(slots)):.2f}%", "middle")}
    if len(slots) > 2:
        ends[len(slots) - 1] = ("100%", "end")
    labels = [
        Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(x, _PLOT + 34, anchor, slots[at])
        for at, (x, anchor) in ends.items()
        if slots
    ]
    return Markup(
        '<svg class="chart" role="{7}" aria-labelledby="{0}-title {0}-desc" width="100%" height="{1}">{2}{3}'
        '<svg x="0" y="16" width="100%" height="{4}" overflow="visible">{5}</svg>{6}</svg>'
    ).format(
        name,
        16 + _PLOT + _BELOW,
        _told(name, title, told),
        _defs(name, [one.kind for one in series]),
        _PLOT,
        plot,
        Markup("").join(labels),
        "group" if linked else "img",
    )


def _told(name: str, title: str, words: str) -> Markup:
    return Markup('<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>').format(name, title, words)


def _defs(name: str, kinds: Sequence[str]) -> Markup:
    made = [
        Markup('<pattern id="{}-{}" width="6" height="6" patternUnits="userSpaceOnUse">{}</pattern>').format(
            name,
            kind,
            Markup(_PATTERNS[kind]),  # noqa: S704  # from the table above
        )
        for kind in kinds
        if kind in _PATTERNS
    ]
    return Markup("<defs>{}</defs>").format(Markup("").join(made))


def _figure(
    name: str, title: str, svg: Markup, slots: Sequence[str], series: Sequence[Series], links: Sequence[str], shown: Shown, *, legend: bool
) -> Markup:
    keys = Markup("")
    if legend:
        signs = [
            Markup(
                '<li><svg class="chart" aria-hidden="true"><rect class="bar k-{0}" width="14" height="14" rx="3"/>{1}</svg>{2}</li>'
            ).format(
                one.kind,
                Markup('<rect fill="url(#{}-{})" width="14" height="14" rx="3"/>').format(name, one.kind) if one.kind in _PATTERNS else "",
                one.label,
            )
            for one in series
        ]
        keys = Markup('<ul class="legend">{}</ul>').format(Markup("").join(signs))
    return Markup('<figure class="chart" id="{}">{}{}{}</figure>').format(name, svg, keys, _table(name, title, slots, series, links, shown))


def _table(name: str, title: str, slots: Sequence[str], series: Sequence[Series], links: Sequence[str], shown: Shown) -> Markup:
    heads = Markup("").join(Markup('<th scope="col" class="num">{}</th>').format(one.label) for one in series)
    rows = []
    for at, slot in enumerate(slots):
        cells = Markup("").join(Markup('<td class="num">{}</td>').format(shown(one.values[at])) for one in series)
        first = Markup('<a href="{}">{}</a>').format(links[at], slot) if links else escape(slot)
        rows.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(first, cells))
    return Markup(
        '<details id="{0}-table"><summary>As a table</summary><div class="scroll" tabindex="0" role="region" aria-label="{1}">'
        "<table><caption>{1}</caption><thead><tr><td></td>{2}</tr></thead><tbody>{3}</tbody></table></div></details>"
    ).format(name, title, heads, Markup("").join(rows))
