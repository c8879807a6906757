"""Closed lists of Chinese words that pin what a clip shows. Written by hand for prompts; no corpus went into them.

Where English has the same slot, the value is the English one, so that prompts of the two languages can be held against each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from cache.matching.rules.lexicon import listed


def _table(rows: Mapping[str, str]) -> dict[str, str]:
    """`value: "word word"` turned round to word -> value."""
    return {word: value for value, words in rows.items() for word in words.split()}


# A colour by its character: alone, with 色 and a shade, or before one of the things that take it bare ("红裙子").
HUES = {
    "红": "red", "绯": "red", "橙": "orange", "橘": "orange", "桔": "orange", "黄": "yellow", "金": "golden", "绿": "green",
    "翠": "green", "青": "qing", "蓝": "blue", "紫": "purple", "粉": "pink", "棕": "brown", "褐": "brown", "咖啡": "brown",
    "米": "tan", "卡其": "tan", "驼": "tan", "黑": "black", "白": "white", "灰": "grey", "银": "silver", "酒红": "maroon",
    "枣红": "maroon", "暗红": "maroon", "粉红": "pink", "玫红": "pink", "玫瑰金": "rose gold", "桃红": "pink", "橘红": "orange",
    "橙红": "orange", "橘黄": "orange", "橙黄": "orange", "金黄": "golden", "米白": "white", "乳白": "white", "雪白": "white",
    "洁白": "white", "纯白": "white", "奶白": "white", "米黄": "tan", "藏青": "blue", "靛": "blue", "天青": "qing", "青蓝": "turquoise",
    "蓝绿": "turquoise", "湖蓝": "blue", "藏蓝": "blue", "宝蓝": "blue", "墨绿": "green", "翠绿": "green", "嫩绿": "green",
    "草绿": "green", "薄荷绿": "green", "鲜红": "red", "大红": "red", "火红": "red", "朱红": "red", "通红": "red", "漆黑": "black",
    "乌黑": "black", "纯黑": "black", "银白": "silver", "银灰": "silver", "灰白": "grey", "紫红": "purple", "蓝紫": "purple",
    "薰衣草": "purple", "香槟": "golden", "青绿": "turquoise", "蓝灰": "blue", "灰蓝": "blue",
}  # fmt: skip
SHADES = "浅深淡暗亮嫩"
# Things that take a colour bare.
TINTED = listed(
    """
    裙 裙子 长裙 短裙 连衣裙 衣 衣服 上衣 毛衣 衬衫 衬衣 裤 裤子 帽 帽子 围巾 鞋 鞋子 靴 靴子 伞 雨伞 车 跑车 轿车 汽车 卡车 猫 狗
    马 牛 羊 兔 兔子 鸟 鸡 鹅 球 气球 花 玫瑰 旗 旗子 灯 灯笼 砖 墙 瓦 门 布 丝带 发 头发 长发 短发 胡子 眼 眼睛 嘴 沙发 盘 碗 杯
    杯子 瓶 盒 盒子 箱 箱子 包 底 背景 西装 西服 礼服 婚纱 大衣 外套 夹克 卫衣 制服 军装 袍 长袍 旗袍 汉服 狐 狐狸 熊 狼 龙 蛇 虎 鸽
    鸽子 鹰 蝴蝶 葡萄 苹果 椒 T恤 t恤 背心 手套 雨衣 围裙 头巾 领带 背包 书包 行李箱 摩托车 自行车 巴士 公交车 小狗 小猫 小马 猫咪
    小鸟 天鹅 马甲 斗篷 披风 面具 桌子 椅子 窗帘 地毯 桌布 床单
    """
)
# Colours that are no choice: the sky is blue without being asked.
PLAIN_HUES = frozenset("红橙黄绿蓝紫黑白灰")  # these are colours before whatever they stand, by themselves
UNTINTED = listed(
    """
    白天 黑夜 黑暗 黄昏 红酒 红绿灯 金属 银河 白云 蓝天 绿叶 绿树 绿地 白雪 白昼 白领 黑板 白板 金字塔 黄金 青年 青春 灰尘 白酒 黑客
    红包 金鱼 粉丝
    """
)
CLOSE_HUES = {
    frozenset(pair.split("/"))
    for pair in (
        "yellow/orange", "qing/blue", "qing/green", "qing/turquoise", "red/pink", "purple/maroon", "rose gold/pink", "rose gold/golden",
        "white/silver", "brown/orange", "brown/yellow",
    )
}  # fmt: skip

# A number before one of these counts things; 群, 片, 阵, 道 and the like count none.
CLASSIFIERS = "个只位名匹头条辆架艘朵棵株颗张本座间栋幢件杯瓶碗盘盒袋罐壶块根支枝盏扇台部枚粒尊顶把串幅滴口柄双"
DIGITS = {**{char: at for at, char in enumerate("零一二三四五六七八九")}, "两": 2, "〇": 0}
UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10000}
WORN_IN_PAIRS = listed("鞋 鞋子 袜子 手套 筷子 眼睛 耳环 翅膀 手 脚 靴子 耳朵 眼 运动鞋 高跟鞋 皮鞋 耳坠")

# Which (gender, age) people have; "" leaves it open.
ACTORS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(listed("男人 男子 男士 男性 先生 大叔 小伙 小伙子 男生 男青年 大汉 硬汉 帅哥 男模 男主 男主角"), ("male", "adult")),
    **dict.fromkeys(listed("女人 女子 女士 女性 阿姨 女郎 美女 女生 女青年 少妇 女模 女主 女主角 姑娘"), ("female", "adult")),
    **dict.fromkeys(listed("男孩 小男孩 男童"), ("male", "child")),
    **dict.fromkeys(listed("女孩 小女孩 小姑娘 女童"), ("female", "child")),
    **dict.fromkeys(listed("少年 美少年 女孩子"), ("", "")),
    **dict.fromkeys(listed("青少年 中学生 高中生"), ("", "teenager")),
    **dict.fromkeys(listed("成年人 大人 成人"), ("", "adult")),
    **dict.fromkeys(listed("小孩 小孩子 孩子 儿童 小朋友 孩童"), ("", "child")),
    **dict.fromkeys(listed("婴儿 新生儿"), ("", "baby")),
    **dict.fromkeys(listed("老人 老者 老人家 老年人"), ("", "old")),
    **dict.fromkeys(listed("老爷爷 爷爷 老头 老大爷 大爷 老翁 老汉 外公 老先生 老头儿 老伯"), ("male", "old")),
    **dict.fromkeys(listed("老奶奶 奶奶 老太太 老太 老婆婆 老妇人 老妇 外婆 大妈 大娘"), ("female", "old")),
    **dict.fromkeys(listed("爸爸 父亲 老爸 丈夫 老公 哥哥 弟弟 儿子 新郎 国王 王子 男友 男朋友"), ("male", "")),
    **dict.fromkeys(listed("妈妈 母亲 老妈 妻子 老婆 姐姐 妹妹 女儿 新娘 女王 公主 女友 女朋友"), ("female", "")),
}  # fmt: skip
OPEN_AGE = listed("女孩 女孩子 男孩 姑娘 女生 男生 少年 美少年 大妈 大爷")  # of anybody young, or old

TIMES = _table(
    {
        "dawn": "日出 黎明 拂晓 破晓 晨曦 旭日 曙光 朝霞 天刚亮",
        "morning": "清晨 早晨 早上 上午 大清早 清早 晨光 晨雾 一大早",
        "day": "中午 正午 下午 午后 白天 午间 白昼",
        "dusk": "傍晚 黄昏 夕阳 日落 晚霞 落日 夕照 暮色 余晖 夕阳西下 日暮",
        "night": "夜晚 深夜 夜里 夜间 晚上 夜色 午夜 半夜 夜空 夜幕 月光 星空 入夜 夜景 月下 夜市 凌晨",
    }
)
WEATHER = _table(
    {
        "rain": "雨 下雨 雨中 细雨 大雨 暴雨 小雨 毛毛雨 雨天 雨夜 雨水 雨滴 阵雨 春雨 雨丝",
        "snow": "雪 下雪 雪中 大雪 小雪 飘雪 雪花 暴雪 雪天 雪夜 风雪 飞雪 白雪皑皑",
        "fog": "雾 薄雾 浓雾 大雾 晨雾 雾气 雾霭 起雾",
        "storm": "雷电 闪电 雷雨 暴风雨 风暴 台风 龙卷风",
        "sun": "晴天 晴朗 阳光 阳光明媚 烈日 艳阳 大晴天 日光",
        "cloud": "阴天 多云 乌云",
    }
)
SEASONS = _table(
    {
        "spring": "春天 春季 初春 早春",
        "summer": "夏天 夏日 夏季 盛夏",
        "autumn": "秋天 秋日 秋季 深秋 金秋",
        "winter": "冬天 冬日 冬季 寒冬 隆冬",
    }
)
STYLES = _table(
    {
        "anime": "动漫 二次元 日漫 吉卜力 新海诚",
        "cartoon": "卡通 漫画风 漫画风格",
        "animation": "动画 动画风格",
        "3d": "3d渲染 三维动画 3d动画 皮克斯 3d 三维",
        "clay": "黏土 粘土 定格动画 黏土动画 粘土动画",
        "pixel": "像素 像素风 像素画 像素风格",
        "watercolor": "水彩 水彩画 水彩风格",
        "oil": "油画 油画风格 印象派 梵高",
        "ink": "水墨 水墨画 国画 水墨风格 水墨动画 水墨风",
        "ukiyo-e": "浮世绘",
        "sketch": "素描 铅笔画 手绘线稿 简笔画 线稿",
        "paper": "剪纸 折纸 皮影",
        "monochrome": "黑白影像 黑白电影 黑白画面 黑白影片 黑白照片 黑白照 黑白相片 黑白摄影",
        "cyberpunk": "赛博朋克",
        "steampunk": "蒸汽朋克",
        "lego": "乐高",
        "low poly": "低多边形",
    }
)
ANIMATED = frozenset(
    {"anime", "cartoon", "3d", "clay", "pixel", "sketch", "paper", "ink"}
)  # "动画" asks for no more than any of these shows
CLOSE_WEATHER = {frozenset(("rain", "storm")), frozenset(("cloud", "rain")), frozenset(("cloud", "storm"))}

# slot -> value -> a pattern; the values are those of English.
CAMERA: dict[str, dict[str, str]] = {
    "camera move": {
        "push in": "推近|推进(?!烤|炉|到|房|门|屋|医|病|电)|推镜|前推|慢推|拉近|镜头逼近|向前推|往前推|机位往前",
        "pull out": "拉远|后拉(?!一|开)|拉镜|镜头后退|向后拉|往后拉|后撤|退远|镜头渐远|拉开到",
        "pan left": "左摇(?![晃摆])|向左摇|镜头向左|镜头左移|左平移|向左平移|摇向左|往左摇|往左移|从右向左平移|从右往左移",
        "pan right": "右摇(?![晃摆])|向右摇|镜头向右|镜头右移|右平移|向右平移|摇向右|往右摇|往右移|从左向右平移|从左往右移",
        "crane up": "上摇(?![摇晃摆])|镜头上升|镜头上移|(?<!升)升镜|镜头向上|镜头抬升|镜头升起|向上摇|镜头缓缓上移|镜头缓缓上升|镜头缓缓升",
        "crane down": "下摇(?![摇晃摆])|镜头下降|镜头下移|(?<!升)降镜|镜头向下|向下摇|镜头缓缓下移|镜头缓缓下降",
        "orbit": "(?:镜头|机位|摄影机|相机)[^，。；]{0,8}(?:环绕|绕)|环绕(?:拍|镜|运|一周|半圈|跟)|绕拍|环拍|弧形运镜"
        "|(?:^|[，,。；])环绕(?=$|[，,。；])",
        "tracking": "跟拍|跟镜|镜头(?:平稳|缓缓|一路|始终)?跟|跟随(?:镜头|拍摄)",
        "static": "固定镜头|固定机位|镜头不动|机位不动|定机位|静止镜头|镜头固定|机位固定|固定视角|镜头静止|三脚架|固定拍摄",
        "handheld": "手持晃动|手持镜头|手持拍摄|晃动镜头|手持摄影|手持感|手持跟拍|镜头晃动|肩扛",
    },
    "shot": {
        "close-up": "特写|近景|微距",
        "wide": "全景|远景|大景",
        "medium": "中景|半身(?:像|景|镜头|构图)",
    },
    "camera position": {
        "aerial": "俯拍|俯视|俯瞰|航拍|鸟瞰|顶视|无人机|顶拍|空中镜头|从上往下拍",
        "low angle": "仰拍|仰视|低角度|从下往上拍|低机位",
        "eye level": "平视|平拍",
        "first person": "第一人称|第一视角|主观视角|主观镜头",
        "third person": "第三人称|第三视角",
    },
    "speed": {
        "slow motion": "慢动作|慢镜头|升格|高速摄影",
        "time-lapse": "延时摄影|延时|快进|倍速|缩时",
        "reverse": "倒放|倒带",
    },
}  # fmt: skip
# A clip with one of these may mean the value in other words: then only the verifier rules.
HINTS = {
    "push in": "[推近进靠前]|dolly|push|zoom|track", "pull out": "[拉退远后]|out|back", "pan left": "[摇移左]|pan|truck",
    "pan right": "[摇移右]|pan|truck", "crane up": "[升抬上起]|crane|boom|pedestal|摇臂",
    "crane down": "[降下落]|crane|boom|pedestal|摇臂", "orbit": "[绕环转圈]|orbit|arc|circl",
    "tracking": "[跟随追]|follow|track|steadi", "static": "不动|[固定静稳]|static|fixed|lock|still|tripod",
    "handheld": "[手晃抖]|hand|shak|肩", "close-up": "[特近微凑]|大|close|macro|贴", "wide": "[全远广大]|wide|full|long",
    "medium": "[中半腰]|medium|mid", "aerial": "[俯空航鸟顶高瞰]|上方|从上|向下|往下|above|top|drone|aerial|overhead",
    "low angle": "[低仰]|向上|往上|从下|贴地|low|below", "eye level": "[平齐]|eye", "first person": "第一|主观|眼|pov|first",
    "third person": "第三|third", "slow motion": "慢|升格|slow|高速", "time-lapse": "延时|[快缩速]|lapse|fast|hyper",
    "reverse": "[倒反逆退]|reverse|backward|rewind",
}  # fmt: skip
CLOSE_MOVES = {
    frozenset(pair.split("/"))
    for pair in (
        "push in/zoom in", "pull out/zoom out", "pan left/truck left", "pan right/truck right", "crane up/tilt up",
        "crane down/tilt down", "handheld/tracking", "push in/tracking", "tracking/orbit",
    )
}  # fmt: skip

NEGATIONS = listed("没有 没 不要 不带 不含 不加 不用 不戴 不穿 不 无 未 禁止 避免 去掉 去除 毫无 从不 并未 不曾")
# Latin words of film and pictures that name nobody.
JARGON = listed(
    """
    k hd uhd hdr cg 3d 2d c4d ue5 ue4 octane render raw bokeh vlog logo app imax iso fps ai vr ar ip led pov dolly in out zoom pan
    tilt left right up down shot close close-up wide medium tracking static handheld orbit drone aerial slow motion lens mm
    cinematic masterpiece best quality ultra detailed photorealistic film kodak crane truck low angle high view top macro follow
    push pull the a an of and with to by on at for ok dv tv t led usb ppt pv mv cm kg km ml gif cctv ugc camera movement fade cut
    time-lapse timelapse ar stylize v8 v6 no style seed steps cfg
    """
)  # fmt: skip

# A clip with one of these may show the place that is asked for, though another is named beside it: light from the surface of the sea.
PLACE_HINTS = {
    "海底": "珊瑚|鱼群|热带鱼|潜水|潜入|深海|水中|海中|海水中|海洋深处|水母|海龟|鲸|海草|海藻|鱼儿?游",
    "海边": "海|沙滩|浪|礁|码头|港", "森林": "[林树]", "沙漠": "[沙漠驼]", "草原": "草", "雪山": "[雪峰]|山顶", "湖边": "湖",
    "河边": "[河江溪岸]", "街道": "[街路巷]|城市|斑马线", "公园": "园|草坪|长椅", "田野": "[田麦稻]|庄稼|农", "火山": "熔岩|岩浆",
    "悬崖": "[崖壁]", "峡谷": "[峡谷]", "太空": "[星宇]|轨道|飞船|失重", "屋顶": "楼顶|房顶|露台", "冰川": "冰",
}  # fmt: skip
