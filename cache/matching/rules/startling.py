"""Startling subjects, in English and Chinese: monsters, dinosaurs, clowns and others that nobody would overlook. Pure.

An ask has one by its own name, by a wider word for it, or by a setting that one may expect it in: clowns in a circus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cache.matching.rules.lexicon import ACTORS

_FANCIFUL = (
    "surreal|fantas|dream|sci-?fi|science fiction|magic|fairy|imagin|legend|myth|video game|cosplay|costume|halloween|theme park|toy"
    "|comic|movie scene"
    "|graffiti|mural|painting|art\\b|tattoo|museum|exhibit|statue|sculpture|涂鸦|壁画|雕|博物馆|展"
    "|奇幻|魔幻|科幻|梦|童话|神话|超现实|幻想|传说|游戏|万圣|玩具|妖|异世界"
)  # asks that everything may be expected in


@dataclass(frozen=True)
class _Startling:
    """`shown`: its names in both languages; `implied`: beginnings of what stands for it in an ask; `human`: "a man" may be one."""

    shown: re.Pattern[str]
    implied: re.Pattern[str]
    human: bool = False


def _startling(english: str, chinese: str, implied: str, human: bool = False) -> _Startling:
    # A Chinese character ends a word of Latin letters: ASCII.
    shown = rf"\b(?:{english})(?![a-z])|{chinese}"
    return _Startling(re.compile(shown, re.ASCII), re.compile(rf"{shown}|(?<![a-z])(?:{implied}|{_FANCIFUL})"), human)


_SUBJECTS = {
    "visitor from space": _startling(
        "ufos?|flying saucers?|alien (?:space ?)?(?:ships?|crafts?|invasion)|motherships?|aliens?|extraterrestrials?|martians?",
        "飞碟|ufo|外星人|外星(?:飞船|生物|怪)|不明飞行物",
        r"space|alien|saucer|galax|extraterrest|abduct|mars\b|martian|planet|invasion|crop circle|astronaut|cosm|yoda|jedi|star wars"
        r"|avatar|grogu|mandalorian|area 51"
        "|太空|宇宙|外星|星球|飞船|入侵|火星|麦田怪圈|宇航|航天",
    ),
    "dinosaur": _startling(
        "dinosaurs?|t-?rex|[a-z]{4,}saur(?:us|uses|s)?|(?:veloci)?raptors|velociraptor|triceratops|diplodocus|pterodactyls?",
        "恐龙|[霸暴]王?龙|剑龙|三角龙|翼龙|迅猛龙|腕龙|梁龙|甲龙",
        r"dino|jurassic|prehistoric|cretaceous|triassic|mesozoic|fossil|raptor|saur|reptile|creature|beast|animals?\b|monster|museum"
        "|侏罗|白垩|史前|远古|化石|动物|爬行|怪兽|巨兽|生物|博物馆",
    ),
    "dragon": _startling(
        r"(?<!komodo )(?<!bearded )(?<!snap)dragons?(?![’']s? ?breath|[- ]?(?:fl(?:y|ies)|fruits?|boats?|danc\w*|trees?))|wyverns?",
        "巨龙|飞龙|火龙(?!果)|喷火的?龙|恶龙|神龙|金龙(?!鱼)|[一两三]条(?:[黑红绿蓝金白青]色?的?)?龙(?!舟|船)",
        "dragon|wyvern|creature|beast|monster|medieval|knight|龙|怪兽|巨兽|生物|骑士",
    ),
    "robot": _startling(
        "robots?(?! arm)|humanoid robots?|androids?|mechas?|cyborgs?|terminators?|giant mechs?",
        r"机器人|机甲|变形金刚|高达(?!\d|[一二三四五六七八九十百数几])|机械(?:恐龙|巨兽|巨人|怪兽|战士|狗|龙)",
        r"robot|android|mech|cyborg|futur|cyber|tech|automat|laborator|machine|ai\b|artificial|factory|warehouse|assembly|wall-e"
        r"|gundam|transformer"
        "|机器|机械|机甲|未来|赛博|科技|工厂|智能|变形金刚|高达|车间|自动|实验室|ai(?![a-z])|仓库|流水线",
    ),
    "clown": _startling(
        "clowns?(?! ?fish)|harlequins?|jesters?",
        "小丑(?!鱼)",
        r"clown|circus|carnival|jester|joker|pierrot|fun ?fair|fair\b|birthday|part(?:y|ies)\b|parade|perform|entertain|juggl|acrobat"
        r"|festival|mime"
        "|马戏|嘉年华|杂技|杂耍|游乐|派对|生日|游行|狂欢|表演|演员|艺人|庙会|节",
        human=True,
    ),
    "monster": _startling(
        "monsters?(?! ?(?:truck|energy|wave|plant|lea))|zombies?|undead|ghouls?|vampires?|werewol(?:f|ves)|demons?|devils?"
        "|poltergeists?|goblins?|ogres?|krakens?|godzilla|king kong"
        r"|kaijus?|grim reapers?|(?:living|walking|dancing) skeletons?|sea serpents?|skeletons (?:danc|walk|march|rid|ris)\w+|(?:egyptian )?mumm(?:y|ies) (?:walk|ris|com|stagger)\w+"
        r"|bigfoots?|yetis?",
        "僵尸|丧尸|恶鬼|女鬼|吸血鬼|木乃伊|狼人|怪兽|怪物|恶魔|魔鬼|哥斯拉|巨兽|妖怪|骷髅(?:人|兵|怪)|死神|食人魔",
        r"zombie|horror|haunt|undead|apocalyp|nightmare|spooky|scary|creepy|eerie|monster|ghost|demon|devil|hell\b|gothic|vampire"
        r"|creature|mummy|egypt|tomb|skelet"
        "|witch|kaiju|godzilla|grave|cemetery|beast|folklore|day of the dead|dracula|kong|terrif|infect|dinosaur|titan"
        "|鬼|魔|怪|恐怖|惊悚|骷髅|尸|兽|哥斯拉|末日|地狱|异形|西游|墓|恐龙",
        human=True,
    ),
    "figure in costume": _startling(
        "super-?hero(?:es)?|supervillains?|spider-?man|batman|superman|iron man|ninjas?|darth vader|storm ?troopers?|santa claus"
        "|gladiators?|(?:giant |huge )?mascots?",
        "超级英雄|蜘蛛侠|蝙蝠侠|钢铁侠|奥特曼|忍者|圣诞老人|角斗士|吉祥物|孙悟空",
        r"hero|villain|spider|batman|superman|iron|marvel|dc\b|avenger|ninja|japan|martial|star wars|vader|trooper|christmas|santa"
        r"|winter holiday|gladiat|rome|roman|colosseum"
        "|arena|mascot|stadium|parade|costum|character|figure|英雄|侠|奥特曼|忍者|圣诞|角斗|吉祥物|西游|悟空|漫威|卡通|角色|武|日本"
        "|罗马|游行",
        human=True,
    ),
    "fabulous animal": _startling(
        "unicorns?|griffins?|gryphons?|mermaids?|centaurs?|minotaurs?|pegasus|phoenix(?:es)?(?! (?:arizona|city))|krakens?",
        "独角兽|美人鱼|狮鹫|半人马|凤凰(?!古城|岭|山|木|传奇)|飞马",
        r"unicorn|griffin|gryphon|mermaid|centaur|minotaur|pegasus|phoenix|greek|siren|creature|horse|bird\b|兽|人鱼|凤|神|希腊|生物|马|鸟",
    ),
    "disaster": _startling(
        "explosions?(?! of)|explod(?:es?|ed|ing)(?! (?:with|into|in) (?:colou?rs?|flavou?rs?|light|laughter|joy|a (?:burst|cloud) of))"
        "|tsunamis?|mushroom clouds?"
        r"|(?:meteors?|meteorites?|asteroids?) (?:crash|hit|strik|fall|slam|smash)\w*|tornado(?:e?s)?|volcan(?:o|ic) erupt\w+"
        r"|earthquakes?|plane crash(?:es)?|sinkholes?",
        "爆炸|海啸|蘑菇云|陨石|龙卷风|火山(?:爆发|喷发)|地震|坠机|天坑",
        r"explo|blast|bomb|tsunami|tidal|nuclear|meteor|asteroid|tornad|storm|hurrican|twister|volcan|erupt|earthquake|crash|disaster"
        r"|apocalyp|war\b|battle|action|firework"
        "|chemi|experiment|demoli|destr|space|爆|炸|海啸|核|陨石|流星|风暴|龙卷|火山|地震|坠|灾|末日|战|动作|烟花|实验|毁|特效|天文|宇宙",
    ),
}  # fmt: skip
_HUGE = re.compile(
    r"\b(?:giant|gigantic|colossal|monstrous|enormous) (?:[a-z]+ ){0,1}(spider|octopus|squid|snake|ape|gorilla|ant|insect|lizard"
    r"|crocodile|shark|cat|dog|duck|foot|hand|eye"
    r"|tentacle|baby|worm|rat|chicken|frog|crab|scorpion|beetle|eyeball|teddy bear)s?(?![a-z])"
    r"|(?:巨型|巨大的?|庞大的?)[^，。；、]{0,2}?(蜘蛛|章鱼|乌贼|蛇|猩猩|蚂蚁|昆虫|蜥蜴|鳄鱼|鲨鱼|猫|狗|鸭|手掌|眼睛|触手|婴儿|老鼠|鸡"
    r"|青蛙|螃蟹|蝎子|甲虫)|(巨人)(?!队|般)",
    re.ASCII,
)
_ASKED_HUGE = re.compile(
    rf"giant|gigantic|colossal|monst|enormous|huge|titan|gulliver|kong|godzilla|kaiju|macro|close-?up|巨|庞|怪|特写|微距|{_FANCIFUL}"
)
# What comes out of nowhere, a subject that was not there before: "a cat on a fence suddenly jumps" is the same cat.
_SUDDEN = re.compile(
    r"(?<![a-z])(?:suddenly|all of a sudden|out of nowhere|abruptly),? (?:there (?:is|are) )?(?:an?|two|three|four|dozens of|hundreds of|a swarm of|some) "
    r"(?:[a-z-]+ ){0,3}?([a-z]+)(?= (?:[a-z]+s|appear|com\w*|burst|jump|run|fly|crash)\b)"
    r"|(?<![a-z])an? (?:[a-z-]+ ){0,2}?([a-z]+) (?:suddenly|abruptly) (?:appears|bursts|crashes|jumps|leaps|smashes|charges|flies|shoots|comes|runs)"
    r"|(?:突然|忽然|冷不防)(?:有)?(?:[从自][^，。；、]{1,6})?(?:冲出|跳出|窜出|蹿出|冒出|钻出|闯入|闯进来?|冲进来?|跑进来?|飞进来?|飞来|出现|伸出|掉下)(?:了)?[一几两]?[只个头条辆群架]?([^，。；、]{1,6})"
)
# A likeness in the scene, a comparison, what is said not to be there, or what was named before: "Yoda, the green alien".
_BEFORE = re.compile(
    r"(?:(?<![a-z])(?:no|not|without|never|avoid|like|as if|as though|toys?|plush|stuffed|statues? of|posters? of|prints? of"
    r"|paintings? of|drawings? of|pictures? of|murals? of"
    r"|shaped like|figurines? of|shape of|dressed (?:up )?as|graffiti of|tattoos? of|murals? (?:of|showing)|images? of|reading about"
    r"|stor(?:y|ies) (?:of|about))(?:[ ,]+[a-z'-]+){0,3} *|(?<![a-z])(?:the|this|that) (?:[a-z-]+ ){0,3}|(?:像|如|似|仿佛|犹如|无|没有"
    r"|不要|扮成|打扮成|装扮成|画着|印着|玩具|毛绒|卡通|手机里|电视里|屏幕里)[^，。；,;]{0,5})$"
)  # fmt: skip
_AFTER = re.compile(
    r"(?:[- ]?(?:like|shaped|themed|toys?|plush\w*|statues?|figurines?|figures?|sculptures?|posters?|prints?|costumes?|shirts?"
    r"|t-shirts?|tank tops?|tees?|caps?|socks|backpacks?|stickers?|tattoos?|murals?|balloons?|kites?|masks?"
    r"|pattern\w*|lamps?|cookies?|books?|models?|pyjamas|pajamas|hoodies?|paintings?|drawings?|skeletons?|bones|fossils?|keychains?"
    r"|vacuums?|mugs?|logos?|slides?|cakes?|floats?)(?![a-z])"
    r"|般|一样|似的|形|状|玩具|玩偶|公仔|雕像|雕塑|图案|模型|造型|气球|风筝|海报|贴纸|面具|t恤|服|手办|积木|骨架|化石|摆件|挂件|灯|蛋糕"
    r"|饼干|书)"
)  # fmt: skip
_SOMEBODY = re.compile(
    rf"(?<![a-z])(?:{'|'.join(sorted(ACTORS))}|person|people|someone|somebody|couple|family|friends?|kids?|crowd|group|players?"
    rf"|dancers?|actors?|characters?|figures?|he|she)(?![a-z])"
    "|[人男女孩者员手师她他们民客生兵童友众]"
)  # fmt: skip
_SUDDENLY = re.compile(r"sudden|abrupt|surpris|out of nowhere|startl|jump ?scare|appear|prank|突然|忽然|惊|意外|出现|吓")


def startling(new: str, cached: str) -> Iterator[str]:
    """The reasons why a clip of `cached` shows a subject that `new` neither names nor leads anybody to expect; each in either language."""
    new = new.lower()
    for match in _SUDDEN.finditer(cached.lower()):
        subject = next(part for part in match.groups() if part)
        if subject not in new and not _SUDDENLY.search(new):
            yield f"one more subject: not asked for / {subject}"
    shown = _startling_in(cached)
    if not shown:
        return
    for kind, words in shown:
        if kind == "giant":
            if not _ASKED_HUGE.search(new) and words.removesuffix("s") not in new:
                yield f"one more subject: not asked for / {words}"
            continue
        subject = _SUBJECTS[kind]
        if subject.implied.search(new) is None and not (subject.human and _may_be_who_is_asked_for(subject, new, cached)):
            yield f"one more subject: not asked for / {words}"


def _may_be_who_is_asked_for(subject: _Startling, new: str, cached: str) -> bool:
    """True if the ask names somebody, and the clip shows nobody else: "a man walks" is a clown that walks."""
    return _SOMEBODY.search(new) is not None and _SOMEBODY.search(subject.shown.sub(" ", cached.lower())) is None


@lru_cache(maxsize=32_768)
def _startling_in(text: str) -> tuple[tuple[str, str], ...]:
    """Kinds with their words. Most prompts have none: one look spares them the many."""
    text = text.lower()
    found = []
    if _ANY.search(text) is not None:
        for kind, subject in _SUBJECTS.items():
            seen = next((match for match in subject.shown.finditer(text) if not is_likeness(text, match.start(), match.end())), None)
            if seen is not None:
                found.append((kind, seen.group()))
    huge = next((match for match in _HUGE.finditer(text) if not is_likeness(text, match.start(), match.end())), None)
    if huge is not None:
        found.append(("giant", next(part for part in huge.groups() if part)))
    return tuple(found)


def is_likeness(text: str, start: int, end: int) -> bool:
    """True if what stands there in lower case is a toy, a poster, a comparison, is denied, or was named before."""
    return _BEFORE.search(text[max(0, start - 60) : start]) is not None or _AFTER.match(text[end:]) is not None


_ANY = re.compile("|".join(f"(?:{subject.shown.pattern})" for subject in _SUBJECTS.values()), re.ASCII)
