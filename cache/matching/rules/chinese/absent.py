"""Things absent: asked for in Chinese, and not shown at all by the clip's prompt in Chinese or English: somebody, a fruit. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.matching.rules.bindings import only_hue
from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import ACTORS
from cache.prompt import is_chinese

_PERSON = re.compile(r"^(?:[一有]个|一位|一名|几个|一群|两个)(?:男|女)?人")
# Whoever does something in an English prompt: named, by trade, or by what only people do.
_SOMEBODY = re.compile(
    rf"\b(?:{'|'.join(ACTORS)}|person|people|persons|someone|somebody|human|figure|couple|crowd|group|team|family|friends?|he|she|his|her|they|their|hands?"
    r"|(?!(?:floor|door|flower|paper|river|tower|under|over|corner|counter|colou?r|silver|center|computer|motor|water|mirror|winter)s?\b)"
    r"\w{2,}(?:er|or|ist|ian|ant|eur|man|woman|boy|girl)s?|\w+ing)\b"
)
# In a Chinese one it takes a character to name somebody.
_SOMEBODY_THERE = re.compile(
    "[人男女孩者员手师她他们民客家生兵童婴友队众爷奶爸妈叔姨哥姐弟妹夫妻儿娃星王帅僧侠汉士长工农匠裁警君]|某|谁|自拍|模特|新娘|新郎|仙|神|魔|僵尸"
    "|^(?:给|将|把|用|正在)"  # somebody whom the sentence leaves out
)
_FRUIT = frozenset(["橙子", "橘子"])


def absent(new: Slots, cached: Slots) -> Iterator[str]:
    """`new` is in Chinese; `cached` may be in either language."""
    chinese = is_chinese(cached.plain)
    fruit = new.values("fruit") & _FRUIT
    hue_only = not cached.values("fruit") and "果" not in cached.plain if chinese else only_hue(cached)
    if fruit and hue_only and not cached.plain.count("橙子") + cached.plain.count("橘子"):
        yield f"another thing: {min(fruit)} / not said"
    # "a rusty bicycle" shows nobody who rides it.
    who = _PERSON.search(new.plain)
    if who is not None and (_SOMEBODY_THERE if chinese else _SOMEBODY).search(cached.plain) is None:
        yield f"who is seen: {who.group()} / not said"
