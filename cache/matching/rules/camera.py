"""The camera in English: what a prompt pins of it, what only looks like it, and looser words that meet an ask without making one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.matching.rules.facts import Fact
from cache.matching.rules.lexicon import CAMERA

_PINNED = {slot: [(value, re.compile(rf"\b(?:{pattern})")) for value, pattern in rows] for slot, rows in CAMERA.items()}
# Most prompts say nothing of the camera: one look spares them the many.
_ANY = re.compile(rf"\b(?:{'|'.join(pattern for rows in CAMERA.values() for _, pattern in rows)})")
_ADVERBS = r"(?:is )?(?:[a-z]+ly )?"
# A clip that says these answers who asks for that value; who says these asks for nothing that a clip must name.
_LOOSE: dict[str, dict[str, str]] = {
    "camera move": {
        "orbit": rf"camera {_ADVERBS}(?:mov|travel|glid|sweep|swing|spin|rotat|turn|fl|go|rov)\w* (?:[\w-]+ )?around|(?:circl|rotat|revolv|spinn)ing (?:[a-z]+ly )?around",
        "tracking": rf"camera {_ADVERBS}(?:trail|chas|keep|runs?|runn|rid|mov|travel|glid|fl|slid)\w* (?:pace|along|alongside|beside|with|after|behind)\b|tracks (?:him|her|them|it|the)\b|trucking|gimbal|(?:shot|drone|footage|lens) (?:[a-z]+ly )?(?:follow|track)(?:s|ing)\b",
        "push in": rf"camera {_ADVERBS}(?:creep|inch|glid|drift|float|fl|travel|eas|track|advanc|mov)\w* (?:[a-z]+ly )?(?:in|in on|forwards?|closer|towards?|ahead)\b|creeps? (?:in|closer)|dolly[- ]?in|push(?:es|ing)? (?:[a-z]+ly )?in(?:to)?\b",
        "pull out": rf"camera {_ADVERBS}(?:creep|inch|glid|drift|float|fl|travel|eas|track|retreat|back|mov|withdraw)\w* (?:[a-z]+ly )?(?:out|backwards?|away|back)\b|dolly[- ]?out|pull(?:s|ing)? (?:back|out|away)",
        "zoom in": r"zoom(?:s|ing|ed)? (?:[a-z]+ly )?(?:closer|onto|on|towards?)\b|zooms? (?:[a-z]+ly )?to a close",
        "zoom out": r"zoom(?:s|ing|ed)? (?:[a-z]+ly )?(?:away|wide|wider)\b",
        "tilt up": rf"camera {_ADVERBS}(?:look|mov|sweep|swing|ris|swivel)\w* (?:[a-z]+ly )?(?:up|upwards?)\b|tilt(?:s|ing)? [a-z]+ly up",
        "tilt down": rf"camera {_ADVERBS}(?:look|mov|sweep|swing|swivel)\w* (?:[a-z]+ly )?(?:down|downwards?)\b|tilt(?:s|ing)? [a-z]+ly down",
        "crane up": rf"camera {_ADVERBS}(?:mov|float|fl|climb|soar|rais|sweep|lift|boom)\w* (?:[a-z]+ly )?(?:up|upwards?|higher)\b|(?:crane|jib|boom) shot|rising (?:crane|camera|drone)",
        "crane down": rf"camera {_ADVERBS}(?:mov|float|fl|com|sink|drop|boom)\w* (?:[a-z]+ly )?(?:down|downwards?|lower)\b|(?:descending|falling) (?:crane|camera|drone)",
        "static": r"(?:static|fixed|stationary|motionless) (?:[\w-]+ )?(?:view|angle|viewpoint|perspective|composition|vantage)|tripod|locked (?:camera|frame)|(?:unmoving|motionless|fixed) (?:frame|lens)|camera (?:sits|stands|rests) (?:still|on)|one fixed",
        "handheld": r"(?:jittery|jerky|wobbly|jostling|shaky) (?:camera|camerawork|footage|shot|frame|handheld)|camerawork is shaky|phone footage|camcorder",
        "rack focus": r"focus (?:[a-z]+ly )?(?:shifts|moves|changes|racks|slides|pulls|passes)|shift(?:s|ing)? (?:of |in )?focus|(?:sharpness|focus) (?:shifting|moving|passing)",
    },
    "shot": {
        "close-up": r"up close|close on\b|extreme close|macro|(?:detail|insert|intimate) shot|fills? the (?:whole |entire )?frame|filling the (?:whole |entire )?frame|tight on\b|in tight\b|head[- ]and[- ]shoulders",
        "wide": r"wide (?:frame|vista|panorama|expanse)|panoram(?:a|ic)|vista|from (?:afar|far away|a (?:great )?distance)|(?:distant|full-length) (?:shot|view)|sweeping (?:view|shot)",
        "medium": r"half[- ](?:body|length)|(?:upper|mid)[- ]body|(?:cowboy|american|knee|three[- ]quarter) shot|chest[- ]up|waist[- ]high|from the (?:waist|chest|hips) up",
    },
    "camera position": {
        "aerial": r"looking (?:straight |directly )?down|flat[- ]?lay|high[- ]angle|(?:from|by) (?:an? |the )?(?:helicopter|plane|air|sky|balloon)|helicopter (?:shot|view|footage)|from (?:high up|overhead|the air|on high)|overhead|fly[- ]?over|satellite (?:view|image)|fpv|quadcopter|drones?",
        "low angle": r"looking (?:straight |directly |steeply )?up at|ground[- ]level|from (?:the )?(?:ground|floor)(?: level)?|low (?:camera|viewpoint|to the ground)|(?:camera )?looks? up|upward angle|low tracking",
        "first person": r"(?:subjective|helmet|body|head|action|dash|chest)[- ]?(?:camera|cam|mounted|shot|view)|gopro|through (?:the eyes|his eyes|her eyes|their eyes)|from (?:his|her|their|the \w+'?s?) (?:eyes|perspective|viewpoint)|cockpit view|your own",
        "over the shoulder": r"over (?:his|her|their|its|one|a|the [\w-]+) shoulder|past (?:his|her|their|an?|the) (?:[\w-]+ )?shoulders?\b|\bots\b",
        "front": r"head[- ]on|straight[- ]on|(?:facing|faces|towards?|into|at) the (?:camera|lens|viewer)|front[- ]facing|symmetrical(?:ly)? (?:shot|framed|framing|view)",
        "side": r"from (?:its|his|her|their|one) side|broadside|sideways (?:view|shot|tracking)|lateral|(?:seen|viewed|filmed|shot) from (?:the )?(?:left|right)|profile\b",
        "back": r"backs? (?:turned )?to (?:the )?(?:camera|lens|viewer|us)|(?:seen|viewed|filmed|shot) from (?:the )?back|from (?:his|her|their|its) back|camera (?:[\w-]+ ){0,3}?behind",
    },
    "speed": {
        "slow motion": r"slo[- ]?mo\b|(?:super|ultra|extreme|extremely)[- ]slow|high[- ]speed (?:camera|footage)|high frame[- ]rate|half speed|slowed|1000 ?fps|phantom camera",
        "time-lapse": r"speeded[- ]up|fast[- ]forwarded|accelerated|hours (?:pass|go by|compressed|fly)|days (?:pass|go by|compressed)",
    },
}
_HINTS = [(slot, value, re.compile(rf"\b(?:{pattern})")) for slot, rows in _LOOSE.items() for value, pattern in rows.items()]
# Light, rain and people come from a side, too, and there "from above" says nothing of the camera.
_NOT_CAMERA = re.compile(
    r"\b(?:lit|lights?|lighting|lamps?|lanterns?|sun|sunlight|sunbeams?|spotlights?|glows?|rays?|beams?|backlit|rain|snow|petals|confetti|water|leaves"
    r"|(?:shin|fall|pour|drip|hang|suspend|drop|descend|float|drift|illuminat|filter|stream|glow|swoop|div|com|jump|leap|attack|approach|sneak|hug|embrac"
    r"|grab|tackl|push|creep|emerg|appear|peek|ris|step|enter|cascad|rain|tumbl)\w*|fell|came)"
    r" (?:[\w-]+ ){0,3}?from (?:directly |straight |high |far )?(?:above|below|behind|the (?:front|side|left|right|rear|back))\b"
)
_ROUND_A_STAR = re.compile(
    r"\b(?:planets?|satellites?|earth|moons?|stars?|sun|spacecraft|spaceships?|astronauts?|asteroids?|comets?|rockets?|probe|space|mars|saturn|jupiter"
    r"|electrons?|atoms?|nucleus|galaxy|galaxies|black hole|solar system)\b"
)
_ORBITS = re.compile(r"\borbit")
_DENIED = re.compile(r"\b(?:not|no|never|without)(?: [\w-]+)?$")


def camera_facts(plain: str) -> Iterator[Fact]:
    """The facts of a prompt's plain words about the camera."""
    plain = _NOT_CAMERA.sub(" ", plain) if " from " in plain else plain
    if _ANY.search(plain) is not None:
        flying = "camera" not in plain and _ROUND_A_STAR.search(plain) is not None  # planets orbit, and no camera does
        for slot, rows in _PINNED.items():
            for value, pattern in rows:
                match = pattern.search(plain)
                if match and not (flying and value == "orbit" and _ORBITS.match(match.group())):
                    yield Fact(slot, value, words=match.group())


def hinted(slot: str, plain: str) -> frozenset[str]:
    """The values of `slot` that the looser words of a clip's prompt meet."""
    plain = _NOT_CAMERA.sub(" ", plain)
    found = ((value, pattern.search(plain)) for about, value, pattern in _HINTS if about == slot)
    return frozenset(value for value, match in found if match is not None and _DENIED.search(plain[: match.start()].rstrip()) is None)


def still_camera(plain: str) -> bool:
    """True if a camera is told to stand still, so that "no camera movement" says no more than that."""
    return any(value == "static" and pattern.search(plain) is not None for value, pattern in _PINNED["camera move"])
