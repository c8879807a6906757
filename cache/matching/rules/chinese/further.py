"""Further main subjects in Chinese: an animal, a vehicle, somebody by trade, in a clause after all that was asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.matching.rules.chinese.facts import read_chinese
from cache.matching.rules.chinese.lexicon import CLASSIFIERS
from cache.matching.rules.facts import Slots

_LONG = 60  # characters of a clip's prompt from which on it tells of much that is not its subject
_FURTHER = re.compile(
    "[，。；,;](?:突然|忽然|这时|此时|同时|而|接着)?(?:[他她它]的?)?(?:身旁|身边|身后|旁边|一旁|背后|面前|脚边|头顶)?"
    "(?:站着|坐着|跟着|趴着|蹲着|还有|有|出现了?|跑来|冲出|走来|飞来|闯进)?"
    rf"(?:[一两三四五几数]|一大)[{CLASSIFIERS}群队]([^，。；,;]{{1,12}})"
)
# Wider words, and places where one is expected.
_WIDER = {
    "animal": re.compile("动物|宠物|鸟|兽|虫|牲畜|家禽|牧|农场|草原"),
    "vehicle": re.compile("车|船|飞|交通|路|街|港|站|场"),
    "profession": re.compile("人|员|者|家|师|工|客|队"),
    "fabulous creature": re.compile("兽|怪|神|鬼|魔|仙|妖|龙"),
}

_STILL = re.compile("[靠停放摆倒锁]")  # a vehicle that stands about is a detail


def further_subject(new: Slots, cached: Slots) -> Iterator[str]:
    """The reasons why a clip has one more subject than was asked for. None is sure where the ask is told in other words."""
    if len(cached.plain) >= _LONG or not new.content:
        return
    for found in _FURTHER.finditer(cached.plain):
        before = cached.plain[: found.start()]
        if not all(word in before or word[-1] in before for word in new.content):
            continue
        clause = read_chinese(found.group(1))
        for slot, wider in _WIDER.items():
            if (slot == "vehicle" and _STILL.search(found.group(1))) or wider.search(new.plain):
                continue
            # Chinese compounds end in what they are: who asks for a fish may get a shark.
            named = next((fact for fact in clause.of(slot) if fact.value not in new.values(slot) and fact.words[-1] not in new.plain), None)
            if named is not None:
                yield f"one more subject: not asked for / {named.words}"
