"""The picture that a video begins with, from what a client sent to the pixels at the asked size. The door to Pillow for pictures.

Nothing that a client says of a picture is believed: its kind is read from its bytes, its size before it is decoded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

from cache.errors import Invalid

if TYPE_CHECKING:
    from PIL.Image import Image

FIELD = "input_reference"
PICTURE_TYPE = "image/png"
MOST_PIXELS = 7680 * 4320
LONGEST_SIDE, SHORTEST_SIDE = 16_384, 16
_KINDS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class InputPicture:
    """A picture at the size of a video. `pixels`: its rows from the top, three bytes a pixel (sRGB as sent, no profile is applied)."""

    width: int
    height: int
    pixels: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of size and pixels: the same in whatever file the picture came."""
        return hashlib.sha256(b"RGB %dx%d " % (self.width, self.height) + self.pixels).hexdigest()

    def packed(self) -> bytes:
        """A PNG of it, without loss. Takes a tenth of a second."""
        from PIL import Image  # noqa: PLC0415  # as below

        packed = BytesIO()
        Image.frombytes("RGB", (self.width, self.height), self.pixels).save(packed, "PNG", compress_level=4)
        return packed.getvalue()


def decoded(sent: bytes, width: int, height: int) -> InputPicture:
    """The picture in `sent` (PNG, JPEG or WebP) at this size: turned as its EXIF data say, on white where it is transparent, scaled to
    cover the size and cut evenly at both ends. Raises Invalid, naming the field, for anything else: also for an animated one, since
    nobody said which of its frames is meant. Blocks; give it a thread.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415  # a gateway that gets no pictures needs no Pillow

    try:
        with Image.open(BytesIO(sent), formats=_KINDS) as image:
            _check(image)
            upright = ImageOps.exif_transpose(image)
            fitted = ImageOps.fit(_opaque(upright), (width, height), Image.Resampling.LANCZOS)
    except Invalid:
        raise
    except Image.DecompressionBombError:
        raise Invalid(FIELD, f"the picture is too large; it may have {MOST_PIXELS:,} pixels in all") from None
    except UnidentifiedImageError:
        raise Invalid(FIELD, "the picture is not a PNG, JPEG or WebP file") from None
    except Exception as error:
        # Pillow's readers raise whatever the broken bytes lead them to.
        raise Invalid(FIELD, f"the picture cannot be read: {type(error).__name__}: {str(error)[:120]}") from None
    return InputPicture(width, height, fitted.tobytes())


def _check(image: Image) -> None:
    """By its header; no pixel is decoded yet."""
    width, height = image.size
    if min(width, height) < SHORTEST_SIDE or max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise Invalid(
            FIELD,
            f"the picture has {width}x{height} pixels; its sides may have {SHORTEST_SIDE} to {LONGEST_SIDE}, and it {MOST_PIXELS:,} in all",
        )
    # A photo that holds its own preview, as many phones write them, has several pictures and one that counts.
    if image.format in {"PNG", "WEBP"} and getattr(image, "is_animated", False):
        raise Invalid(FIELD, "the picture is animated; send the one frame that the video shall begin with")


def _opaque(image: Image) -> Image:
    from PIL import Image as images  # noqa: N813, PLC0415  # the module, as above

    if image.mode.startswith("I"):  # 16 bits
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = images.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")
