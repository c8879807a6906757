"""Finding things in a clip: what stands out from its row, part by part, followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""[time, height, width, 3]."""
Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def foreground(frames: Frames, backdrop: Floats, threshold: int = 42) -> Masks:
    """Pixels that stand out from their row, small specks (stars, noise) left out."""
    difference = np.abs(frames.astype(np.int16) - backdrop[:, None].astype(np.int16)).max(axis=-1)
    masks = difference > threshold
    core = open_up(masks)
    return _grow_into(core, masks, 3)


def shift(masks: Masks, dy: int, dx: int) -> Masks:
    out = np.zeros_like(masks)
    height, width = masks.shape[1:]
    out[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = masks[
        :, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return out


NEAR = ((0, 1), (0, -1), (1, 0), (-1, 0))


def open_up(masks: Masks) -> Masks:
    """The part that a disc of five pixels fits into: dots of a pixel or two vanish."""
    core = masks
    for _ in range(2):
        core = core & np.logical_and.reduce([shift(core, *step) for step in NEAR])
    return core


def _grow_into(core: Masks, masks: Masks, steps: int) -> Masks:
    for _ in range(steps):
        core = masks & np.logical_or.reduce([core, *(shift(core, *step) for step in NEAR)])
    return core


def _parts(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Connected parts of one frame that are large enough to be a thing, largest first."""
    least = 0.004 * mask.size
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return []
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    whole, mask = mask, mask[window]
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)[None]
    while True:
        spread = labels
        for dy, dx in (*NEAR, (1, 1), (-1, -1), (1, -1), (-1, 1)):
            moved = np.zeros_like(spread)
            height, width = mask.shape
            moved[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = spread[
                :, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
            ]
            spread = np.maximum(spread, np.where(mask[None], moved, 0))
        if (spread == labels).all():
            break
        labels = spread
    names, counts = np.unique(labels[labels > 0], return_counts=True)
    order = np.argsort(-counts)
    parts = []
    for i in order:
        if counts[i] >= least:
            part = np.zeros_like(whole)
            part[window] = labels[0] == names[i]
            parts.append(part)
    return parts


@dataclass
class Track:
    """One thing through time; frames in which it was not found are missing."""

    times: list[int]
    masks: list[npt.NDArray[np.bool_]]
    colour: Floats

    @property
    def place(self) -> Floats:
        return centre(self.masks[-1])


def centre(mask: npt.NDArray[np.bool_]) -> Floats:
    return np.asarray(np.argwhere(mask).mean(axis=0)[::-1] / mask.shape[0])


def follow(frames: Frames, masks: Masks) -> list[Track]:
    """Follow parts from frame to frame by place and colour; a track lives in at least two thirds of the frames."""
    tracks: list[Track] = []
    for time, mask in enumerate(masks):
        parts = _parts(mask)
        colours = [np.median(frames[time][part], axis=0) for part in parts]
        pairs = sorted(
            (
                float(np.hypot(*(centre(part) - track.place)) + np.abs(colours[i] - track.colour).max() / 300),
                i,
                k,
            )
            for i, part in enumerate(parts)
            for k, track in enumerate(tracks)
        )
        used: set[int] = set()
        taken: set[int] = set()
        for cost, i, k in pairs:
            if i not in used and k not in taken and cost < 0.6:
                tracks[k].times.append(time)
                tracks[k].masks.append(parts[i])
                used.add(i)
                taken.add(k)
        tracks += [Track([time], [part], colours[i]) for i, part in enumerate(parts) if i not in used]
    return [track for track in tracks if len(track.times) >= 2 * len(frames) / 3]
