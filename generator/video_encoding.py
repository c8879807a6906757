"""Video encoding: frames to an MP4 with thumbnail and spritesheet, previews and probing of videos; the door to PyAV and Pillow.

A video is H.264 in MP4, yuv420p, index in front (faststart), every frame shown for exactly one frame's time. Equal frames
give equal bytes on one machine. The thumbnail is WebP and the spritesheet JPEG: every browser shows both, and they are
what clients of the OpenAI Videos API save them as.
"""

from __future__ import annotations

import asyncio
import io
import math
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cache.errors import RenderFailed
from generator.renderer import Frames

Picture = npt.NDArray[np.uint8]

VIDEO_TYPE, THUMBNAIL_TYPE, SPRITESHEET_TYPE, LATENT_TYPE = "video/mp4", "image/webp", "image/jpeg", "application/octet-stream"

PreviewKind = Literal["webp", "gif"]
PREVIEW_TYPES: dict[PreviewKind, str] = {"webp": "image/webp", "gif": "image/gif"}
_PREVIEW_SIDE, _PREVIEW_FPS, _PREVIEW_FRAMES = 320, 10, 64  # pixels of the longer side, frames per second, frames; each at most

_CELLS = 16  # frames on the spritesheet, at most
_CELL_SIDE = 320  # pixels, the longer side of one of them
_MOST_PIXELS, _MOST_FRAMES = 4096 * 4096, 10_000  # of a video from elsewhere: a small file may hold a huge one
_BT709 = 1  # the code of primaries, transfer curve and matrix in H.264 and in FFmpeg alike
_LIMITED = 1  # FFmpeg's code of the range 16 to 235
# x264 writes its thread count into the video and cuts frames by it: a fixed count keeps equal renders equal bytes.
_THREADS = 2


@dataclass(frozen=True)
class VideoFiles:
    """The files, in the caller's folder; the caller removes them. `seconds`: the video's true length."""

    video: Path
    thumbnail: Path
    spritesheet: Path
    seconds: float


@dataclass(frozen=True)
class Probe:
    """The contents of a video file, every frame decoded. `duration`: seconds, according to its video track."""

    width: int
    height: int
    frames: int
    fps: float
    codec: str
    pix_fmt: str
    duration: float
    faststart: bool


async def encode_video(frames: Frames, fps: int, folder: Path) -> VideoFiles:
    """Encodes `frames`, (F, H, W, 3) RGB with even height and width. Raises ValueError for anything else."""
    return await asyncio.to_thread(_encode, frames, fps, folder)


async def adopt_video(video: Path, folder: Path) -> VideoFiles:
    """Adopts a finished video, with our own images. H.264 in yuv420p is kept as it is, only the index is moved
    to the front if necessary; anything else is re-encoded. Raises RenderFailed if it cannot be decoded.
    """
    return await asyncio.to_thread(_adopt, video, folder)


async def probe(path: Path) -> Probe:
    """Decodes every frame; RenderFailed ("invalid_video") where that does not work or there is no picture."""
    return await asyncio.to_thread(_probe, path)


async def preview(video: bytes, kind: PreviewKind) -> bytes:
    """A small animation of a whole MP4, at its own pace, that repeats. Raises RenderFailed if it cannot be decoded."""
    return await asyncio.to_thread(_preview, video, kind)


def _encode(frames: Frames, fps: int | Fraction, folder: Path) -> VideoFiles:
    _check(frames, fps)
    video = _named(folder, "mp4")
    _write_video(frames, fps, video)
    return _with_pictures(video, frames[len(frames) // 2], [frames[at] for at in _spread(len(frames))], float(len(frames) / fps), folder)


def _check(frames: Frames, fps: int | Fraction) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
        raise ValueError(f"frames are (F, H, W, 3) uint8, not {frames.shape} {frames.dtype}")
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(f"yuv420p needs even sides, not {frames.shape[2]}x{frames.shape[1]}")
    if fps <= 0:
        raise ValueError(f"not a frame rate: {fps}")


def _write_video(frames: Frames, fps: int | Fraction, path: Path) -> None:
    import av  # noqa: PLC0415  # 70 MB of codecs that a process which makes no video never loads

    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.gop_size = max(1, round(2 * fps))  # a player that seeks decodes two seconds at most
        coder = stream.codec_context
        coder.time_base, coder.thread_count = 1 / Fraction(fps), _THREADS
        # Said and meant: untagged, players guess the matrix from the size and tint small videos.
        coder.colorspace = coder.color_primaries = coder.color_trc = _BT709
        coder.color_range = _LIMITED
        for at, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)
            frame.pts, frame.time_base, frame.duration = at, 1 / Fraction(fps), 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _adopt(video: Path, folder: Path) -> VideoFiles:
    facts = _probe(video)
    if (facts.codec, facts.pix_fmt) != ("h264", "yuv420p"):
        return _encode(np.stack(list(_pictures(video))), Fraction(facts.fps).limit_denominator(1001), folder)
    middle, wanted = facts.frames // 2, set(_spread(facts.frames))
    thumbnail: Picture | None = None
    cells = []
    for at, picture in enumerate(_pictures(video)):
        if at == middle:
            thumbnail = picture
        if at in wanted:
            cells.append(picture)
    if thumbnail is None:
        raise _invalid(video, "it changed while it was read")
    ours = _named(folder, "mp4")
    if facts.faststart:
        ours.write_bytes(video.read_bytes())
    else:
        _move_index(video, ours)
    return _with_pictures(ours, thumbnail, cells, facts.duration, folder)


def _move_index(video: Path, path: Path) -> None:
    import av  # noqa: PLC0415  # as above

    with (
        _encoding_errors(video),
        av.open(str(video)) as old,
        av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as new,
    ):
        source = old.streams.video[0]
        stream = new.add_stream_from_template(source)
        for packet in old.demux(source):
            if packet.dts is not None:  # the empty packet that flushes
                packet.stream = stream
                new.mux(packet)


def _with_pictures(video: Path, thumbnail: Picture, cells: Sequence[Picture], seconds: float, folder: Path) -> VideoFiles:
    from PIL import Image  # noqa: PLC0415  # as PyAV

    still, sheet = _named(folder, "webp"), _named(folder, "jpg")
    Image.fromarray(thumbnail).save(still, "WEBP", quality=80)
    height, width = cells[0].shape[:2]
    shrink = min(1.0, _CELL_SIDE / max(width, height))
    width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    columns = math.ceil(math.sqrt(len(cells)))
    contact = Image.new("RGB", (columns * width, math.ceil(len(cells) / columns) * height))
    for at, cell in enumerate(cells):
        small = Image.fromarray(cell).resize((width, height), Image.Resampling.LANCZOS)
        contact.paste(small, (at % columns * width, at // columns * height))
    contact.save(sheet, "JPEG", quality=85)
    return VideoFiles(video, still, sheet, seconds)


def _preview(video: bytes, kind: PreviewKind) -> bytes:
    import av  # noqa: PLC0415  # as above
    from PIL import Image  # noqa: PLC0415  # as PyAV

    with _encoding_errors("video"), av.open(io.BytesIO(video)) as container:
        stream: Any = container.streams.video[0]
        coder, fps = stream.codec_context, float(stream.average_rate)
        if coder.width * coder.height > _MOST_PIXELS or not 0 < stream.frames <= _MOST_FRAMES:
            raise _invalid("video", f"its {stream.frames} frames are {coder.width}x{coder.height}")
        step = max(1, math.ceil(fps / _PREVIEW_FPS), math.ceil(stream.frames / _PREVIEW_FRAMES))
        shrink = min(1.0, _PREVIEW_SIDE / max(coder.width, coder.height))
        size = max(1, round(coder.width * shrink)), max(1, round(coder.height * shrink))
        shown = [
            Image.fromarray(frame.reformat(*size, format="rgb24", src_colorspace=_BT709, interpolation="AREA").to_ndarray())
            for at, frame in enumerate(container.decode(stream))
            if at % step == 0
        ]
        # What is left of the last one's time, so that the whole is as long as the video.
        times = [round(1000 * min(step, stream.frames - at * step) / fps) for at in range(len(shown))]
    if not shown:
        raise _invalid("video", "it has no frames")
    made, more = io.BytesIO(), {"save_all": True, "append_images": shown[1:], "duration": times, "loop": 0}
    if kind == "webp":
        shown[0].save(made, "WEBP", quality=70, method=2, **more)
    else:
        shown[0].save(made, "GIF", **more)
    return made.getvalue()


def _spread(frames: int) -> list[int]:
    """Frame numbers for the spritesheet, first and last included, evenly apart."""
    count = min(frames, _CELLS)
    return [round(at * (frames - 1) / max(1, count - 1)) for at in range(count)]


def _probe(path: Path) -> Probe:
    import av  # noqa: PLC0415  # as above

    with _encoding_errors(path), av.open(str(path)) as container:
        if not container.streams.video:
            raise _invalid(path, "it has no picture")
        stream: Any = container.streams.video[0]
        coder = stream.codec_context
        if coder.width * coder.height > _MOST_PIXELS:
            raise _invalid(path, f"its frames are {coder.width}x{coder.height}")
        frames = 0
        for _ in container.decode(stream):
            frames += 1
            if frames > _MOST_FRAMES:
                raise _invalid(path, f"it has more than {_MOST_FRAMES} frames")
        if not frames or stream.average_rate is None:
            raise _invalid(path, "it has no frames")
        duration = float(stream.duration * stream.time_base) if stream.duration else frames / float(stream.average_rate)
        return Probe(
            width=coder.width,
            height=coder.height,
            frames=frames,
            fps=float(stream.average_rate),
            codec=coder.name,
            pix_fmt=coder.pix_fmt,
            duration=duration,
            faststart=_index_in_front(path),
        )


def _pictures(path: Path) -> Iterator[Picture]:
    import av  # noqa: PLC0415  # as above

    with _encoding_errors(path), av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _index_in_front(path: Path) -> bool:
    """True if the MP4's `moov` box comes before its `mdat`; False for a file that is not an MP4."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
            if size == 1:
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:
                return False
            file.seek(size - 8, 1)
    return False


@contextmanager
def _encoding_errors(path: Path | str) -> Iterator[None]:
    import av  # noqa: PLC0415  # as above

    try:
        yield
    except (av.FFmpegError, ValueError, EOFError) as error:
        raise _invalid(path, str(error)) from error


def _invalid(path: Path | str, fact: str) -> RenderFailed:
    return RenderFailed(f"{path if isinstance(path, str) else path.name} is not a playable video: {fact}", "invalid_video")


def _named(folder: Path, extension: str) -> Path:
    return folder / f"{secrets.token_hex(8)}.{extension}"
