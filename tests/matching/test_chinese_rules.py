"""What a Chinese prompt pins: prompts that differ in one such fact are refused, with the words of both; the same said otherwise is not."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.matching.judge import by_rule
from cache.matching.rules.chinese.facts import numeral_value
from cache.matching.rules.chinese.segments import warm

warm()  # read before anything is timed

COUNTS = ["一", "两", "三", "四", "五", "六", "七", "八", "九", "十"]
THINGS = [("只", "猫"), ("匹", "马"), ("辆", "卡车"), ("位", "老师"), ("个", "苹果"), ("条", "鱼"), ("把", "椅子"), ("艘", "船")]
HUES = ["红色", "蓝色", "绿色", "紫色", "黑色", "白色", "棕色"]
COLOURED = ["裙子", "跑车", "气球", "雨伞", "沙发", "杯子"]


def refused(new: str, cached: str, *words: str) -> None:
    """Both ways round, with these words in the reason: those of the ask first."""
    for one, other, said in ((new, cached, words), (cached, new, words[::-1])):
        reason = by_rule(one, other)
        assert reason is not None, f"{one} / {other}"
        left, _, right = reason.partition(" / ")
        for word, side in zip(said, (left, right), strict=False):
            assert word in side, reason


@given(st.sampled_from(THINGS), st.lists(st.sampled_from(COUNTS), min_size=2, max_size=2, unique=True))
@settings(deadline=None)
def test_counts_with_classifiers(thing: tuple[str, str], counts: list[str]) -> None:
    classifier, noun = thing
    one, other = (f"草地上有{count}{classifier}{noun}，阳光很好" for count in counts)
    refused(one, other, f"{counts[0]}{classifier}", f"{counts[1]}{classifier}")
    assert by_rule(one, one.replace("草地上有", "草地上站着")) is None
    assert by_rule(f"草地上有{noun}", one) is None, "no count is asked for"


def test_things_named_one_by_one_are_counted_together() -> None:
    clip = "竹林中，一名白衣剑客与一名黑衣剑客持剑对决"
    assert by_rule("武侠片，两个剑客对决", clip) is None
    assert by_rule("武侠片，三个剑客对决", clip) == "count of *剑客*: 三个 / 一名"


@given(st.integers(1, 99), st.integers(1, 99))
@settings(deadline=None)
def test_numerals_and_digits_are_one(one: int, other: int) -> None:
    assert numeral_value(_said(one)) == str(one)
    here, there = f"温度计显示{one}度", f"温度计显示{_said(other)}度"
    assert (by_rule(here, there) is None) == (one == other or _said(other) in {"一", "二", "三", "四", "五", "六", "七", "八", "九", "十"})


def _said(count: int) -> str:
    digits = "零一二三四五六七八九"
    tens, ones = divmod(count, 10)
    return (("" if tens == 1 else digits[tens]) + "十" if tens else "") + (digits[ones] if ones or not tens else "")


@given(st.sampled_from(COLOURED), st.lists(st.sampled_from(HUES), min_size=2, max_size=2, unique=True))
@settings(deadline=None)
def test_colours_with_the_thing_that_has_them(noun: str, hues: list[str]) -> None:
    one, other = (f"一件{hue}的{noun}放在窗边" for hue in hues)
    refused(one, other, hues[0], hues[1])
    assert by_rule(f"窗边的{noun}", one) is None
    bare = hues[0].removesuffix("色")
    assert by_rule(f"窗边有{bare}{noun}", one) is None, "with and without 色"


@given(st.sampled_from([("黄鸭子", "蓝气球"), ("红裙子", "白帽子"), ("黑猫", "绿沙发")]))
@settings(deadline=None)
def test_colours_that_changed_places(pair: tuple[str, str]) -> None:
    (a, b) = pair
    assert by_rule(f"{a}旁边有{b}", f"{b[0]}{a[1:]}旁边有{a[0]}{b[1:]}")
    assert by_rule(f"{a}旁边有{b}", f"{b}和{a}") is None


LISTS = [
    ("清晨的湖边，{}", ["深夜的湖边，{}"]),
    ("{}，下雨", ["{}，大雪"]),
    ("春天，{}", ["冬天，{}"]),
    ("{}，镜头缓缓推近", ["{}，镜头拉远", "{}，固定镜头"]),
    ("特写，{}", ["全景，{}"]),
    ("俯拍{}", ["仰拍{}"]),
    ("{}，水彩风格", ["{}，像素风格", "{}，油画风格"]),
    ("竖屏，{}", ["横屏，{}", "{}，16:9"]),
    ("顺时针，{}", ["逆时针，{}"]),
    ("{}，慢动作", ["{}，延时摄影"]),
    ("第一人称视角，{}", ["第三人称视角，{}"]),
    ("上海外滩，{}", ["北京，{}"]),
    ("一位老奶奶，{}", ["一位小男孩，{}"]),
    ("一个男人，{}", ["一个女人，{}"]),
    ("桌上放着一个手提箱，{}", ["桌上放着一个手提包，{}", "桌上放着一个背包，{}"]),
    ("墙边有一块滑雪板，{}", ["墙边有一块滑板，{}"]),
    ("窗前有一张沙发，{}", ["窗前有一张床，{}"]),
    ("台面上有一台烤箱，{}", ["台面上有一台微波炉，{}"]),
    ("盘子上放着一把勺子，{}", ["盘子上放着一把叉子，{}"]),
]


@given(st.sampled_from(LISTS), st.sampled_from(["一条小路", "旗子飘着", "窗帘在动"]))
@settings(deadline=None)
def test_what_stands_in_lists(row: tuple[str, list[str]], scene: str) -> None:
    asked, others = row
    for other in others:
        refused(asked.format(scene), other.format(scene))
    assert by_rule(asked.format(scene), asked.format(scene)) is None
    assert by_rule(scene, asked.format(scene)) is None or "not asked for" in (by_rule(scene, asked.format(scene)) or "")


@given(st.permutations(["狗", "猫", "狐狸", "松鼠", "兔子"]))
@settings(deadline=None)
def test_who_does_it_to_whom(animals: list[str]) -> None:
    one, other = animals[:2]
    assert by_rule(f"{one}追着{other}跑", f"{other}追着{one}跑")
    assert by_rule(f"{one}被{other}追赶", f"{other}被{one}追赶")
    assert by_rule(f"{one}被{other}追赶", f"{other}追赶{one}") is None, "the passive turned round"


@pytest.mark.parametrize(
    ("new", "cached", "word"),
    [
        ("街上没有行人", "街上有行人走过", "行人"),
        ("咖啡里不加糖", "咖啡里加糖", "糖"),
        ("空无一人的车站", "一群人在车站", "空无一人"),
        ("招牌上写着“书店”", "招牌上写着“花店”", "书店"),
        ("跳着《小苹果》", "跳着《最炫民族风》", "小苹果"),
        ("先洗手再吃饭，最后看书写字", "先看书写字再洗手吃饭", "洗手"),
        ("穿着Nike运动鞋跑步", "穿着Adidas运动鞋跑步", "Nike"),
        ("耳机99元", "耳机199元", "99"),
        ("飞船降落在麦田里", "飞船悬停在麦田上空", "降落"),
        ("他举起左手", "他举起右手", "左手"),
        ("女孩跑步，dolly in", "女孩跑步，镜头拉远", "dolly in"),
        ("约翰在船上，玛丽在岸上", "玛丽在船上，约翰在岸上", "约翰"),
    ],
)
def test_other_kinds(new: str, cached: str, word: str) -> None:
    reason = by_rule(new, cached)
    assert reason is not None
    assert word.lower() in reason.lower(), reason
    assert by_rule(new, new + "，光线柔和") is None


SAME = [
    ("三个孩子在踢足球", "3个小孩在踢球"),
    ("空无一人的地铁站", "地铁站里一个人也没有"),
    ("竖屏9:16，女孩在海边", "女孩在海边，竖屏（9：16）"),
    ("一匹棕色的马", "一匹棕马在跑"),
    ("两只橘猫打架", "一对橘色的猫在打架"),
    ("马上出发的火车", "列车马上出发"),
    ("白天的街道", "白天，街道上"),
    ("镜头缓缓推近", "slow push in"),
    ("一只蜗牛", "蜗牛在爬，一只"),
    ("黄昏的海边", "日落时的海边"),
    ("一位老人在公园", "公园里的一位老大爷"),
]


@pytest.mark.parametrize("pair", [pair for one in SAME for pair in permutations(one)])
def test_the_same_in_other_words_is_left_to_the_verifier(pair: tuple[str, str]) -> None:
    assert by_rule(*pair) is None


@given(st.sampled_from([("红色", "red", "blue"), ("蓝色", "blue", "green"), ("白色", "white", "black")]), st.booleans())
@settings(deadline=None)
def test_the_two_languages_meet_in_what_both_name(row: tuple[str, str, str], turned: bool) -> None:
    hue, same, other = row
    chinese, right, wrong = f"一辆{hue}的车在夜里", f"a {same} car at night", f"a {other} car at night"
    assert by_rule(*((right, chinese) if turned else (chinese, right))) is None
    reason = by_rule(*((wrong, chinese) if turned else (chinese, wrong)))
    assert reason is not None and hue in reason and other in reason
    assert by_rule(chinese, f"a {same} car at noon")
