"""Chinese is read in one form, whatever it was typed in; what asks for something stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.matching.reading.chinese import converters, reads_as_chinese, simplified
from cache.matching.reading.wording import as_read

converters()

SIMPLE = "一只猫在草地上奔跑远处的风车转动老师写字书店门前汽车飞机"
TRADITIONAL = "一隻貓在草地上奔跑遠處的風車轉動老師寫字書店門前汽車飛機"


@given(st.lists(st.integers(0, len(SIMPLE) - 1), min_size=1, max_size=12))
@settings(deadline=None)
def test_traditional_characters_are_read_as_simplified_ones(spots: list[int]) -> None:
    simple, traditional = "".join(SIMPLE[at] for at in spots), "".join(TRADITIONAL[at] for at in spots)
    assert converters()[0].convert(traditional) == converters()[0].convert(simple)
    assert simplified(simplified(traditional)) == simplified(traditional)


@given(st.text(alphabet='猫貓狗在跑，。：（）(1.3:)[]{}"“”「」8K高清--ar 916画幅镜头1主体请生成视频谢谢🐱 \n', max_size=60))
@settings(max_examples=300, deadline=None)
def test_reading_is_a_fixed_point(text: str) -> None:
    read = as_read(text)
    assert as_read(read) == read
    assert read or not text.strip()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("黃昏的沙灘上，一隻狗", "黄昏的沙滩上,一只狗"),
        ("計程車停在路邊", "出租车停在路边"),
        ("（白鹤：1.3），芦苇荡，（逆光：0.9）", "白鹤,芦苇荡,逆光"),
        ("((旗袍女子))，遮面一笑", "旗袍女子,遮面一笑"),
        ("ＡＢＣ１２３店", "ABC123店"),
        ('{"主体":"白鹭","动作":"单脚站立","地点":"稻田"}', "白鹭, 单脚站立, 稻田"),
        ("主体：红色跑车；背景：隧道，8K，高清", "红色跑车,隧道"),
        ("您好，请帮我生成一段视频：一只猫在窗台，谢谢！", "一只猫在窗台"),
        ("女孩在海边跑步 --ar 9:16 --v 6", "女孩在海边跑步, 画幅9:16"),
        ("红色跑车，隧道，masterpiece, best quality", "红色跑车,隧道"),
        ("一只猫🐱在跑", "一只猫在跑"),
        ("草地上🐶", "草地上,狗"),
        ("镜头1：城堡。镜头2：女王。", "镜头1:城堡。镜头2:女王。"),
        ("招牌写着「書店」", "招牌写着「書店」"),
        ("8K高清", "8K高清"),
        ("请帮我生成一个小朋友堆雪人的视频，谢谢", "小朋友堆雪人"),
        ("麻烦帮我做一个两只鹅过马路的短视频，万分感谢！", "两只鹅过马路"),
        ("亲，能不能帮我拍一段师傅拉面的视频", "师傅拉面"),
        ("拜托了，做一段城市夜景的延时视频，要冬天的", "做一段城市夜景的延时视频,要冬天的"),
        ("hi～可以帮我 make 一个短视频吗：姐姐浇花，thx！", "姐姐浇花"),
        ("摄影师拍一个模特的脸", "摄影师拍一个模特的脸"),
        ("奶奶做一碗面的视频被大家传看", "奶奶做一碗面的视频被大家传看"),
        ("帮我做一只猫睡觉的视频", "一只猫睡觉"),
        ("生成两个女孩跳舞的视频", "两个女孩跳舞"),
        ("Hello Kitty 主题的咖啡店", "Hello Kitty 主题的咖啡店"),
        ("我想要一个视频，内容就是小狗在雪地里打滚，麻烦了", "小狗在雪地里打滚"),
        ("这是什么字体？谢谢", "这是什么字体?"),
        ("负面：行人。主体：小巷下着雨", "不要行人, 小巷下着雨"),
        ("雨中的小巷 --时长 5s --种子 2024", "雨中的小巷, 5秒"),
        ("雨中的小巷 --比例 9:16 --禁止 行人", "雨中的小巷, 画幅9:16, 不要行人"),
        ("炒菜，火焰腾起 反向提示词：模糊，畸形手，水印", "炒菜,火焰腾起"),
        ("炒菜，火焰腾起，负面：低清，人物", "炒菜,火焰腾起,不要人物"),
        ("海底，水母，发光，负面：水印、字幕、Logo、低画质", "海底,水母,发光"),
    ],
)
def test_forms(typed: str, read: str) -> None:
    assert as_read(typed) == read


@pytest.mark.parametrize("text", ["ひまわりの畑", "해바라기 밭", "поле подсолнухов и 花"])
def test_other_languages_are_not_touched(text: str) -> None:
    assert not reads_as_chinese(text)
    assert as_read(text) == text
