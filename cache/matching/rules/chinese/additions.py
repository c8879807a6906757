"""Loud additions where Chinese is in either prompt: what a clip shows beyond what was asked and nobody would overlook. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.rules.additions import asked_in_english, loud_in_english
from cache.matching.rules.facts import Slots
from cache.matching.rules.startling import startling
from cache.prompt import is_chinese

_LETTERS = "大字|艺术字|金字|白字|文字|字样|标语|标题|价格|贴纸|标签|广告语|口号|红字"
_LOUD = {
    "writing": "字幕|水印|弹幕|台标|角标|红标|片头字|片尾字|标题字|大字标题|倒计时|滚动文字|logo|live标|弹窗"
    "|二维码|对话框|气泡框|花字|满屏[^，。；]{0,6}字|大字[“「]|(?:画面|屏幕(?!上的)|镜头前|全屏|正中|右下角|左上角|右上角|左下角)"
    f"[^，。；]{{0,12}}(?:{_LETTERS})|(?:弹出|打出|浮现出?|跳出|飘过|滚动着?|闪烁着?|叠加|闪过)[^，。；]{{0,10}}(?:{_LETTERS}|表情)"
    f"|(?:{_LETTERS})[^，。；]{{0,6}}(?:闪烁|滚动|弹出|弹跳|飘过|浮现|铺满|占满|覆盖)"
    "|(?:弹出|打出|浮现出?|跳出|飘过|滚动着?|闪烁着?)[^，。；]{0,6}[“「]"
    "|“[^”]{1,20}”(?:的)?(?:标志|标识|字样|大字|标语|字幕|角标)|限时[^，。；]{0,3}折|抢购|秒杀|立减|包邮|促销(?:字|标签|贴纸|文案|信息)",
    "gore": "血腥|鲜血|血泊|血淋淋|血肉|血浆|血污|沾血|染血|滴血|吐血|喷血|[浑满全]身(?:都|沾满|沾|是|带)?是?血|满[脸手头嘴]是?血"
    "|沾满[^，。；]{0,2}血|[带流][着]?血(?!缘|型|管|液|色)|尸体|尸块|遗体|断肢|残肢|断臂|断手|断头"
    "|肢解|砍下|斩首|头颅|首级|(?:一颗|颗|的)人头(?!攒动|马)|开膛|内脏|肠子|上吊",
    "nudity": "裸体|全裸|赤身裸体|赤裸(?!着?上身|的?(?:双?脚|上身|上半身|肩|手臂|胳膊|后背))",
    "reversed time": "倒放|倒带|时光倒流|倒着(?:播|放)|倒播|(?:反向|逆向|倒退)播放",
    "frozen time": "画面定格|定格(?:在|于|成|画面)|时间静止|画面静止|子弹时间",
    "slowed or sped time": "慢动作|升格|慢镜头|快进|延时摄影|倍速",
    "effect": "九宫格|分屏|画中画|万花筒|爆炸特效|表情包",
    "treatment": "故障(?:效果|艺术|风|特效|画面)|画面[^，。；]{0,4}(?:撕裂|扭曲|失真|花屏|错位)|画面(?:剧烈|疯狂)(?:抖动|闪烁|晃动)"
    "|乱码|雪花屏|花屏|打(?:了|上)?马赛克|荧光色块|热成像|夜视(?:仪|镜头|画面|效果)?|红外线?(?:成像|画面|镜头|效果)|X光"
    "|负片|反色|信号干扰|像素化|数据损坏|(?:全片|整片|整个画面|整段视频|整个视频)[^，。；]{0,4}(?:做成|变成|处理成|转成|渲染成|套上)"
    "|默片|(?:老|旧)(?:电影|胶片|录像)(?:效果|滤镜|质感|风格)|满是(?:刮痕|划痕|噪点)|(?:黑白|复古|怀旧|漫画|胶片|美颜)[^，。；]{0,3}(?:滤镜|特效)",
    "style": "动漫|二次元|卡通|赛博朋克|蒸汽波|像素风|像素画|水墨|黏土|粘土|油画|水彩|素描(?!课|本|纸|[，。；]|$)|剪纸"
    "|皮影|立体派|抽象派|印象派|超现实主义|浮世绘|乐高|定格动画"
    "|吉卜力|皮克斯|黑白电影|黑白影像|毕加索|梵高|莫奈|达利|蒸汽朋克|[^，。；,;的]{1,4}主义(?:风格|画风)|VHS|vhs",
    "weapon": "坦克|机枪|步枪|手枪|炸弹|爆炸|手榴弹|导弹|火箭弹|大炮|装甲车|冲锋枪|机关枪|开炮|炮火|轰炸",
}
# A plain word in the ask stands for all of a kind.
_ASKED = {
    "writing": "“|(?<!十)字(?!人)|(?<![特速描抒])写(?!实|真|意)|标题|文案|logo|水印|弹幕|倒计时|招牌|横幅|屏幕上"
    "|贴纸|促销|打折|优惠|价|弹窗|二维码|秒杀|气泡|标语"
    r"|text|caption|title|word|logo|letter|sale\b|price",
    "gore": "血|尸|杀|战|僵尸|丧尸|恐怖|砍|死|手术|伤|头颅|blood|gore|kill|wound",
    "nudity": "裸|浴|洗澡",
    "reversed time": "倒|逆|反向|reverse|backward",
    "frozen time": "定格|静止|停|stop|freeze",
    "slowed or sped time": "慢|快(?![递餐门板乐艇件要])|延时|速(?![写食冻溶])|slow|lapse|hyper",
    "effect": "特效|效果|分屏|宫格|爆炸|表情|split|对比|小窗",
    "treatment": "故障|特效|效果|乱码|成像|夜视|红外|X光|负片|反色|马赛克|干扰|像素|黑客|赛博"
    "|默片|老电影|复古|怀旧|滤镜|胶片|录像|glitch|撕裂|扭曲|损坏|全片|整个画面",
    "weapon": "枪|炮|弹|战|军|士兵|坦克|炸|警|打斗|武器|火箭|烟花|特效|gun|tank|explo",
    "fire": "火|燃|烧|爆|焰|炸|fire|burn",
    "style": "艺术|像素|折纸|剪纸|渲染|浮雕|乐高|积木|赛博|朋克|主义"
    "|bit|pixel|vhs|style|anime|cyber|punk|pixar|ghibli|lego|cartoon|watercolou?r|ukiyo|ink wash|claymation"
    "|黏土|粘土|毛毡|羊毛毡|偶|毕加索|梵高|莫奈|颜料|风格|画风|画|动画|动漫|风|手绘|插画|卡通|次元|绘",
}
_PATTERNS = {kind: re.compile(words, re.IGNORECASE) for kind, words in _LOUD.items()}
_SAID = {kind: re.compile(words, re.IGNORECASE) for kind, words in _ASKED.items()}
_DENIED = re.compile("(?:无|没有|不要|不带|不含|不加|去掉|去除|禁止|避免|别)[^，。；,;]{0,6}$")
_PICTURED = re.compile("^(?:画(?!风|面|质)|作品|笔|颜料|人偶|玩具|积木|手办)")  # a thing in the scene, not how the scene is drawn


def additions_chinese(new: str, cached: str) -> str | None:
    """The reason why a clip made for `cached` shows more than `new` may be answered with, or None; both are in Chinese."""
    return next(_additions(new, cached), None)


def additions_between(new: Slots, cached: Slots) -> Iterator[str]:
    """The same, as reasons, for one prompt in Chinese and one in English."""
    yield from _additions(new.written, cached.written)


def _additions(new: str, cached: str) -> Iterator[str]:
    asked = asked_in_chinese if is_chinese(new) else asked_in_english
    for kind, words in (loud_in_chinese if is_chinese(cached) else loud_in_english)(cached):
        if words.lower() not in new.lower() and not asked(kind, new):
            yield f"{kind}: not asked for / {words}"
    yield from startling(new, cached)


def asked_in_chinese(kind: str, text: str) -> bool:
    """True if the ask has what is loud in this way, or a plain word that stands for it."""
    return any(patterns[kind].search(text) is not None for patterns in (_SAID, _PATTERNS) if kind in patterns)


@lru_cache(maxsize=32_768)
def loud_in_chinese(text: str) -> tuple[tuple[str, str], ...]:
    """The kinds of what is loud in a clip's prompt, each with its words."""
    found = []
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            if not _DENIED.search(text[: match.start()]) and not (kind == "style" and _PICTURED.match(text[match.end() :])):
                found.append((kind, match.group()))
                break
    return tuple(found)
