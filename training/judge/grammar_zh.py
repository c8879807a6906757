"""The scenes of the grammar told in Chinese: the same facts, so that a scene told twice is a translation."""

from __future__ import annotations

import random

from training.judge import scenes as s
from training.judge import vocabulary as v
from training.judge import vocabulary_zh as z
from training.judge.scenes import Being, Scene

Words = tuple[str, ...]


def _words(text: str) -> list[Words]:
    return [tuple(part.strip().split("/")) for part in text.replace("\n", "").split("|")]


def _classified(text: str) -> list[tuple[Words, str]]:
    found = []
    for part in text.replace("\n", "").split("|"):
        words, _, classifier = part.strip().partition(":")
        found.append((tuple(words.split("/")), classifier))
    return found


class TellerZh:
    """Tells what `Teller` draws. A pool of words is in the order of the English one."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._nouns: dict[tuple[str, ...], tuple[Words, str]] = {}
        for pool, told in (
            (list(s.PERSONS), [(words, "") for words in _words(z.PERSONS)]),
            (list(s.ANIMALS), _classified(z.ANIMALS)),
            (s.VEHICLES, _classified(z.VEHICLES)),
            (s.THINGS, _classified(z.THINGS)),
        ):
            assert len(pool) == len(told), (len(pool), len(told), pool[:2])
            self._nouns |= dict(zip(pool, told, strict=True))
        self._said: dict[tuple[str, tuple[str, ...]], Words] = {}
        for name, pool, told_ in (
            ("place", list(s.PLACES), z.PLACES), ("look", s.LOOKS, z.LOOKS), ("mood", s.MOODS, z.MOODS), ("time", s.TIMES, z.TIMES),
            ("weather", s.WEATHERS, z.WEATHERS), ("light", s.LIGHTS, z.LIGHTS), ("extra", s.EXTRAS, z.EXTRAS), ("manner", s.MANNERS, z.MANNERS),
            ("direction", s.DIRECTIONS, z.DIRECTIONS), ("relation", s.RELATIONS, z.RELATIONS),
        ):  # fmt: skip
            words = _words(told_)
            assert len(pool) == len(words), (name, len(pool), len(words))
            self._said |= {(name, tuple(key)): value for key, value in zip(pool, words, strict=True)}
        wear = _classified(z.WEAR)
        assert len(wear) == len(s.WEAR)
        self._wear = {key: (words[0], tuple(named.split("/"))) for key, (words, named) in zip(s.WEAR, wear, strict=True)}
        self._verbs: dict[object, Words] = {}
        for pool_, told_ in ((s.INTRANSITIVE, z.INTRANSITIVE), (s.TRANSITIVE, z.TRANSITIVE), (s.BETWEEN, z.BETWEEN), (s.DRIVE, z.DRIVE)):
            words = _words(told_)
            assert len(pool_) == len(words), (len(pool_), len(words), words[:3])
            self._verbs |= dict(zip(pool_, words, strict=True))
        self._verbs |= {
            (("stand", "stands", "standing"),): ("立着",), (("lie", "lies", "lying"),): ("躺着", "平放着"), (("fall", "falls", "falling"),): ("掉落", "落下"),
            (("float", "floats", "floating"),): ("漂浮着",), (("rotate", "rotates", "rotating"), ("spin", "spins", "spinning")): ("旋转",),
            (("burn", "burns", "burning"),): ("燃烧",),
        }  # fmt: skip
        self._cameras, self._styles = _words(z.CAMERAS), _words(z.STYLES)
        assert len(self._cameras) == len(s.CAMERAS) and len(self._styles) == len(s.STYLES), (
            len(self._cameras),
            len(s.CAMERAS),
            len(self._styles),
            len(s.STYLES),
        )
        self._colours = dict(zip(v.COLOURS, [tuple(one.split("/")) for one in z.COLOURS], strict=True))

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def one(self, words: Words) -> str:
        return self.rng.choice(words) if self.maybe(0.5) else words[0]

    def said(self, name: str, group: tuple[str, ...]) -> str:
        return self.one(self._said[name, tuple(group)])

    def worn(self, group: tuple[str, ...]) -> tuple[str, str]:
        verb, words = self._wear[group]
        return verb, self.one(words)

    def noun(self, being: Being, bare: bool = False) -> str:
        words, classifier = self._nouns[being.noun]
        base = z.WIDER.get(being.wider, "") or self.one(words)
        if being.wider and being.sort == "animal":
            classifier = "只"
        if being.sort == "person":
            classifier = "个" if base[-1] in "人孩" or self.maybe(0.6) else self.rng.choice(["位", "名"])
        before = []
        if being.wear[1]:
            verb, what = self.worn(being.wear[1])
            colour = self.one(self._colours[being.wear[0]]) if being.wear[0] else ""
            before.append(
                f"{self.rng.choice(['', '身']) if verb == '穿' else ''}{verb}{'着' if verb != '系' or self.maybe(0.6) else '了'}{colour}{what}的"
            )
        if being.mood:
            before.append(self.said("mood", being.mood))
        if being.look:
            before.append(self.said("look", being.look))
        if being.colour:
            colour = self.one(self._colours[being.colour])
            before.append(colour + ("的" if self.maybe(0.5) else ""))
        count = z.DIGITS[being.count]
        if being.count > 1 and self.maybe(0.15):
            count = str(being.count)
        number = f"{count}{classifier}"
        if being.count == 1 and (bare or self.maybe(0.2)):
            number = ""
        if before and self.maybe(0.25):  # "红色的三只气球"
            return "".join(before[:1]) + number + "".join(before[1:]) + base
        return number + "".join(before) + base

    def act(self, scene: Scene) -> str:
        verb = self.one(self._verbs[scene.verb])
        return self.onto(verb, scene.target)

    def onto(self, verb: str, target: Being | None) -> str:
        if target is None:
            return verb
        thing = self.noun(target)
        return verb.replace("#", thing) if "#" in verb else verb + thing

    def clause(self, scene: Scene, place: str) -> str:
        rng = self.rng
        subject = self.noun(scene.subject)
        manner = self.said("manner", scene.manner) if scene.manner else ""
        where = f"在{place}" if place else ""
        if scene.direction:
            where += self.said("direction", scene.direction)
        if scene.spot:
            relation, being = scene.spot
            word = self.said("relation", relation)
            where += (
                f"在离{self.noun(being)}{word}"
                if word == "很远处"
                else f"在{self.noun(being)}{'的' if len(word) > 1 and self.maybe(0.3) else ''}{word}"
            )
        if scene.negative:
            now = rng.choice(["没有", "没在", "并没有"])
            told = (
                f"{subject}{where}{now}{manner}{self.act(scene)}"
                if not where or self.maybe(0.5)
                else f"{where}，{subject}{now}{manner}{self.act(scene)}"
            )
        else:
            now = "" if where and self.maybe(0.6) else rng.choice(["正在", "在", "正", ""])
            verb = self.one(self._verbs[scene.verb])
            if scene.target is not None and scene.verb in s.BETWEEN and "#" not in verb and self.maybe(0.22):
                told = f"{self.noun(scene.target)}{where}被{subject}{manner}{verb}"
            elif place and not scene.spot and self.maybe(0.3):
                direction = where.removeprefix(f"在{place}")
                told = f"{place}，{subject}{direction}{rng.choice(['正在', '在', '正'])}{manner}{self.onto(verb, scene.target)}"
            else:
                told = f"{subject}{now if not where else ''}{where}{manner}{self.onto(verb, scene.target)}"
        if scene.second:
            kind, second = scene.second
            other = self.one(self._verbs[second])
            told += (
                rng.choice([f"，然后{other}", f"，接着{other}", f"，随后{other}"])
                if kind == "then"
                else rng.choice([f"，同时{other}", f"，一边还在{other}"])
            )
        if scene.text:
            told += rng.choice([f"，旁边有一块写着“{scene.text}”的牌子", f"，边上的招牌写着“{scene.text}”"])
        if scene.without:
            what = self.worn(scene.without)[1] if scene.without in self._wear else self.one(self._nouns[scene.without][0])
            verb = self._wear[scene.without][0] if scene.without in self._wear else ""
            told += rng.choice([f"，没有{what}", f"，没{verb}{what}" if verb else f"，画面里没有{what}"])
        return told

    def tell(self, scene: Scene) -> str:
        rng = self.rng
        place = self.said("place", scene.place[0]) if scene.place else ""
        before: list[str] = []
        tags: list[str] = []
        for name in ("time", "weather"):
            group = getattr(scene, name)
            if group:
                [before, tags][rng.random() < 0.4].append(self.said(name, group))
        for name in ("light", "extra"):
            group = getattr(scene, name)
            if group:
                tags.append(self.said(name, group))
        if scene.camera >= 0:
            tags.append(self.one(self._cameras[scene.camera]))
        if scene.style >= 0:
            tags.append(self.one(self._styles[scene.style]))
        rng.shuffle(tags)
        told = self.clause(scene, place)
        if before:
            told = "，".join(before) + rng.choice(["，", "", "，"]) + told
        if tags and self.maybe(0.3):
            cut = rng.randint(1, len(tags))
            told = "，".join([*tags[:cut], told, *tags[cut:]])
        elif tags:
            told = "，".join([told, *tags])
        if self.maybe(0.08):
            told = rng.choice(["视频：", "画面：", "生成一段视频，", "一段视频，", "请生成："]) + told
        if self.maybe(0.1):
            told += rng.choice(["，高清", "，4K", "，画质清晰", "，电影感", "，细节丰富"])
        return told + ("。" if self.maybe(0.4) else "")
