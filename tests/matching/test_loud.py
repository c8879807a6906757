"""Loud additions: what nobody asked for and nobody would overlook, in English, in Chinese and between the two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.matching.judge import by_rule

# A thing that startles in both languages, and an ask in both that leads one to expect it.
STARTLING = [
    ("a flying saucer", "一架飞碟", "an alien invasion over the hills", "外星人入侵小镇"),
    ("a huge triceratops", "一头三角龙", "a river valley in the Jurassic", "侏罗纪的河谷"),
    ("a fire-breathing dragon", "一条喷火的巨龙", "a castle in a fantasy kingdom", "奇幻王国的城堡"),
    ("a rusty robot", "一个生锈的机器人", "a factory of the future", "未来工厂"),
    ("three clowns", "三个小丑", "a circus ring in the evening", "马戏团的夜晚"),
    ("a horde of zombies", "一群僵尸", "a haunted village", "恐怖的鬼村"),
    ("a masked superhero", "一位超级英雄", "comic characters on a roof", "漫威角色站在屋顶"),
    ("a white unicorn", "一只独角兽", "a magical meadow", "童话里的草地"),
    ("a sudden explosion", "突然的爆炸", "a battle on a beach", "海滩上的战斗"),
]
CALM = [
    ("old harbour with wooden piers", "木头栈桥的老港湾"),
    ("laundry on a line behind a cottage", "小屋后面晾着的床单"),
    ("tea pot on a kitchen stove", "炉子上的茶壶"),
]
LOUD_BOTH = [
    ("flashing text across the whole screen", "画面中央弹出闪烁的大字"),
    ('"LAST CHANCE" fills the screen', "满屏飘过红色大字"),
    ("discount stickers popping up all over", "画面四周弹出价格贴纸"),
    ("splattered with blood", "到处都是血淋淋的痕迹"),
    ("a severed arm lies in front", "前面放着一截断臂"),
    ("the whole video rendered as thermal imaging", "全片处理成热成像"),
    ("the picture breaks up in glitches", "画面撕裂，满是乱码"),
    ("a military tank fires its cannon", "一辆坦克开炮"),
]


def refused_as(new: str, cached: str, what: str = "not asked for") -> None:
    reason = by_rule(new, cached)
    assert reason is not None, (new, cached)
    assert what in reason, reason


@given(st.sampled_from(STARTLING), st.sampled_from(CALM))
def test_a_startling_subject_is_refused_in_either_language(row: tuple[str, str, str, str], calm: tuple[str, str]) -> None:
    english, chinese, _, _ = row
    there, there_in_chinese = f"{calm[0]}, and {english} right beside", f"{calm[1]}，旁边是{chinese}"
    for clip in (there, there_in_chinese):
        for ask in calm:
            refused_as(ask, clip)
        assert by_rule(clip, clip) is None


@given(st.sampled_from(STARTLING))
def test_a_setting_that_implies_it_asks_for_it(row: tuple[str, str, str, str]) -> None:
    english, chinese, setting, setting_in_chinese = row
    for clip in (f"{setting}, and {english} right beside", f"{setting_in_chinese}，旁边是{chinese}"):
        for ask in (setting, setting_in_chinese):
            assert "not asked for" not in (by_rule(ask, clip) or ""), (ask, clip)


@given(st.sampled_from(STARTLING[:-1]), st.sampled_from(CALM))
def test_a_likeness_is_a_detail_and_what_is_denied_is_not_there(row: tuple[str, str, str, str], calm: tuple[str, str]) -> None:
    thing, chinese = row[0].split()[-1], row[1]
    for clip in (
        f"{calm[0]}, a small poster of a {thing}",
        f"{calm[0]}, with no {thing}",
        f"{calm[1]}，没有{chinese}",
        f"{calm[1]}，像{chinese}",
    ):
        assert "not asked for" not in (by_rule(calm["，" in clip], clip) or ""), clip


@given(st.sampled_from(LOUD_BOTH), st.sampled_from(CALM))
def test_what_is_loud_is_refused_in_either_language(loud: tuple[str, str], calm: tuple[str, str]) -> None:
    for clip in (f"{calm[0]}, {loud[0]}", f"{calm[1]}，{loud[1]}"):
        for ask in calm:
            refused_as(ask, clip)
        assert by_rule(clip, clip) is None


WRONG = [
    ("a lighthouse at dusk", "a lighthouse at dusk, a giant octopus climbing the tower"),
    ("two nuns feed pigeons on a square", "two nuns feed pigeons on a square while a werewolf howls behind them"),
    ("a barista pours latte art", "a barista pours latte art, big bouncing letters over the picture"),
    ("running shoes on a track", "running shoes on a track, a discount badge pops up in the corner"),
    ("children build a sand castle", "children build a sand castle as a tsunami rolls in"),
    ("a wedding toast at a long table", "a wedding toast at a long table, the best man is beheaded"),
    ("a violinist at a window", "a violinist at a window, heavy datamoshing and corrupted footage"),
    ("a brachiosaurus by a lake", "a triceratops by a lake"),
    ("a corgi on a lawn", "a dachshund on a lawn"),
    ("a snail on a leaf", "a scorpion on a leaf"),
    ("she kneads dough on a board", "she is peeling dough scraps off a board"),
    ("an egg hatches and a chick peeps in the end", "a chick peeps and finally an egg hatches"),
    ("a seed lies in the soil and a flower opens in the end", "a flower opens, and at the end a seed lies in the soil"),
    ("渔民在补网", "渔民在补网，一个巨人从海里站起来"),
    ("阳台上晾着衣服", "阳台上晾着衣服，屏幕正中打出“今日特价”四个大字"),
    ("老师在黑板前讲课", "老师在黑板前讲课，满脸是血"),
    ("小巷里的面馆", "小巷里的面馆，整个画面处理成反色"),
    ("园丁在浇花", "园丁在修剪花枝"),
    ("妈妈在揉面", "妈妈在擀面皮"),
    ("女人在湖边钓鱼", "女人在湖边钓鱼，身后一头犀牛走过"),
    ("一位邮差送快递", "一位邮差送快递，全程超慢动作"),
    ("铁匠打铁", "铁匠打铁的过程倒着播放"),
    ("茶园的清晨", "茶园的清晨，画面中央打着金色艺术字"),
    ("老街上的裁缝铺", "老街上的裁缝铺，老电影效果，画面满是划痕"),
    ("a girl feeding ducks", "a girl feeding ducks, hearts and thumbs-up emojis popping up everywhere"),
    ("a minister opens a school", "a minister opens a school, lower-third with breaking news"),
    ("a girl reading under a tree", "a girl reads under a tree when suddenly a huge tentacle bursts out of the ground"),
    ("a couple having a picnic", "a couple has a picnic while a tank rolls past behind them, firing its gun"),
    ("小猫在睡觉", "小猫在睡觉，突然从门外冲进来一只狗"),
    ("可颂特写", "可颂特写，画面中央弹出红色大字“买一送一”"),
    ("十字路口的车流", "十字路口的车流，右上角一直有醒目的“VISIT CITY”标志"),
    ("数字人主播推荐面膜", "数字人主播推荐面膜，屏幕正中打出金色大字"),
]
RIGHT = [
    ("a clown juggles in a park", "A clown in a red wig juggles three balls in a park"),
    ("circus performers take a bow", "circus performers take a bow, clowns and acrobats in a row"),
    ("a reptile in a swamp", "a huge spinosaurus wades through a swamp"),
    ("a man walks down an alley", "a clown walks down an alley"),
    ("a battlefield at dawn", "a battlefield at dawn, a military tank rolls through the mud"),
    ("a child asleep in bed", "a child asleep in bed, a plush dinosaur under the arm"),
    ("a boy at a desk", "a boy at a desk, a robot poster on the wall"),
    ("dragon boat race", "a dragon boat race with drummers on a wide river"),
    ("an aquarium", "a large fish tank with clownfish and coral"),
    ("a scary old house at night", "a scary old house at night, a vampire at the window"),
    ("a shop front with a sign", 'a shop front with a sign, "OPEN" in neon across the door'),
    ("glitch art portrait", "glitch art portrait of a singer, screen tearing and static"),
    ("a surgeon at work", "a surgeon at work, gloves stained, calm light"),
    ("an egg hatches and a chick peeps in the end", "an egg hatches, and finally a chick peeps out"),
    ("马戏团演出", "马戏团演出，小丑骑着独轮车绕场"),
    ("小丑在街头吹气球", "小丑在街头吹气球，孩子们围着看"),
    ("海底的珊瑚", "阳光透过海面，海水中的珊瑚随波摆动"),
    ("孩子的卧室", "孩子的卧室，床上放着恐龙玩偶"),
    ("a cat on a fence", "a cat on a fence suddenly jumps off"),
    ("a surprise party", "friends at a party, when suddenly a huge cake rolls in"),
    ("小猫突然惊醒", "小猫在睡觉，突然出现一只狗，小猫惊醒"),
    ("cyberpunk 城市雨夜", "赛博朋克都市的雨夜，霓虹灯牌倒映在路面"),
    ("古战场", "古战场，硝烟弥漫，士兵冲锋"),
    ("动物在河边喝水", "河边，一头犀牛低头喝水"),
    ("地铁站里拥挤的人头", "地铁站里人头攒动"),
    ("一瓶香水", "一瓶香水，瓶身贴着银色标签"),
    ("a car plant", "a car plant in which a robot arm welds a door"),
    ("师傅揉面", "师傅揉面，面团在案板上来回滚动"),
    ("外卖员快速骑过路口", "外卖员快速骑过路口，慢动作"),
    ("一只企鹅在冰上滑行，像素艺术", "a penguin slides over the ice, pixel art"),
    ("折纸鹤在风中旋转", "an origami crane turns in the wind"),
]


@pytest.mark.parametrize(("new", "cached"), WRONG)
def test_more_than_was_asked_for_or_another_thing_is_refused(new: str, cached: str) -> None:
    assert by_rule(new, cached) is not None


@pytest.mark.parametrize(("new", "cached"), RIGHT)
def test_what_was_asked_for_is_no_addition(new: str, cached: str) -> None:
    assert by_rule(new, cached) is None


@given(st.sampled_from(["海底", "森林", "沙漠", "湖边"]), st.sampled_from(["草原", "雪山", "街道"]))
def test_a_place_beside_the_one_that_was_asked_for_is_no_contradiction(place: str, other: str) -> None:
    shown = {"海底": "珊瑚和鱼群", "森林": "树木", "沙漠": "骆驼和沙", "湖边": "湖水"}[place]
    assert by_rule(f"{place}的清晨", f"清晨的{shown}，远处是{other}") is None
    assert by_rule(f"{place}的清晨", f"{other}的清晨") is not None
