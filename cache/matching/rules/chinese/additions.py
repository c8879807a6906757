"""Loud additions in Chinese: what a clip shows beyond what was asked and nobody would overlook. Pure."""

from __future__ import annotations

import re

_LOUD = {
    "writing": "字幕|水印|弹幕|台标|角标|红标|片头字|片尾字|标题字|大字标题|倒计时|滚动文字|logo|live标",
    "gore": "血腥|鲜血|血泊|尸体|断肢",
    "nudity": "裸体|全裸|赤身裸体|赤裸(?!着?上身|的?(?:双?脚|上身|上半身|肩|手臂|胳膊|后背))",
    "reversed time": "倒放|倒带|时光倒流",
    "frozen time": "画面定格|定格(?:在|于|成|画面)|时间静止|画面静止|子弹时间",
    "slowed or sped time": "慢动作|升格|慢镜头|快进|延时摄影|倍速",
    "effect": "九宫格|分屏|画中画|万花筒|故障效果|爆炸特效|表情包",
    "style": "动漫|二次元|卡通|赛博朋克|蒸汽波|像素风|像素画|水墨|黏土|粘土|油画|水彩|素描(?!课|本|纸|[，。；]|$)|剪纸"
    "|皮影|立体派|抽象派|印象派|超现实主义|浮世绘|乐高|定格动画"
    "|吉卜力|皮克斯|黑白电影|黑白影像|毕加索|梵高|莫奈|达利|蒸汽朋克|[^，。；,;的]{1,4}主义(?:风格|画风)|VHS|vhs",
    "weapon": "坦克|机枪|步枪|手枪|炸弹|爆炸|手榴弹|导弹|火箭弹",
}
# A plain word in the ask stands for all of a kind.
_ASKED = {
    "writing": "字|写|标题|文案|logo|水印|弹幕|倒计时|招牌|横幅|屏幕上",
    "gore": "血|尸|杀|战|僵尸|恐怖",
    "nudity": "裸|浴|洗澡",
    "reversed time": "倒|逆|反向|reverse|backward",
    "frozen time": "定格|静止|停|stop|freeze",
    "slowed or sped time": "慢|快|延时|速|slow|lapse|hyper",
    "effect": "特效|效果|分屏|宫格|爆炸|表情|split|对比|小窗",
    "weapon": "枪|炮|弹|战|军|士兵|坦克|炸|警|打斗|武器|火箭|烟花|特效",
    "style": "黏土|粘土|毛毡|羊毛毡|偶|bit|pixel|vhs|style|anime|毕加索|梵高|莫奈|颜料|风格|画风|画|动画|动漫|风|手绘|插画|卡通|次元|绘",
}
_PATTERNS = {kind: re.compile(words, re.IGNORECASE) for kind, words in _LOUD.items()}
_SAID = {kind: re.compile(words, re.IGNORECASE) for kind, words in _ASKED.items()}
_DENIED = re.compile("(?:无|没有|不要|不带|不含|不加|去掉|去除|禁止|避免|别)[^，。；,;]{0,6}$")
_PICTURED = re.compile("^(?:画(?!风|面|质)|作品|笔|颜料|人偶|玩具|积木|手办)")  # a thing in the scene, not how the scene is drawn


def additions_chinese(new: str, cached: str) -> str | None:
    """The reason why a clip made for `cached` shows more than `new` may be answered with, or None."""
    for kind, pattern in _PATTERNS.items():
        for found in pattern.finditer(cached):
            if _DENIED.search(cached[: found.start()]) or (kind == "style" and _PICTURED.match(cached[found.end() :])):
                continue
            if found.group().lower() not in new.lower() and _SAID[kind].search(new) is None:
                return f"{kind}: not asked for / {found.group()}"
    return None
