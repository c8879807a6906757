"""Prompts that are lists of tags, as people type them: the same list in another order, another subject under the same style."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from training.judge.rewrite import Rewriter
from training.judge.swapping import Swapping

# What says nothing of the picture. A medium, an artist, a light does: these are none.
QUALITY = """highly detailed|very detailed|ultra detailed|extremely detailed|intricate details|8k|4k|hd|uhd|8 k|4 k|high quality|best quality|
masterpiece|award winning|award-winning|trending on artstation|artstation|artstation hq|sharp focus|high resolution|hi-res|hyper detailed|
super detailed|trending on pixiv|featured on artstation|insanely detailed|hq|top quality|detailed|very high detail""".replace(
    "\n", ""
).split("|")
_QUALITY = frozenset(QUALITY)
CHINESE_QUALITY = ["高清", "8K", "4K", "超清", "画质极佳", "最佳画质", "细节丰富", "大师作品", "杰作", "高质量", "超高清", "画面精美"]
_MEDIA = """oil painting|watercolor painting|pencil sketch|anime|pixel art|3d render|black and white photo|claymation|comic book|charcoal drawing|
stained glass|ukiyo-e|low poly|film photo|mosaic|paper cutout|ink drawing|graffiti|embroidery|ice sculpture""".replace("\n", "").split("|")
_ASKING = [
    "a video of ",
    "video: ",
    "prompt: ",
    "create a video of ",
    "please make a video of ",
    "generate a clip of ",
    "i want a video of ",
    "can you make ",
    "scene: ",
    "make me ",
]
_ASKING_CHINESE = ["视频：", "提示词：", "请生成一段视频：", "帮我做一个视频，", "生成：", "画面：", "我想要一个视频，"]


LONG = 25  # words


class Tags:
    def __init__(self, rewriter: Rewriter, lists: Sequence[str], near: Sequence[tuple[str, str]], rng: random.Random) -> None:
        """`lists`: prompts of commas. `near`: pairs of prompts that an encoder finds alike and that show other things."""
        self._rewriter, self._rng, self._near = rewriter, rng, near
        self._lists = [(head, tail) for head, tail in map(parted, lists) if len(tail) >= 2]
        self._long = [parted(text) for text in lists if len(text.split()) >= LONG] or self._lists

    def drawn(self) -> tuple[str, str, int, str] | None:
        rng = self._rng
        head, tail = rng.choice(self._lists)
        other, others = rng.choice(self._lists)
        draw = rng.random()
        whole = ", ".join([head, *tail])
        if draw < 0.24:
            said = self._rewriter.same(head, rng.randint(0, 1))
            return self._told(said, tail), whole if rng.random() < 0.5 else self._told(head, tail), 1, "tags_same"
        if draw < 0.36:
            kept = [tag for tag in tail if rng.random() < rng.choice([0.0, 0.4, 0.8])]
            return self._told(self._rewriter.same(head, rng.randint(0, 1)), kept), whole, 1, "tags_less"
        if draw < 0.66:
            # The same style tail under another subject.
            if not apart(other, whole):
                return None
            shared = [tag for tag in tail if rng.random() < 0.85]
            new = self._told(other, shared + ([rng.choice(others)] if rng.random() < 0.2 else []))
            return (new, whole, 0, "tags_other") if rng.random() < 0.5 else (whole, new, 0, "tags_other")
        if draw < 0.80 and self._near:
            new, cached = rng.choice(self._near)
            return new, cached, 0, "tags_near"
        if draw < 0.92:
            edited = self._rewriter.edited(head)
            if edited is None or edited[0] in {"adjective", "object", "setting", "adverb", "negation"}:
                return None
            return self._told(edited[1], tail), self._told(head, tail), 0, "tags_edited"
        if draw < 0.96:
            return (self._told(other, []), whole, 0, "tags_head") if apart(other, whole) else None
        medium = rng.choice(_MEDIA)
        if medium.split()[0] in whole.lower():
            return None
        return self._told(head, [medium, *tail]), whole, 0, "tags_medium"

    def one(self, swapping: Swapping) -> tuple[str, str, int, str] | None:
        """A long list, and the same one told otherwise: with one thing in it that is another, or with all as they were."""
        rng = self._rng
        head, tail = rng.choice(self._long)
        said = [head, *tail]
        draw = rng.random()
        if draw < 0.6:
            shown = [at for at, tag in enumerate(said) if tag.lower() not in _QUALITY and not tag.lower().startswith("by ")]
            at = 0 if rng.random() < 0.35 or not shown else rng.choice(shown)
            other = swapping.exchanged(said[at])
            if other is None:
                return None
            said[at] = other
            pair = self._told(said[0], said[1:]), self._told(head, tail)
            return *(pair if rng.random() < 0.5 else pair[::-1]), 0, "tags_one"
        if draw < 0.85:
            said[0] = self._rewriter.same(head, rng.randint(0, 1))
            return self._told(said[0], said[1:]), self._told(head, tail), 1, "tags_all"
        kept = [tag for tag in tail if rng.random() < 0.8]
        if rng.random() < 0.5:
            return self._told(head, kept), self._told(head, tail), 1, "tags_fewer"
        other, others = rng.choice(self._lists)
        added = rng.choice([other, *others])
        if not apart(added, ", ".join(said), 1):
            return None
        return self._told(head, [*tail, added]), self._told(head, tail), 0, "tags_added"

    def _told(self, head: str, tail: Sequence[str]) -> str:
        rng = self._rng
        tail = [tag for tag in tail if tag.lower() not in _QUALITY or rng.random() < 0.6]
        if rng.random() < 0.6:
            rng.shuffle(tail)
        for _ in range(rng.choice([0, 0, 1, 2])):
            tail.insert(rng.randint(0, len(tail)), rng.choice(QUALITY))
        said = [head, *tail]
        if rng.random() < 0.1:
            rng.shuffle(said)
        if rng.random() < 0.08:
            at = rng.randrange(len(said))
            said[at] = f"({said[at]}:1.{rng.randint(1, 5)})"
        return ", ".join(said)


def parted(prompt: str) -> tuple[str, list[str]]:
    """A list of tags parted into what is shown and the style that follows."""
    parts = [part.strip() for part in prompt.split(",") if part.strip()]
    first = 1 if parts and len(parts[0].split()) >= 3 else 2
    return ", ".join(parts[:first]), parts[first:]


_WORD = re.compile(r"[a-z]{3,}")
_EMPTY = frozenset(
    [
        "the",
        "and",
        "with",
        "for",
        "from",
        "his",
        "her",
        "its",
        "very",
        "highly",
        "detailed",
        "art",
        "style",
        "painting",
        "portrait",
        "photo",
        "image",
        "digital",
        "concept",
        "beautiful",
        "realistic",
        "render",
    ]
)


def apart(new: str, cached: str, words: int = 2) -> bool:
    """True if `new` names so many things that `cached` does not name that no clip of it will do."""
    there = {word[:5] for word in _WORD.findall(cached.lower())}
    return len({word[:5] for word in _WORD.findall(new.lower()) if word not in _EMPTY} - there) >= words


def mistyped(text: str, rng: random.Random) -> str:
    """One longer word with two letters exchanged, one left out or one twice."""
    found = list(re.finditer(r"[a-z]{5,}", text))
    if not found:
        return text
    match = rng.choice(found)
    word, at = match.group(), rng.randrange(1, len(match.group()) - 2)
    draw = rng.random()
    if draw < 0.4:
        word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif draw < 0.7:
        word = word[:at] + word[at + 1 :]
    else:
        word = word[:at] + word[at] + word[at:]
    return text[: match.start()] + word + text[match.end() :]


def dressed(text: str, rng: random.Random) -> str:
    """The same ask with words around it that say nothing of the picture."""
    chinese = any("\u4e00" <= char <= "\u9fff" for char in text)
    draw = rng.random()
    if draw < 0.3 and not chinese:
        return mistyped(text, rng)
    if draw < 0.5:
        return rng.choice(_ASKING_CHINESE if chinese else _ASKING) + text
    quality = CHINESE_QUALITY if chinese else QUALITY
    added = rng.sample(quality, rng.randint(1, 3))
    comma = "，" if chinese else ", "
    if draw < 0.8:
        return text.rstrip(".。 ") + comma + comma.join(added)
    return comma.join(added) + comma + text
