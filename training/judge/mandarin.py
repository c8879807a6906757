"""Chinese sentences said otherwise, or with one thing exchanged: by lists of words of which one is not the other."""

from __future__ import annotations

import random
import re

# Of one list each is another thing. Words of one "/" mean the same.
_LISTS = """红色/大红色|蓝色|绿色|黄色|橙色/橘色/橘黄色|紫色|粉色/粉红色|黑色|白色/雪白|棕色/褐色|灰色|金色|银色
红的|蓝的|绿的|黄的|紫的|黑的|白的
一只|两只|三只|四只|五只|六只
一个|两个/2个|三个/3个|四个|五个|十个
一名|两名|三名|四名
一位|两位|三位|四位
一辆|两辆|三辆
一条|两条|三条
一匹|两匹|三匹
一群人|一个人|两个人/两人|三个人/三人
男人/男子/男士|女人/女子/女士
男孩/小男孩|女孩/小女孩/小姑娘
老人/老年人|年轻人/青年|小孩/孩子/儿童
老奶奶/老太太|老爷爷/老大爷
爸爸/父亲|妈妈/母亲
狗/小狗|猫/小猫/猫咪|兔子|羊|牛|猪|猴子
马|驴|骆驼|大象|长颈鹿|斑马
鸭子|鹅|鸡|鸽子|海鸥|老鹰|鹦鹉|企鹅
老虎|狮子|豹子|熊|狼|狐狸
海豚|鲨鱼|鲸鱼|海龟|章鱼
苹果|香蕉|橙子|草莓|西瓜|葡萄|桃子|梨
蛋糕|面包|披萨|汉堡|三明治|饺子|面条|米饭
咖啡|茶|牛奶|果汁|啤酒|红酒|可乐
吉他|钢琴|小提琴|鼓|笛子|二胡|古筝|琵琶
足球|篮球|网球|乒乓球|排球|羽毛球|棒球|高尔夫球
汽车/小汽车/轿车|公交车/公共汽车|卡车|自行车/单车|摩托车|火车|飞机|船|地铁
帽子|围巾|眼镜|手套|口罩|头盔|墨镜/太阳镜
裙子|裤子|衬衫|外套/大衣|毛衣|T恤|西装|旗袍|汉服
早晨/清晨/早上|中午/正午|傍晚/黄昏|深夜/夜里/夜晚
日出|日落
春天|夏天|秋天|冬天
下雨/雨中|下雪/雪中|晴天|大雾/浓雾|刮风
厨房|卧室|客厅|浴室|办公室|教室|餐厅|阳台
海边/海滩/沙滩|森林/树林|沙漠|草原|山顶|湖边|河边|街道/街上|公园
左边/左侧|右边/右侧
向左|向右
上方|下方
上楼|下楼
前面/前方|后面/后方/背后
里面|外面
走进|走出
推近/推进|拉远|左摇|右摇|环绕
俯拍/俯视|仰拍/仰视|平视
特写|全景/远景|中景
慢动作|延时摄影|快进
顺时针|逆时针
打开|关上|砸碎
推着|拉着
坐着/坐在|站着/站在|躺着/躺在|跪在|趴在
走路/步行|跑步/奔跑|跳跃|游泳|骑车|爬山
笑着/微笑|哭着/哭泣|生气/愤怒|惊讶
唱歌|跳舞|看书/读书|画画|写字|打电话|拍照|睡觉|吃饭|做饭
切|煮|炸|烤
穿上|脱下
拿起|放下
举起|放下
戴着|没戴
有|没有
正在追|正在躲
新的/崭新的|旧的/破旧的
大的|小的
干净的|脏的
空的|满的
木制/木头|金属|玻璃|塑料|石头
油画|水彩画|素描|动漫/动画|像素风|水墨画|3D渲染|黑白
快速/飞快地|缓慢/慢慢地
之前|之后
先|后
开始|结束
第一|第二|最后
半杯|满杯|一整杯"""
_SAME = """正在|在;男子|男人|男士;女子|女人|女士;小孩|孩子|小朋友;自行车|单车;小狗|狗狗;猫咪|小猫;奔跑|跑;沙滩|海滩;黄昏|傍晚;清晨|早晨|早上;
夜晚|夜里|晚上;汽车|轿车|小汽车;微笑|笑着;街道|马路|街上;草地|草坪;旁边|边上|一旁;手里|手中|手上;森林|树林;戴着|戴了;穿着|身穿|身着;
一个|一位|一名;母亲|妈妈;父亲|爸爸;缓缓|慢慢|缓慢地;飞快地|快速地|迅速;高楼|摩天大楼|高层建筑;天空中|天上|空中;房子|房屋;注视|看着|望着;
拍摄|拍;特写|特写镜头|近距离特写;俯拍|俯视镜头|从上往下拍;慢动作|慢镜头;年轻|年青;宝宝|婴儿|小宝贝;手机|电话;红色|红;蓝色|蓝;白色|白;黑色|黑;黄色|黄;绿色|绿"""
_ORDERED = re.compile('然后|接着|再|先|最后|之后|随后|于是|“|「|"')


def _lists() -> list[list[list[str]]]:
    return [[words.split("/") for words in line.split("|")] for line in _LISTS.split("\n")]


class Mandarin:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._other: dict[str, list[tuple[list[list[str]], list[str]]]] = {}
        for words in _lists():
            for alike in words:
                for word in alike:
                    self._other.setdefault(word, []).append((words, alike))
        longest = sorted(self._other, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest)))
        self._same = [group.strip().split("|") for group in _SAME.replace("\n", "").split(";")]

    def edited(self, text: str) -> str | None:
        """One word for another of its list, or two of one list exchanged."""
        rng = self._rng
        found = [
            match
            for match in self._any.finditer(text)
            if not (len(match.group()) == 1 and text[match.start() - 1 : match.start()] in "没所具只享拥")
        ]
        if not found:
            return None
        match = rng.choice(found)
        words, alike = rng.choice(self._other[match.group()])
        if rng.random() < 0.35:
            for second in found:
                if second.start() >= match.end() and second.group() not in alike and any(second.group() in one for one in words):
                    middle = text[match.end() : second.start()]
                    return text[: match.start()] + second.group() + middle + match.group() + text[second.end() :]
        other = rng.choice(rng.choice([one for one in words if one is not alike]))
        return text[: match.start()] + other + text[match.end() :]

    def same(self, text: str, times: int) -> str:
        for _ in range(times):
            text = self._said(text) or text
        return text

    def _said(self, text: str) -> str | None:
        rng = self._rng
        draw = rng.random()
        if draw < 0.5:
            groups = [(group, word) for group in self._same for word in group if len(word) > 1 and word in text]
            if not groups:
                return None
            group, word = rng.choice(groups)
            other = rng.choice(group)
            if other in {"一位", "一名"} and not re.search("一个(?=.{0,6}(?:人|男|女|孩|老|生|师|员))", text):
                return None
            if len(other) == 1 and other in "红蓝白黑黄绿" and f"{word}的" not in text:
                return None
            return text.replace(word, other, 1)
        if draw < 0.7:
            return text.replace("，", rng.choice([",", " ", ", ", "、"]) if rng.random() < 0.5 else "，").rstrip("。")
        if draw < 0.85:
            parts = [part for part in re.split("[，,]", text.rstrip("。")) if part.strip()]
            if len(parts) < 3 or _ORDERED.search(text):
                return None
            tail = parts[1:]
            rng.shuffle(tail)
            return "，".join([parts[0], *tail])
        return rng.choice(["画面中，", "视频里，", "镜头下，"]) + text if not text.startswith(("画面", "视频", "镜头")) else None

    def less(self, text: str) -> str | None:
        """Without one of its later parts."""
        parts = [part for part in re.split("[，,]", text.rstrip("。")) if part.strip()]
        if len(parts) < 2 or len(parts[0]) < 5 or re.search("没|不|无|别", text):
            return None
        del parts[self._rng.randrange(1, len(parts))]
        return "，".join(parts)
