"""Sentences of Chinese: who does what to whom (把, 被, and a verb between two nouns), and what comes first (先…再…). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from cache.matching.rules.chinese.segments import Segment, segments
from cache.matching.rules.facts import Fact
from cache.matching.rules.lexicon import listed

_PASSIVE = frozenset({"被", "让", "遭", "遭到"})
_ASPECT = listed("着 了 过 正在 在 到 住 起 正 地 向 给 上 下")
_MUTUAL = re.compile("拥抱|握手|亲吻|聊天|对视|接吻|相|互|一起|击掌|对话|是|有|像|在|坐|站|躺|位于")
_SHOT = re.compile(
    r"(?:镜头|分镜|场景|画面|镜)\s*(?:[一二三四五六]|\d)\s*[:：,，、.]?|第(?:[一二三四五六]|\d)(?:个镜头|幕|镜|个画面)[:：,，、]?"
)
# Each splits the sentence into what comes first and what comes then.
_SEQUENCES = (
    re.compile("先(?!生)(.+?)[，,、；;]?(?:再|然后|接着|随后|最后(?!一)|后)(.+)"),
    re.compile("(.+?)[，,。；;]?(?:然后|接着|随后|紧接着|最后(?!一)|接下来)(.+)"),
    re.compile("(.+?)(?:之后|以后|过后|完后|后)[，,](.+)"),
)
_TURNED = (re.compile("(.+?)(?:之前|以前|前)[，,]先?(.+)"), re.compile("在?(.+?)(?:之前|以前)(?![，,])(.+)"))


def chinese_roles(parts: tuple[Segment, ...]) -> Iterator[Fact]:
    for at, part in enumerate(parts):
        if part.text == "把":
            agent, target, verb = _noun(parts[:at], last=True), _noun(parts[at + 1 :]), _verb(parts[at + 1 :])
        elif part.text in _PASSIVE and part.tag == "p":
            target, agent, verb = _noun(parts[:at], last=True), _noun(parts[at + 1 :]), _verb(parts[at + 1 :])
        elif _is_verb(part) and not _MUTUAL.search(part.text):
            agent, target, verb = _neighbour(parts[:at], left=True), _neighbour(parts[at + 1 :]), part
        else:
            continue
        if agent is not None and target is not None and verb is not None and agent.text != target.text:
            yield Fact("who does it", f"{agent.text}>{target.text}", verb.text, verb.text, f"{agent.text}→{target.text}")


def _is_verb(part: Segment) -> bool:
    """The dictionary takes some verbs with their aspect for particles: "追着"."""
    return (part.tag.startswith("v") and part.tag != "vn") or (len(part.text) > 1 and part.text[-1] in "着了过" and not part.is_noun)


def _noun(parts: tuple[Segment, ...], last: bool = False) -> Segment | None:
    """The nearest noun of this clause; ahead it is the last one of a compound."""
    found = None
    for part in reversed(parts) if last else parts:
        if part.is_mark:
            break
        if part.is_noun:
            found = part
            if last:
                break
        elif found is not None and part.text != "的":
            break
    return found


def _verb(parts: tuple[Segment, ...]) -> Segment | None:
    for part in parts:
        if part.is_mark:
            return None
        if _is_verb(part):
            return part
    return None


def _neighbour(parts: tuple[Segment, ...], left: bool = False) -> Segment | None:
    """The noun right beside a verb, with nothing between but aspect, a number or what describes it."""
    for spot, part in enumerate(reversed(parts) if left else parts):
        if part.is_noun:
            return part
        loose = part.text in _ASPECT or part.tag in {"m", "q", "a", "b", "uj", "uz", "ul", "r", "d"}
        if not loose or spot > 4 or part.is_mark:
            return None
    return None


def chinese_events(text: str) -> Iterator[Fact]:
    """The order of events, as words before ">" and after it."""
    shots = [part for part in _SHOT.split(text) if part.strip(" ，。,.;；")]
    if len(_SHOT.findall(text)) >= 2 and len(shots) >= 2:
        yield from (_order(one, other) for one, other in pairwise(shots))
        return
    for patterns, turned in ((_TURNED, True), (_SEQUENCES, False)):
        for pattern in patterns:
            found = pattern.search(text)
            if found is not None:
                first, then = found.group(1), found.group(2)
                yield _order(then, first) if turned else _order(first, then)
                return


def _order(first: str, then: str) -> Fact:
    return Fact(
        "order",
        ">".join(" ".join(part.text for part in segments(side) if part.is_content) for side in (first, then)),
        words=f"{first[:12]} → {then[:12]}",
    )
