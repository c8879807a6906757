"""Styles that are told in more than a word: black and white, clay, flat drawings that move, and what only looks like a style. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.matching.rules.bindings import LIVING_THINGS
from cache.matching.rules.facts import Fact

MONOCHROME = re.compile(
    r"\b(?:in|a) black[ -]and[ -]white(?= (?:photo|film|footage|video|style|movie|image|cinema|tones)|$| ,| \.)"
    r"|black[ -]and[ -]white (?:[a-z]+-style |animated |vintage |old |silent |grainy )?"
    r"(?:noir )?(?:photo|photography|film|footage|video|style|movie|image|cinema|cinematography|clip|tones|noir)"
    r"|\bb w\b|, black[ -]and[ -]white(?= ,|$| \.)|^black[ -]and[ -]white ,"
)
# Clay as a material is no style of film: of a potter's hands there is only footage. A person or an animal of clay is modelled.
_FIGURES = rf"(?:{LIVING_THINGS}|characters?|figures?|puppets?|world|people)"
_CLAYMATION = re.compile(
    rf"\b(?:{_FIGURES}|everything) (?:[a-z]+ )?made (?:[a-z]+ )?(?:out )?of (?:[a-z]+ )?(?:clay|plasticine)\b"
    rf"|\b(?:clay|plasticine) (?:{_FIGURES}|film|art style|render|look|aesthetic)\b"
    r"|, (?:clay|plasticine)(?= ,|$| \.)|^(?:clay|plasticine) ,"
    # Modelled, and then moved from picture to picture.
    r"|\b(?:clay|plasticine)\b[^.]*\bframe[- ]by[- ]frame\b|\bframe[- ]by[- ]frame\b[^.]*\b(?:clay|plasticine)\b"
)
# Drawings that move are animated, whatever else they are.
_ANIMATED = re.compile(
    r"\bmotion[- ](?:graphics?|design)\b|\b2 ?d vector\b|\bflat vector (?:animation|video|clip|motion)\b|\bvector (?:animation|motion)\b|\b2 ?d (?:explainer|animation)\b"
)
# Paper is folded there, and the film is of hands and paper.
_FOLDING = re.compile(
    r"\bfold(?:s|ing)? (?:[a-z]+ )?(?:an?|the|his|her|it|some|two|three|origami|paper|sheets?|pieces?)\b|\b(?:do|does|doing|make|makes|making|learns?|learning|practic\w+|teach\w*|creat(?:e|es|ing)) (?:[a-z]+ ){0,3}origami\b"
    r"|\borigami (?:tutorial|class|lesson|workshop|instructions?|artist|master|hobby|demonstration)\b"
)


def told_styles(plain: str) -> Iterator[Fact]:
    """The styles that only several words together tell."""
    for value, pattern in (("monochrome", MONOCHROME), ("clay", _CLAYMATION), ("animation", _ANIMATED)):
        match = pattern.search(plain)
        if match is not None:
            yield Fact("style", value, words=match.group())


def folds_paper(text: str) -> bool:
    """True if origami is what somebody does there, and not what the film is made of."""
    return "origami" in text and _FOLDING.search(text) is not None
