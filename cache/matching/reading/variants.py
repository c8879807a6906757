"""Spellings of one thing in one form, for rules and verifier: "close up" and "closup", "whiteboard", "slo-mo", "I'm", "doin". Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from cache.matching.reading.spelling import common_word_meant
from cache.matching.reading.vocabulary import met
from cache.matching.reading.wording import QUOTED
from cache.matching.rules.lexicon import table
from cache.prompt import is_chinese

# Words run together, and contractions with and without their apostrophe.
_GLUED = table(
    {
        "in_front": "infront", "a_lot": "alot", "each_other": "eachother", "on_top": "ontop", "next_to": "nextto", "as_well": "aswell", "at_least": "atleast",
        "a_bit": "abit", "in_between": "inbetween", "up_close": "upclose", "in_case": "incase", "even_though": "eventhough", "all_over": "allover",
        "i_am": "i'm im", "they_are": "they're theyre", "we_are": "we're", "you_are": "you're youre", "i_have": "i've", "we_have": "we've",
        "they_have": "they've", "you_have": "you've", "i_will": "i'll", "he_will": "he'll", "she_will": "she'll", "we_will": "we'll", "they_will": "they'll",
        "you_will": "you'll", "i_would": "i'd", "let_us": "let's", "that_is": "thats", "there_is": "theres", "going_to": "gonna", "want_to": "wanna",
        "don't": "dont", "doesn't": "doesnt", "isn't": "isnt", "can't": "cant", "didn't": "didnt", "aren't": "arent", "wasn't": "wasnt", "won't": "wont",
    }
)  # fmt: skip
_TURNING = r"(?:turntable|turn|rotation|rotating|rotat(?:e|es)|spin|spins|spinning|view|product|orbit|pan|panorama|camera|walk-?around|shot|video|tour|showcase|reveal|display|sweep|move|loop)"
# One form each. A carriage of a train is no car, and what is told is what is seen there.
_SAME = [
    (re.compile(rf"(?<![\w'-])(?:{'|'.join(sorted(map(re.escape, _GLUED), key=len, reverse=True))})(?![\w'-])", re.IGNORECASE), _GLUED),
    *(
        (re.compile(rf"(?<![\w'-])(?:{pattern})(?![\w'-])", re.IGNORECASE), said)
        for pattern, said in (
            (r"close-?ups?|clos-?up|closeu?p|colse-? ?up", "close-up"),
            # "the shutters close up" is no shot.
            (
                r"(?:(?<=extreme )|(?<=very )|(?<=super )|(?<=ultra )|(?<=tight )|(?<=big )|(?<=a )|(?<=an )|(?<=in )|(?<=the )|(?<=macro )|(?<=detailed )"
                r"|(?<=cinematic )|(?<=static )|(?<=medium )|(?<=slow )|(?<=[,.;:(] )|(?<![\s\S]))close ups?(?! (?:shop|the|a|an|his|her|their|its|at|for)\b)"
                r"|close ups?(?= (?:of|on|shots?|views?|photo|portrait|footage|videos?|macro|angle|framing)\b)|(?<=[a-rt-z] )close up(?=\s*(?:[,.;]|$))",
                "close-up",
            ),
            (r"slo-?mo(?:tion)?|slow-?mo|slo mo(?:tion)?|slow mo|slow-motion|slowmotion", "slow motion"),
            (r"time ?lapse", "time-lapse"),
            (r"white boards?", "whiteboard"),
            (r"(?:black|chalk) boards?", "blackboard"),
            (r"t ?shirts?|tee[ -]shirts?|tee(?= shirt)", "t-shirt"),
            (r"(?:metro|underground|tube) station", "subway station"),
            (r"tyre", "tire"),
            (r"tyres", "tires"),
            (r"tires? (?:goes|go|going|gone|went) flat", "flat tire"),
            (r"(?:(?<=on the )|(?<=in the ))(?:underground|metro)(?=\s*(?:[,.;]|$| at\b| in\b| with\b| during\b| while\b))", "subway"),
            (r"(?:subway|metro|underground|tube) (?:train|car|carriage|coach|wagon)", "subway train"),
            (r"(?:subway|metro|underground|tube) (?:trains|cars|carriages|coaches|wagons)", "subway trains"),
            (r"tram ?cars?|streetcar", "tram"),
            (r"(?:train|railway|rail|railroad|dining|sleeping|sleeper|freight) (?:car|carriage|coach|wagon)", "train carriage"),
            (r"(?:train|railway|rail|railroad|dining|sleeping|sleeper|freight) (?:cars|carriages|coaches|wagons)", "train carriages"),
            (r"cable car", "cable-car"),
            (r"cable cars", "cable-cars"),
            (rf"360(?:°|[ -]?deg(?:ree)?s?)?(?= (?:[a-z]+ )?{_TURNING}(?![\w-]))", "360 degree"),
            (r"japanese wood[ -]?block(?:[ -](?:print|printing|art|style))?s?|ukiyo e", "ukiyo-e"),
            (r"play[ -]?doh", "plasticine"),
            (r"(painting|drawing|print|sketch|noir|book)-styled?", r"\1 style"),
            (r"vedios?|vidoes?", "video"),
            (r"aireal|arial(?= (?:view|shot|footage))|areal(?= (?:view|shot|footage))", "aerial"),
            (r"mt\.?(?= (?:fuji|everest|rainier|etna|vesuvius|kilimanjaro|blanc|hood|rushmore|kailash|olympus))", "mount"),
            (r"origami papers?", "origami"),
            (
                r"(?:sped|speeded)[- ]up(?= (?:footage|video|clip|film|shot))|fast[- ]motion(?= (?:footage|video|clip|film|shot))|(?<=in )fast[- ]motion",
                "time-lapse",
            ),
            (r"side[ -]?scroll(?:er|ing)", "side-scrolling"),
        )
    ),
]
# A field of the request says it, and so does a flag of other tools: alone it is no fact. "9:16 portrait" is one.
ASKED_SHAPE = re.compile(r",?\s*\baspect ratio \d{1,2}(?:\.\d+)?:\d{1,2}\b(?!\s+\w)", re.IGNORECASE)
SHAPE = re.compile(
    r"\b(?:vertical|horizontal|portrait|landscape format|wide-?screen|ultra-?wide|square (?:format|video|frame)|anamorphic|letterbox\w*"
    r"|\d{1,2}(?:\.\d+)?:\d{1,2})\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<![\w'’@#/.&<{\\-])[a-z]{4,}(?![\w’@/&>}\\-]|'\w)")
_DROPPED = 30  # times as often is "doing" met as "doin", while "robin" is the commoner word

_GLUED_TO = 100


@lru_cache(maxsize=32_768)
def in_one_spelling(text: str) -> str:
    """`text` with what is spelt in many ways in one of them. Words in capitals, and such as may be names, stay."""
    text = text.replace("’", "'")
    for pattern, said in _SAME:
        if isinstance(said, str):
            text = pattern.sub(said, text)
        else:
            text = pattern.sub(lambda found: _GLUED[found.group().lower()].replace("_", " "), text)
    return _WORD.sub(lambda found: _meant(found.group()), text)


@lru_cache(maxsize=16_384)
def told_alike(new: str, cached: str) -> tuple[str, str]:
    """Both prompts, as read, in one spelling, and the new one without a shape that it names as a field where the clip's prompt names none.

    What is to be shown as text stays as it was written.
    """
    if is_chinese(new, cached):
        return new, cached
    if SHAPE.search(cached) is None:
        new = ASKED_SHAPE.sub("", new) or new
    return _outside_quotations(new), _outside_quotations(cached)


def _outside_quotations(text: str) -> str:
    parts, at = [], 0
    for quoted in [*QUOTED.finditer(text), None]:
        parts.append(in_one_spelling(text[at : quoted.start()] if quoted else text[at:]))
        if quoted:
            parts.append(quoted.group())
            at = quoted.end()
    return "".join(parts)


@lru_cache(maxsize=32_768)
def _meant(word: str) -> str:
    whole = f"{word}g"
    # "chairin" is "chair in", with its space lost.
    if word.endswith("in") and met(whole) > _DROPPED * met(word) and met(word[:-2]) < _GLUED_TO * met(whole):
        return whole
    return common_word_meant(word) or word
