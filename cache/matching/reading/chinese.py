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
    (re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) seconds\b"), r"\1秒"),
)
_FLAGS = {
    "--ar": "画幅比例|宽高比|画幅|比例", "--duration": "时长|秒数", "--fps": "帧率", "--no": "反向提示词|负面提示词|负面词|禁止|不要|负面",
    "--seed": "随机种子|种子", "--quality": "画质|质量", "--version": "版本", "--steps": "步数", "--style": "风格",
}  # fmt: skip
_FLAG = re.compile(rf"(?<![\w-])(?:--|[—–]+)({'|'.join(names for names in _FLAGS.values())})(?=[\s:=])")
_ENGLISH_FLAG = {name: flag for flag, names in _FLAGS.items() for name in names.split("|")}
_LABELS = (
    "主体|主角|人物|角色|场景|动作|地点|环境|背景|镜头|机位|运镜|风格|画风|时间|光线|光影|氛围|画面|内容|要求|提示词"
    "|正向提示词|描述|色调|构图|商品"
)
_LABEL = re.compile(rf"(^|[,。;|\n])\s*(?:【(?:{_LABELS})】\s*:?|(?:{_LABELS})\s*:)\s*")
_MADE = r"(?:短视频|小视频|视频|短片|片子|小片|片段|影片|clip|video)"
_GREETING = re.compile(
    r"^(?:(?:您好|你好|哈喽|嗨|hi|hello|亲们?|求求(?:你们?|您)?了?|拜托(?:你|您)?了?|辛苦(?:了|咯|啦)?|请问|emm+|嗯+|呃+)\s*[,!。~…:]+\s*)+",
    re.IGNORECASE,
)
_ASKED = (
    r"(?:请问|请|麻烦您|麻烦你|麻烦|辛苦您|辛苦你|辛苦|能不能|能否|可不可以|可以|我想要|我想|我要|我|想要|帮忙|please)?\s*" * 3
    + r"(?:帮我|给我|替我|为我|帮忙|帮)?\s*(?:生成|制作|创作|做|拍|来|出|整|弄|make|想要|想看)\s*"
    + r"(?:(?:一|这)?(?:个|段|条|则|版|支|部))?(?:这样)?"
)
_REQUEST = re.compile(rf"^{_ASKED}(?:的)?(?:{_MADE}|画面|动画)[吗呢]?(?:[:,]|\s)\s*(?:内容(?:就)?(?:是|为)?:?|要求:?)?\s*", re.IGNORECASE)
# "make me a film of X": X alone, up to the mark that ends its part of the sentence.
_WRAPPED = re.compile(rf"^{_ASKED}(?![的,。!?:;\s])([^,。!?:;]{{2,}}?)\s*的\s*{_MADE}(?=[,。!?;~]|$)", re.IGNORECASE)
_THANKS = re.compile(
    r"(?:[,。!~\s]*(?:(?:非常|十分|万分)?(?:谢谢(?:你|您|啦|了)?|多谢|感谢)|拜托(?:你|您)?了?|辛苦(?:你|您)?了?|麻烦(?:你|您)?了)"
    r"|[,。!~\s]+(?:thx|thanks|asap))[。!~\s]*$",
    re.IGNORECASE,
)
# What a list of negatives says of how well a picture is made; everybody wants it so, and nothing of it is seen.
_FLAW = re.compile(
    r"(?:模糊|低清|低画质|低质量|低分辨率|画质差|噪点|水印|字幕|logo|签名|低质|最差质量|畸形(?:的)?(?:手|手指|肢体|脸)?|多余(?:的)?(?:手指|肢体|手)|(?:手|手指|肢体|脸|五官)(?:变形|畸形|扭曲|崩坏)|变形|崩坏|穿模|闪烁|失真)",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(r"(?:^|[,。;\s])\s*(?:反向|负面|负向|反面)(?:提示词|提示|词)?\s*:\s*([^。;\n]+)[。;]?")
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
    form = _FLAG.sub(lambda found: _ENGLISH_FLAG[found[1]], form)
    form = _NEGATIVE.sub(_without_flaws, form).lstrip(",") or form
    form = unmarked(spoken(as_sentences(form)))
    for pattern, said in _TOLD:
        form = pattern.sub(said, form)
    form = _LABEL.sub(lambda found: ("," if found[1] else "") + " ", form)
    form = _asked_for(form) or form
    return simplified(_untagged(form)).strip()


def _asked_for(text: str) -> str:
    """Without greetings, politeness and "make a film of"."""
    rest = _GREETING.sub("", _THANKS.sub("", text))
    return _WRAPPED.sub(r"\1", _REQUEST.sub("", rest))


def _without_flaws(found: re.Match[str]) -> str:
    """A list of negatives as things not to be shown, without those that only ask for a picture well made."""
    parts = (part.strip() for part in re.split(r"[,、]", found[1]))
    said = "".join(f",不要{part}" for part in parts if part and not _FLAW.fullmatch(part))
    return said if found.end() == len(found.string) else f"{said}。"


def _untagged(text: str) -> str:
    """Without parts between commas that only praise the picture; as it is where nothing else would be left."""
    pieces = _PART.split(text)
    parts = zip(pieces[::2], [*pieces[1::2], ""], strict=True)
    kept = [(part, mark) for part, mark in parts if not (_QUALITY.fullmatch(part.strip("。 ")) or is_tag(part))]
    if not kept or len(kept) == len(pieces[::2]):
        return text
    return "".join(part + mark for part, mark in kept).rstrip(",、; ")
