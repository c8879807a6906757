"""The kinds of texts and numbers in bodies, with their limits."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MOST_TAGS = 16
LONGEST_TAG = 64
LONGEST_USER = 256
LONGEST_URL = 2048
MOST_PAIRS, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512  # of metadata

# Every character that is dropped when nothing else is there: what nobody sees, spaces, closing punctuation. A prompt needs another one.
NOTHING = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f !,.:;?\x85\xa0\u037e\u1680\u2000-\u200a\u2024-\u2026\u2028\u2029\u202f\u203c\u2047-\u2049"
    "\u205f\u3000-\u3002"
    "\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ufe10-\ufe16\ufe19\ufe30\ufe50-\ufe52\ufe54-\ufe57\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\uff61\uff64"
)
NO_NUL = "^[^\\u0000]*$"

VideoId = Annotated[str, Meta(pattern="^video_[0-9a-f]{32}$", examples=["video_0198f0c2a1b47d0e5c3f9a6b2d81e470"])]
ClipId = Annotated[str, Meta(pattern="^clip_[0-9a-f]{32}$", examples=["clip_0198f0c2a1b41f2e3d4c5b6a79880716"])]
Digits = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]{1,9}([.][0-9]{1,20})?$"}, examples=["2"])]
PositiveFloat = Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0}, examples=[1.5])]
Seconds = Annotated[str, Meta(examples=["2", "2.125"])]
SizeText = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9]+x[0-9]+$"}, examples=["128x128"])]
EndUser = Annotated[str, Meta(min_length=1, max_length=LONGEST_USER, extra_json_schema={"pattern": NO_NUL})]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME, extra_json_schema={"pattern": NO_NUL})],
        Annotated[str, Meta(max_length=LONGEST_VALUE, extra_json_schema={"pattern": NO_NUL})],
    ],
    Meta(max_length=MOST_PAIRS),
]
