"""The facts that a Chinese prompt pins, in the slots of English where it has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.reading.wording import as_read
from cache.matching.rules import lexicon as english
from cache.matching.rules.chinese import lexicon
from cache.matching.rules.chinese.exclusive import EXCLUSIVE, OPPOSITES
from cache.matching.rules.chinese.segments import Segment, segments
from cache.matching.rules.chinese.sentences import chinese_events, chinese_roles
from cache.matching.rules.facts import Fact, Slots
from cache.prompt import normal_form

_SIDES = {axis: {word: str(side) for side, words in enumerate(ends) for word in words.split()} for axis, ends in OPPOSITES.items()}
LISTS = {
    "time of day": lexicon.TIMES,
    "weather": lexicon.WEATHER,
    "season": lexicon.SEASONS,
    "style": lexicon.STYLES,
    **EXCLUSIVE,
}
# Words that end in one of a list and are none of it.
_OTHERS = english.listed("蜗牛 海马 木马 斗牛 吹牛 人马 兵马 热狗 海狗 海豹 海狮 海象 雪茄 雪糕 雪碧 太阳花 火车头 牛仔 斑马线 虎牙 猫眼")
_WORDS: dict[str, dict[str, list[tuple[str, str]]]] = {}  # first character -> word -> (slot, value)
for _slot, _table in (*LISTS.items(), *_SIDES.items()):
    for _word, _value in _table.items():
        _WORDS.setdefault(_word[0], {}).setdefault(_word, []).append((_slot, _value))
for _word in _OTHERS:
    _WORDS.setdefault(_word[0], {}).setdefault(_word, [])
_LONGEST_FIRST = {first: sorted(words.items(), key=lambda row: -len(row[0])) for first, words in _WORDS.items()}

_BY_LENGTH = sorted(lexicon.HUES, key=len, reverse=True)
_HUE = re.compile(rf"(?:({'|'.join(_BY_LENGTH)})色|[{lexicon.SHADES}]?({'|'.join(hue for hue in _BY_LENGTH if len(hue) > 1)})色?)")
_NUMERAL = r"\d+|[零一二两三四五六七八九十百千]+"
_COUNTED = re.compile(rf"(?<!第)(?<![\d:：.])({_NUMERAL})([{lexicon.CLASSIFIERS}对]|(?=人(?![形造工类生民才称体])))|(俩|仨)")
_NUMBER = re.compile(
    r"(第?)(?!一人称|三人称|一视角|三视角)(\d+(?:[.:：]\d+)*|[零一二两三四五六七八九十百千]{2,}|(?<=第)[一二三四五六七八九])(?![kKpP])"
)
_SHOT_NUMBER = re.compile(r"(?:镜头|分镜|场景|画面|镜)\s*$")
_TIMES_OVER = re.compile(r"^(?:帧|fps|[kKpP]|mm|年代)")
_SHOWN = re.compile(r"“([^”]+)”|\"([^\"]+)\"|「([^」]+)」|『([^』]+)』|‘([^’]+)’|《([^》]+)》")
_WRITTEN = re.compile(
    r"(?:写着|印着|刻着|写有|印有|刻有|字幕[:：]|标题[:：]|文案[:：]|文字[:：])\s*((?!字|的)[^的，。；,;：“”\"「」『』‘’《》]{1,12})(?=$|[，。；,;、])"
)
_SOUND = re.compile(r"\s*(?:地|的?一声|的一下|作响|响)")  # "咔"的一声 is heard, not seen
_CAMERA = {
    slot: [(value, re.compile(pattern)) for value, pattern in rows.items()] for slot, rows in lexicon.CAMERA.items()
}  # fmt: skip
_ENGLISH_CAMERA = {
    slot: [(value, re.compile(rf"\b(?:{pattern})", re.ASCII)) for value, pattern in rows] for slot, rows in english.CAMERA.items()
}
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9'&+-]*")
_NOBODY = re.compile("空无一人|无人(?![机驾])|没有人|没人|一个人也没有|一个人都没有|不见人影")
_SIDE = re.compile("([左右])(手|腿|臂|脚|眼|耳|肩|边|侧|上角|下角|前方|后方|半边|半)")
_AGED = re.compile("(?:年迈|老年|年老|白发苍苍|满头白发|白发|上了?年纪|年长|白胡子|[六七八九]十(?:多|来)?岁|老)的?$")
_SCENE = english.listed("镜头 画面 背景 时候 样子 声音 地方 东西 感觉 表情 动作")


@lru_cache(maxsize=16_384)
def read_chinese(text: str) -> Slots:
    """Numbers and Latin letters in one width, traditional characters as simplified ones."""
    form = normal_form(as_read(text))
    shown = _shown(form)
    plain = _SHOWN.sub(lambda found: "，" * len(found.group()), form)  # what is to be shown as text is no fact of the scene
    parts = segments(plain)
    facts = [Fact("text shown", words, words=words) for words in shown]
    facts += _counts(plain, parts)
    facts += _numbers(plain)
    facts += _hues(plain, parts)
    facts += _listed(plain, parts)
    facts += _camera(plain)
    facts += [Fact("side", found.group(), found.group(2), found.group(), found.group()) for found in _SIDE.finditer(plain)]
    facts += _actors(parts)
    facts += _negations(plain, parts)
    facts += _names(plain, parts)
    facts += chinese_roles(parts)
    facts += chinese_events(plain)
    content = tuple(part.text for part in parts if part.is_content)
    return Slots(tuple(facts), content, frozenset(part.text for part in parts if not part.is_mark), plain, False, form)


def _shown(text: str) -> tuple[str, ...]:
    quoted = [
        next(part for part in found.groups() if part).strip() for found in _SHOWN.finditer(text) if not _SOUND.match(text[found.end() :])
    ]
    return tuple(quoted + [said.strip() for said in _WRITTEN.findall(text) if said.strip()])


def numeral_value(numeral: str) -> str:
    """ "三十五" is 35; digits stay as they are. One after the other they are a year or a code."""
    if not any(char in lexicon.UNITS or char in lexicon.DIGITS for char in numeral):
        return numeral
    if not any(char in lexicon.UNITS for char in numeral):
        return "".join(str(lexicon.DIGITS[char]) for char in numeral)
    whole, digit = 0, 0
    for char in numeral:
        if char in lexicon.UNITS:
            whole, digit = whole + max(digit, 1) * lexicon.UNITS[char], 0
        else:
            digit = lexicon.DIGITS.get(char, 0)
    return str(whole + digit)


def thing(noun: str) -> str:
    """The one name of a thing: a puppy is a dog."""
    for at in range(len(noun)):
        for slot, value in _WORDS.get(noun[at], {}).get(noun[at:], []):
            if slot in EXCLUSIVE:
                return value
        if noun[at:] in lexicon.ACTORS:
            return "/".join(lexicon.ACTORS[noun[at:]])
    return noun.removesuffix("们").removesuffix("子") or noun


def same_thing(one: str, other: str) -> bool:
    """Chinese compounds end in what they are: an orange cat is a cat."""
    return bool(one and other) and (one == other or one.endswith(other) or other.endswith(one))


def noun_after_segment(parts: tuple[Segment, ...], end: int) -> Segment | None:
    """The thing that a number or colour which ends at `end` binds to."""
    across = next((part for part in parts if part.at < end < part.end), None)
    if across is not None:  # "一匹马" is one word of the dictionary
        return Segment(across.text[end - across.at :], "n", end)
    ahead = [part for part in parts if part.at >= end][:9]
    verb = False
    for at, part in enumerate(ahead):
        owns = any(near.text == "的" for near in ahead[at:])
        if (part.is_mark and part.text not in {"、", "-"}) or (part.tag.startswith("v") and at > 0 and not owns):
            return None
        verb |= part.tag.startswith("v")
        if part.is_noun and not part.text.endswith("色") and part.text not in lexicon.HUES:
            later = ahead[at + 1] if at + 1 < len(ahead) else None
            if later is None or not (later.is_noun or later.text == "的"):  # else the first of a compound, or what the thing has
                return None if verb and not any(near.text == "的" for near in ahead[:at]) else part
    return None


def _noun_before(parts: tuple[Segment, ...], at: int) -> Segment | None:
    """ "球是红色的": the thing lies to the left."""
    before = [part for part in parts if part.end <= at][-3:]
    if before and before[-1].text in {"是", "为", "呈", "成", "变成", "染成", "涂成"}:
        return next((part for part in reversed(before[:-1]) if part.is_noun), None)
    return None


def _counts(text: str, parts: tuple[Segment, ...]) -> Iterator[Fact]:
    for found in _COUNTED.finditer(text):
        value = {"俩": "2", "仨": "3"}.get(found.group(3) or "") or numeral_value(found.group(1))
        noun = noun_after_segment(parts, found.end())
        if (found.group(2) or "") in {"对", "双"}:
            if noun is None or noun.text in lexicon.WORN_IN_PAIRS or any(noun.text.endswith(worn) for worn in lexicon.WORN_IN_PAIRS):
                continue
            value = str(2 * int(value)) if value.isdigit() else value
        if noun is None or (found.group(3) and not text.startswith(noun.text, found.end())):
            continue
        yield Fact("count", value, thing(noun.text), noun.text, found.group())


def _numbers(text: str) -> Iterator[Fact]:
    """Prices, degrees, dates, scores, the second episode; no number of a shot, nor of pixels and frames."""
    text = re.sub(r"(?<=\d)比(?=\d)", ":", text)
    counted = {found.start(1) for found in _COUNTED.finditer(text)}
    for found in _NUMBER.finditer(text):
        if found.start(2) in counted or _SHOT_NUMBER.search(text[: found.start()]) or _TIMES_OVER.match(text[found.end() :]):
            continue
        yield Fact("number", numeral_value(found.group(2).replace("：", ":")), words=found.group())


def _hues(text: str, parts: tuple[Segment, ...]) -> Iterator[Fact]:
    told = set[int]()
    for found in _HUE.finditer(text):
        hue = found.group(1) or found.group(2)
        told.update(range(found.start(), found.end()))
        yield _hue(hue, found.group(), found.start(), found.end(), parts)
    for at, part in enumerate(parts):
        if part.at in told or part.text in lexicon.UNTINTED or part.text[:1] not in lexicon.HUES:
            continue
        hue, rest = part.text[:1], part.text[1:]
        if rest in lexicon.TINTED and rest:
            yield Fact("colour", lexicon.HUES[hue], thing(rest), rest, part.text)
        elif not rest and at + 1 < len(parts) and parts[at + 1].at == part.end:
            if parts[at + 1].text in lexicon.TINTED or (
                hue in lexicon.PLAIN_HUES and parts[at + 1].is_noun and hue + parts[at + 1].text not in lexicon.UNTINTED
            ):
                yield Fact("colour", lexicon.HUES[hue], thing(parts[at + 1].text), parts[at + 1].text, hue + parts[at + 1].text)
            elif parts[at + 1].text == "的":
                yield _hue(hue, hue, part.at, part.end, parts)


def _hue(hue: str, words: str, start: int, end: int, parts: tuple[Segment, ...]) -> Fact:
    noun = _noun_before(parts, start) or noun_after_segment(parts, end)
    return Fact("colour", lexicon.HUES[hue], thing(noun.text) if noun else "", noun.text if noun else "", words)


def _listed(text: str, parts: tuple[Segment, ...]) -> Iterator[Fact]:
    """Words of closed lists, the longest at each place; they end where a word of the sentence ends, or are parts of another."""
    ends = {part.end for part in parts}
    at, seen = 0, set()
    while at < len(text):
        step = 1
        for word, meanings in _LONGEST_FIRST.get(text[at], ()):
            if text.startswith(word, at) and at + len(word) in ends:
                step = len(word)
                for slot, value in meanings:
                    if (slot, value) not in seen:
                        seen.add((slot, value))
                        yield Fact(slot, value, words=word)
                break
        at += step


def _camera(text: str) -> Iterator[Fact]:
    """In Chinese, or in the jargon of English that Chinese prompts use."""
    for patterns in (_CAMERA, _ENGLISH_CAMERA):
        for slot, rows in patterns.items():
            for value, pattern in rows:
                found = pattern.search(text)
                if found is not None:
                    yield Fact(slot, value, words=found.group())


def _actors(parts: tuple[Segment, ...]) -> Iterator[Fact]:
    for at, part in enumerate(parts):
        word = next((part.text[start:] for start in range(len(part.text)) if part.text[start:] in lexicon.ACTORS), None)
        if word is None:
            continue
        gender, age = lexicon.ACTORS[word]
        if parts[at + 1 : at + 2] and parts[at + 1].is_noun and parts[at + 1].text[:1] in "床房车椅装鞋服":
            continue  # a pram is no baby
        before = "".join(near.text for near in parts[max(0, at - 4) : at]) + part.text[: -len(word)]
        if _AGED.search(before) and age == "adult":
            age = "old"
        elif age in {"adult", "child"} and word in lexicon.OPEN_AGE:
            age = "young"
        yield Fact("actor", f"{gender}/{age}", words=word)


def _negations(text: str, parts: tuple[Segment, ...]) -> Iterator[Fact]:
    nobody = _NOBODY.search(text)
    if nobody is not None:
        yield Fact("negation", "no", "人", "人", nobody.group())
    for at, part in enumerate(parts):
        if part.text not in lexicon.NEGATIONS or (nobody is not None and nobody.start() <= part.at < nobody.end()):
            continue
        near = []
        for next_ in parts[at + 1 : at + 5]:
            if next_.is_mark:
                break
            near.append(next_)
        about = next((one for one in near if one.is_noun), next((one for one in near if one.is_content), None))
        if about is not None and about.text not in _SCENE:
            yield Fact("negation", "no", thing(about.text), about.text, part.text)


def _names(text: str, parts: tuple[Segment, ...]) -> Iterator[Fact]:
    """Names in Latin letters; those in Chinese characters stand in the lists."""
    bare = text
    for rows in _ENGLISH_CAMERA.values():
        for _, pattern in rows:
            bare = pattern.sub(" ", bare)
    for word in _LATIN.findall(bare):
        if word.lower() not in lexicon.JARGON and len(word) > 1:
            yield Fact("name", word.lower(), words=word)


def two_by_one(noun: str, plain: str) -> str:
    """The count "2" where a thing is named one by one, "一名白衣剑客与一名黑衣剑客"; empty elsewhere."""
    return "2" if re.search(rf"{re.escape(noun)}(?:与|和|跟|同|、|,)另?一", plain) else ""
