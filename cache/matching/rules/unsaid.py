"""The words of a terse ask that a clip's prompt lacks, and the verifier's word without which such a pair is not served. English only. Pure.

Among real users nearly all such pairs are wrong that the verifier is not plainly sure of: "space marine" is no "surreal alien in the sea".
Who asks for much has said it in many words, and other words for some of it mean little.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from cache.matching.rules.camera import hinted
from cache.matching.rules.differences import ANIMATED
from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import CAMERA, listed
from cache.matching.rules.narrower import shown_by, told_by_a_phrase
from cache.matching.rules.slots import read
from cache.matching.rules.words import folded, stem
from cache.prompt import is_chinese

_TERSE, _SHORT, _BARE = 5, 4, 2  # content words of an ask that names a thing or two
_PLAIN, _CERTAIN = 2.8, 3.4  # the verifier's word from which on it says yes to other words for what was asked
_NEAR = 0.72  # cosine from which on one word that is lacking is mostly said otherwise
# Words that a narrower one in the clip's prompt mostly stands for, so that they are not missed.
_WIDE = frozenset(
    stem(word)
    for word in listed(
        """
        person people someone somebody anybody individual adult group crowd animal creature vehicle food drink thing object item something
        place area scene view time day outside outdoors outdoor inside indoors indoor activity look stand wait body
        do take make have get use
        """
    )
)
_WORDED = frozenset(["time of day", "weather", "season", "style", *CAMERA])
_PERSON = stem("person")
_KIN, _KIN_SHARE = 4, 2 / 3  # letters at their beginning that two forms of one word share: "rainy" and "rain", "dancer" and "dance"


def missed(new: str, cached: str) -> tuple[str, ...]:
    """The words that a terse ask names and the clip's prompt does not, in no other form either; as stems, in order."""
    asked, there = read(new), read(cached)
    if len(asked.asked) > _TERSE:
        return ()
    # "a human face" names a kind of face, and nobody.
    wide = _WIDE - {_PERSON} if "human" in asked.stems else _WIDE
    missing = asked.asked - there.asked - there.stems - wide
    if missing:
        missing -= _agreed(asked, there) | _run_together(asked.plain, there.plain)
    return tuple(dict.fromkeys(word for word in asked.content if word in missing and not _said(word, there)))


def _said(word: str, there: Slots) -> bool:
    """True if the clip's prompt has another form of this word, a narrower one, or a phrase that shows the same."""
    return any(_kin(word, other) or shown_by(word, other) for other in there.stems) or told_by_a_phrase(word, there.plain)


def _run_together(asked: str, there: str) -> frozenset[str]:
    """The words of the ask that the clip's prompt writes as one, or as two, as stems: "tree house" / "treehouse"."""
    shown = {spelt for spelt, _ in _in_one(there)}
    return frozenset(form for spelt, parts in _in_one(asked) if spelt in shown for part in parts for form in (stem(part), folded(part)))


@lru_cache(maxsize=32_768)
def _in_one(plain: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each word and each two words that stand side by side, as one stem without a hyphen, with the words that it is made of."""
    found = [word for word in plain.split() if word[0].isalpha()]
    joined = [(stem(one + other), (one, other)) for one, other in pairwise(plain.split()) if one.isalpha() and other.isalpha()]
    return (*joined, *((stem(word.replace("-", "")), (word,)) for word in found))


def _agreed(asked: Slots, there: Slots) -> frozenset[str]:
    """The words of what both say of light, weather, style and camera, each in its own: "evening" / "dusk"."""
    found = [
        fact.words
        for fact in asked.facts
        if fact.slot in _WORDED
        and (fact.value in there.values(fact.slot) or (fact.slot in CAMERA and fact.value in hinted(fact.slot, there.plain)))
    ]
    if "animation" in asked.values("style") and there.values("style") & ANIMATED:
        found += [fact.words for fact in asked.of("style") if fact.value == "animation"]
    words = {word for told in found for word in told.split()}
    words |= {"shot", "view", "camera", "style", "motion", "footage", "degree", "degrees"} if words else set()
    return frozenset(form for word in words for form in (stem(word), folded(word)))


def word_needed(new: str, cached: str, similarity: float) -> float | None:
    """The verifier's word (a logit) under which this pair is not served, for what the clip's prompt lacks. None: no such bar."""
    if is_chinese(new, cached):
        return None
    lacking, asked = len(missed(new, cached)), len(read(new).asked)
    half = 2 * lacking >= asked
    if not lacking or (similarity >= _NEAR and not (half and asked <= _SHORT)):
        return None
    return _CERTAIN if half and asked <= _BARE else _PLAIN


@lru_cache(maxsize=32_768)
def _kin(one: str, other: str) -> bool:
    shared = next((at for at, (here, there) in enumerate(zip(one, other, strict=False)) if here != there), min(len(one), len(other)))
    return shared >= _KIN and shared >= _KIN_SHARE * max(len(one), len(other))
