"""The words of English: pyspellchecker's list of 160,000 with how often each is met, and words of film and of today that it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from spellchecker import SpellChecker

from cache.matching.rules.lexicon import listed
from cache.matching.rules.plain_words import FUNCTION

# What a list made of books and subtitles does not know: spellings of other English-speaking countries, screens, sports, dishes.
_ALSO = listed(
    """
    aesthetic airpods anamorphic anime app arcade armour auto axe backflip barista baristas bento biryani bioluminescent bokeh boomerang cafe catwalk
    cgi chibi chroma cinemagraph cinematic claymation colour coloured colourful colours cosplay countertop crossfit cyberpunk dalmatian
    diwali dolly donut draught draughts entree entrees flambe flautist intro outro doughnut drone dslr dumplings dystopian earbuds emoji esports fps furry gamer gimbal glitch glitchy granny
    grey haired harbour hijab hoodie hoverboard humanoid hyperlapse hyperrealistic hyperreal imax influencer jetpack jewellery kawaii
    kebab kettlebell kickflip kimchi labradoodle lambo lamborghini latte led letterbox lifelike lil livestream lofi macbook macro manga matcha mecha meme
    midcentury minimalistic mocha moodboard motorcyclist multi multicoloured neon noir orc origami parasailing parkour photo photobooth
    photoreal photorealistic photoshoot pho pixar pixel pixelated plushie podcast pov pyjamas ramen raytraced recut reel retro roomba rpg sakura
    samosa samurai sci-fi seagrass selfie shiba shimmery showreel skatepark skatepunk smartphone smartwatch smoothie spacewalk spaghetti
    sped steampunk stopmotion storyboard strobe sunlit supercar surreal sushi tech texting theatre tiktok timelapse tofu tokyo tortilla
    toyota trampoline treehouse unboxing untextured vaporwave vfx vhs videogame vlog vlogger vlogging voxel vr webcam wifi workout yoga
    youtube youtuber zombie zoom zoomed
    """
)
_SHORTEST, _OFTEN = 3, 4_000  # a word of three letters or fewer counts as English where it is met so often: others are of any language
_PART = 3  # letters of each part of a word run together: "skatepark"
_PART_OFTEN = 500
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ers", "ish", "like", "less", "ness", "ly", "y")
_BEFORE = ("un", "re", "non", "semi", "super", "hyper", "ultra", "mini", "micro", "multi", "over", "under", "photo", "bio", "anti", "pre")


_BRITISH = (
    ("our", "or"),
    ("tre", "ter"),
    ("is", "iz"),
    ("lled", "led"),
    ("lling", "ling"),
    ("ller", "ler"),
    ("aero", "air"),
    ("ogue", "og"),
    ("ence", "ense"),
)


@lru_cache(maxsize=1)
def lexicon() -> SpellChecker:
    """38 MB and half a second at the first use: whoever loads the encoder calls it in that thread."""
    return SpellChecker(language="en", distance=1)


def _times() -> Mapping[str, int]:
    times: Mapping[str, int] = lexicon().word_frequency.dictionary
    return times


@lru_cache(maxsize=65_536)
def english(word: str) -> bool:
    """True if `word`, in lower case, is a common enough English word to tell its language by."""
    if word in FUNCTION or word in _ALSO:
        return True
    if "-" in word:
        return all(english(part) for part in word.split("-") if part)
    times = _times().get(word, 0)
    if len(word) <= _SHORTEST:
        return times >= _OFTEN
    return times > 0 or (word.endswith("s") and _listed(word[:-1]))


@lru_cache(maxsize=65_536)
def real(word: str) -> bool:
    """True if `word`, in lower case, is a word that someone may mean: listed, a form of a listed one, or two run together."""
    if word in FUNCTION or _listed(word) or "-" in word or "'" in word:
        return True
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and (_listed(stem) or (ending == "ing" and _listed(stem + "e"))) and not _doubtful(stem, ending):
            return True
    if any(word.startswith(start) and len(word) > len(start) + _PART and _listed(word[len(start) :]) for start in _BEFORE):
        return True
    return any(_often(word[:at]) and _often(word[at:]) for at in range(_PART, len(word) - _PART + 1))


def _listed(word: str) -> bool:
    if word in _ALSO or word in _times():
        return True
    # "visualised" has an "is" that is no ending, too.
    return any(
        british in word and {word.replace(british, us), us.join(word.rsplit(british, 1))} & _times().keys() for british, us in _BRITISH
    )


def _doubtful(stem: str, ending: str) -> bool:
    """True if English would write it otherwise: "rideing", "citys", "runing" are slips."""
    if ending in {"ing", "ed", "er", "ers"}:
        return stem.endswith("e") or (len(stem) > 2 and stem[-1] not in "aeiouwxy" and stem[-2] in "aeiou" and stem[-3] not in "aeiou")
    return ending == "s" and len(stem) > 1 and stem[-1] == "y" and stem[-2] not in "aeiou"


def _often(word: str) -> bool:
    return word not in _ENDINGS and (word in _ALSO or _times().get(word, 0) >= _PART_OFTEN)


def met(word: str) -> int:
    """The number of times that the list has met it."""
    return _times().get(word, 0)
