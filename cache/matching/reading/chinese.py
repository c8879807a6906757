"""A Chinese prompt in one form: simplified characters, one width, no weights, labels or politeness. The door to OpenCC. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import opencc

from cache.matching.reading.filler import is_tag
from cache.matching.reading.flags import spoken
from cache.matching.reading.markup import unmarked
from cache.matching.reading.pictures import named_in_chinese
from cache.matching.reading.structure import as_sentences

_HAN = re.compile("[\u3400-\u9fff]")
_OTHER = re.compile("[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff]")  # kana, Korean, Cyrillic
# What English readers of structure and flags say, in Chinese.
_TOLD = (
    (re.compile(r"\bno (?=[\u3400-\u9fff])"), "不要"),
    (re.compile(r"\baspect ratio "), "画幅"),
    (re.compile(r"\bShot (\d+): "), r"镜头\1:"),
)
_LABELS = (
    "主体|主角|人物|角色|场景|动作|地点|环境|背景|镜头|机位|运镜|风格|画风|时间|光线|光影|氛围|画面|内容|要求|提示词"
    "|正向提示词|描述|色调|构图|商品"
)
_LABEL = re.compile(rf"(^|[,。;|\n])\s*(?:【(?:{_LABELS})】\s*:?|(?:{_LABELS})\s*:)\s*")
_MADE = r"(?:短视频|小视频|视频|短片|片子|小片|片段|画面|动画|影片)"
_REQUEST = re.compile(
    r"^(?:您好|你好|哈喽|嗨|hi|hello)?[,!。~]*\s*(?:请问|请|麻烦您|麻烦你|麻烦|能不能|能否|可不可以|可以|我想要|我想|我要|想要|帮忙){0,3}(?:帮我|给我|替我|为我|帮忙)?"
    rf"(?:生成|制作|创作|做|拍|来|出|整|弄)(?:一|这)?(?:个|段|条|则|版|支|部)?(?:这样)?(?:的)?{_MADE}(?:[:,]|\s)\s*(?:内容(?:是|为)?:?|要求:?)?\s*"
)
_THANKS = re.compile(r"[,。!\s]*(?:谢谢(?:你|您|啦|了)?|多谢|感谢|拜托了?|辛苦了?)[。!~\s]*$")
_PART = re.compile(r"\s*([,、;])\s*")
_QUALITY = re.compile(
    r"(?:超?高清(?:画质)?|超清|蓝光画质|[48]k(?:画质|高清|超清|分辨率)?|(?:最佳|最高|顶级|极致|高|超高)(?:画质|质量|品质)|画质(?:最佳|清晰|超清)|杰作|大师(?:级)?作品|"
    r"(?:细节|细腻度)(?:丰富|拉满|清晰)|(?:超多|丰富|极致|超高|高)细节|超精细|高分辨率|1080p|hdr|大片质感|电影感|电影质感|电影级(?:画质|质感)?|高级感)+",
    re.IGNORECASE,
)  # fmt: skip


@lru_cache(maxsize=1)
def converters() -> tuple[opencc.OpenCC, opencc.OpenCC]:
    """Characters alone; characters and the words that Taiwan says otherwise. 0.04 s and 6 MB at the first use: whoever loads the encoder
    calls it in that thread.
    """
    return opencc.OpenCC("t2s"), opencc.OpenCC("tw2sp")


def reads_as_chinese(text: str) -> bool:
    """True if `text` has Chinese characters and no letters of Japanese, Korean or Cyrillic."""
    return _HAN.search(text) is not None and _OTHER.search(text) is None


def simplified(text: str) -> str:
    """Traditional characters as simplified ones; words of Taiwan ("計程車") as those of the mainland, where the text is traditional."""
    characters, words = converters()
    form = characters.convert(text)
    return text if form == text else characters.convert(words.convert(text))


def plain_chinese(text: str) -> str:
    """One round of reading. Quotations are out of it: what a sign says stays as it was written."""
    form = unicodedata.normalize("NFKC", text)
    form = named_in_chinese(form)
    form = unmarked(spoken(as_sentences(form)))
    for pattern, said in _TOLD:
        form = pattern.sub(said, form)
    form = _LABEL.sub(lambda found: ("," if found[1] else "") + " ", form)
    form = _THANKS.sub("", _REQUEST.sub("", form)) or form
    return simplified(_untagged(form)).strip()


def _untagged(text: str) -> str:
    """Without parts between commas that only praise the picture; as it is where nothing else would be left."""
    pieces = _PART.split(text)
    parts = zip(pieces[::2], [*pieces[1::2], ""], strict=True)
    kept = [(part, mark) for part, mark in parts if not (_QUALITY.fullmatch(part.strip("。 ")) or is_tag(part))]
    if not kept or len(kept) == len(pieces[::2]):
        return text
    return "".join(part + mark for part, mark in kept).rstrip(",、; ")
