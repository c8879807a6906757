"""Loud additions: what a clip shows beyond what was asked and nobody would overlook: writing, gore, nudity, reversed time, a drawn style, one more main subject.

More detail of the same scene is no such thing: framing, lens, light, mood and the words of photographers that a prompt extender adds. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.rules.exclusive import EXCLUSIVE
from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import ACTORS, listed
from cache.matching.rules.startling import is_likeness, startling
from cache.matching.rules.styles import folds_paper
from cache.matching.rules.words import folded, stem

_LOUD = {
    "writing": r"captions?|subtitles?|watermark(?:s|ed)?|logos?|text overlays?|overlay(?:ed)? text|on-?screen text|title cards?|lower[- ]thirds?|(?:news|scrolling|stock) tickers?|chyrons?|breaking news"
    r"|countdowns?|end card|credits roll|the words?|text (?:reads|reading|saying|that says|appears)|that (?:says|reads)|letterbox(?:ed)?|in (?:[\w-]+ ){0,3}letters|with [\"“] +[\"”] (?:in|across|over|appearing|floating)\b|overlaid with"
    # What fills the screen or flashes on it, quoted or told of; a text is told of in a scene, too: on a page, on a door.
    r"|[\"“] +[\"”] (?:[\w-]+ ){0,2}?(?:across|all over|over|fill(?:s|ing)?|cover(?:s|ing)?|flash(?:es|ing)?|blink(?:s|ing)?|scroll(?:s|ing)?|appear(?:s|ing)?|pop(?:s|ping)?|float(?:s|ing)?|slid(?:es|ing))"
    r"|(?:flashing|blinking|scrolling|floating|animated|superimposed|pop-?up|pulsing|bouncing) (?:[\w-]+ ){0,2}(?:text|words|letters|lettering|caption|titles?|typography|price|numbers)"
    r"|(?:text|words|letters|lettering|typography|slogan|headline|price|hashtags?) (?:[\w\"“” -]+ )?(?:across|over|fill\w*|cover\w*|on) (?:the )?(?:whole |entire |full |middle of the |cent(?:er|re) of the |bottom of the |top of the )*(?:screen|frame|picture|image|video|footage)"
    r"|(?:price|discount|sale|promo(?:tional)?|subscribe|like|buy) (?:tags?|stickers?|buttons?|banners?|overlays?|badges?|bursts?) (?:[\w-]+ ){0,3}(?:pop|appear|flash|cover|fill|float|slid|bounc|across|over|in the corner)\w*"
    r"|(?:stickers?|emojis?|gifs?|speech bubbles?|pop-?ups?|hashtags?|qr codes?) (?:[\w-]+ ){0,3}(?:pop|appear|flash|cover|fill|float|slid|bounc|across|all over)\w*",
    "gore": r"blood(?!y? (?:moon|orange|type|cells?|vessels?))|bloody|bloodied|gore|gory|corpses?|dead (?:body|bodies|man|woman|person|people)|severed|"
    r"dismembered|decapitated|mutilated|entrails|murder(?:ed|s)?|stab(?:s|bed|bing)? (?:him|her|them|each other|the other|(?:a|the) (?:man|woman|person))|suicide|beheaded|headless|disembowel\w*|gruesome|intestines|guts (?:spill|hang)\w*|maimed|impaled|blood-?(?:soaked|stained|covered|spattered|splattered|drenched)|rotting flesh|cadavers?|shooting (?:at )?(?:a|the) (?:man|woman|crowd|people)",
    "nudity": r"nude|nudes|naked|topless|nudity|nsfw|undress(?:ed|es|ing)?|erotic",
    "reversed time": r"(?:in|plays? in|played in) reverse|played backwards?|reversed (?:footage|video|motion)|rewind(?:s|ing)?|backwards in time",
    "frozen time": r"freeze[- ]frames?|freezes? (?:mid|in place|in time|on the last)|time (?:stops|freezes|stands still)|bullet[- ]time|mannequin challenge",
    "slowed or sped time": r"slow[- ]?mo(?:tion)?\b|slowed down|time[- ]?lapse|hyper[- ]?lapse|sped[- ]up|fast[- ]forward(?:ed)?|(?:in|at) fast[- ]motion|fast[- ]motion (?:footage|video|clip)",
    "effect": r"dolly zooms?|vertigo effect|glitch(?:es|y|ing)?(?: effect)?|kaleidoscop\w*(?! of)|mirrored (?:into|like|image)|split[- ]screen|picture[- ]in[- ]picture|infinite loop|seamless(?:ly)? loop(?:s|ing)?",
    "treatment": r"datamosh\w*|(?:heavily |badly )?corrupted (?:video|footage|signal|file|pixels)|(?:tv|video|signal|screen) static|rgb[- ]split\w*|(?:heavy |strong )?pixelat\w+|thermal (?:vision|imaging|camera)|night[- ]vision|infrared (?:footage|camera|view|vision|film)"
    r"|x-?ray (?:view|vision|style|effect|image)|(?:inverted|negative|solari[sz]ed|posteri[sz]ed) (?:colou?rs?|image|film|picture)|colou?rs? (?:is |are )?inverted|ascii|halftone|screen tear(?:s|ing)?|distorted (?:image|video|footage|picture|colou?rs)"
    r"|(?:whole|entire) (?:video|film|clip|scene|picture|image|frame|footage) (?:[\w-]+ ){0,2}?(?:rendered|done|made|shown|drawn|turned|turns|dissolves|tinted|distorted) (?:as|in|into|like|of|out of)",
    "weapon": r"(?:military|army|battle|armou?red) (?:tanks?|vehicles?)|tanks? (?:[\w-]+,? ){0,6}?(?:firing|fires|shells|shelling|opens fire|opening fire|crush\w*|its cannon|its turret)|missiles?|bombs?|cannon fire|artillery|warplanes?|fighter jets?|machine guns?|rifles?|pistols?|handguns?|shotguns?|grenades?|explosions?|explodes?",
    "fire": r"(?:burst(?:s|ing)?|erupt(?:s|ing)?|goes up) (?:in|into) flames|on fire|catch(?:es|ing) fire|engulfed in flames|house fire",
    "style": r"anime|manga|cartoon(?:ish)?|cyberpunk|steampunk|vaporwave|synthwave|vhs|claymation|pixel[- ]art|8-bit|voxel|low[- ]poly|watercolou?r(?: painting)?"
    r"|oil painting|pencil (?:sketch|drawing)|charcoal drawing|ink wash|ukiyo-?e|origami|papercut|stop[- ]motion|lego|comic[- ]book|pop art|film noir"
    r"|black[- ]and[- ]white (?:film|footage|video|photo)|sepia|monochrome|ghibli|pixar|cel[- ]shaded|3d (?:render|animation)|surrealis[mt]|cubis[mt]|wireframe"
    r"|animat(?:ed|ion)[- ]styled?|^animated\b|(?:an?|in) animated (?:video|film|scene|clip)|^(?:an? )?black[- ]and[- ]white (?:landscape|scene|view|shot|close-up|image|portrait|animation)|surrealistic|[\w-]+ illustration|[\w-]+-inspired (?:painting|art)"
    r"|impressionis[mt]|(?:in|with) (?:an? )?(?!the\b|an?\b|his\b|her\b)[\w-]+ style",
}
# Words of one kind that a plain word in the ask stands for, too.
_ASKED = {
    "writing": r"text|words?|says?|reads?|saying|reading|written|writing|title|letters?|sign|label|caption|logo|watermark|subtitle|credits|poster|quote|spell|countdown|clock|timer|price|sale\b|discount|promo|banner|emoji|sticker|subscribe|qr code|monitor|billboard|display board|scoreboard|ticker|news|signage|dashboard|interface",
    "gore": r"blood|wound|kill|dead|zombie|horror|murder|battle|war|fight|surgery|injur|beheaded|headless|corpse",
    "treatment": r"glitch|corrupt|static|thermal|heat|infrared|night vision|x-?ray|invert|negative|ascii|matrix|hack|effect|distort|pixel|vhs|retro|skeleton|scan|cyber|halftone|pop art|psychedelic",
    "weapon": r"gun|weapon|shoot|soldier|war|battle|sniper|army|explo|hunt|bomb|firework|police|military|fight|action|tank|missile|rocket|navy|cannon|jet\b|air ?show|pirate|fort|artillery",
    "nudity": r"nude|naked|bath|shower|undress",
    "fire": r"fire|flame|burn|blaz|explo|smoke|arson|torch",
    "style": r"style|animat|drawn|drawing|paint|illustrat|render|art\b|3d|2d|cgi|retro|vintage|noir|sketch|toon|futuristic|neon|video game|diagram|graphic|chart|minecraft|slideshow",
    "slowed or sped time": r"slow|lapse|fast|speed|quick",
    "effect": r"zoom|glitch|loop|split|effect|screen",
    "frozen time": r"freez|frozen|still|stop",
    "reversed time": r"revers|backward|rewind",
}
_PATTERNS = {kind: re.compile(rf"(?:\b|(?=[\"“]))(?:{pattern})(?!\w)") for kind, pattern in _LOUD.items()}
_SAID = {kind: re.compile(rf"\b(?:{pattern})") for kind, pattern in _ASKED.items()}
_DENIED = re.compile(r"\b(?:no|not|without|never|avoid|free of|any|nor|or)\s+(?:\w+[\s,]+){0,2}$")
_PHOTOGRAPHIC = re.compile(
    r"documentary|cinematic|\b(?:photo|hyper|ultra)?[- ]?realis|photo|natural|film|movie|lifelike|commercial|editorial|vlog|candid|modern|minimalis|casual"
)
_WORDS = re.compile(r"[\w-]+")
_LONG = 30  # stems of a clip's prompt from which on it tells of much that is not its subject
_SUBJECTS = frozenset(stem(word) for word in ACTORS) | frozenset(
    stem(word) for slot in ("animal", "vehicle", "profession") for word in EXCLUSIVE[slot]
) | frozenset(stem(word) for word in listed("superhero superheroes band crocodile robot robots dinosaur dinosaurs monster ghost alien aliens soldiers crowd tank tanks"))  # fmt: skip
_JOINED = re.compile(
    r"^(?:an?|the|one|two|three)\s+(?:[\w-]+\s){0,2}?(\w+)(?:,? and|,? with|,? accompanied by| next to| alongside| beside)\s+"
    r"(?:an?|another|the|two|three|some)\s+(?:[\w-]+\s){0,2}?(\w+)\b"
)


# A subject of its own, in a clause of its own: "…, while a huge crocodile crawls out".
_FURTHER = re.compile(
    r"(?:\bwhile|\bas|[;,]|\bwith)\s+(?:(?:next to|beside|behind|in front of|around) (?:him|her|them|it|the \w+),?\s+)?"
    r"(?:an?|two|three|another|several)\s+((?:[\w-]+\s+){0,4}?[\w-]+)\s+(?:\w+(?:s|ing)\b|in\b|on\b)"
)
_MET = 0.99  # share of what is asked that must stand before it: what comes then was not asked for
# Two things side by side are two main subjects, however long a clip's prompt is; a table under the one is none.
_THING = r"(?:[\w-]+\s+){0,3}?([\w-]+)"
_BESIDE = [
    re.compile(pattern)
    for pattern in (
        rf"\b(?:to the (?:left|right) of|on the (?:left|right)(?: side)? of|on top of|at the bottom of|next to|atop|topped with)\s+(?:an?|the)\s+{_THING}"
        r"(?=[,]|\s+(?:with|on|in|and|at|that|which|is|are)\b|$)",
        rf"\ban?\s+(?:[\w-]+\s+){{0,3}}?[\w-]+\s+and\s+an?\s+{_THING}\s+(?:lying|placed|standing|side by side|resting|positioned)",
        rf"\bwith (?:an?|the)\s+{_THING}\s+(?:placed|positioned) (?:to|on|slightly)",
        rf"\bon the left and an?\s+{_THING}\s+on the right",
    )
]
_TERSE = 4  # content words of an ask that names one thing and no more
_SURFACES = frozenset(
    stem(word)
    for word in listed("""table counter countertop surface shelf desk floor ground bed windowsill ledge rock hill mountain cliff wall stage platform plate tray
    stand pedestal window sink river road street path tree trees building house lake pool water beach sea ocean shore fence door couch sofa chair
    bench machine roof head frame other another bottom top side left right it them him her fireplace stove lamp plant mat rug cloth napkin mirror""")
)

# A colour of cosmetics, shoes and tights.
_WARES = (
    r"(?:lip|lips|lipsticks?|lipgloss|gloss|make-?up|nails?|polish|eye ?shadows?|foundation|blush|palettes?|shades?|tones?|heels?"
    r"|pumps?|shoes?|sandals?|tights|stockings|nylons|manicure|bras?|colou?rs?|colou?red|pink|beige)"
)
_NUDE_SHADE = re.compile(
    rf"\bnude (?:[\w-]+ ){{0,2}}?{_WARES}\b|\b{_WARES}(?: [\w-]+)?,? (?:in|of|,) (?:an? )?(?:[\w-]+ )?nude\b|\bin nude(?= ?,| ?\.|$| and)"
)
_NUDE = re.compile(r"\bnudes?\b|\bnaked\b|\btopless\b|\bnudity\b|\bnsfw\b|\bundress|\berotic")
# What a clip's prompt says of itself before all else, however long it is.
_BLACK_AND_WHITE = re.compile(
    r"^(?:an? |the )?(?:[\w-]+ ){0,2}?(?:black[- ]and[- ]white|monochrome|greyscale|grayscale) (?:[a-z]+[- ]style |animated )?"
    r"(?:film|video|clip|footage|animation|movie)\b"
)


def additions(new: Slots, cached: Slots) -> Iterator[str]:
    by_another_name = new.values("style") & cached.values("style")
    for kind, words in loud_in_english(cached.written):
        if words not in new.written and not asked_in_english(kind, new.written) and not (kind == "style" and by_another_name):
            yield f"{kind}: not asked for / {words}"
    film = _BLACK_AND_WHITE.search(cached.written)
    if film is not None and "monochrome" not in new.values("style") and not {"black", "whit"} <= new.stems:
        yield f"style: not asked for / {film.group()}"
    yield from startling(new.written, cached.written)
    yield from _further(new, cached)
    joined = _JOINED.match(cached.written)
    if joined is not None:
        first, second = stem(joined[1]), stem(joined[2])
        if second in _SUBJECTS and first in new.stems and second not in new.stems and not new.stems & _SUBJECTS - {first}:
            yield f"one more subject: not asked for / {joined[2]}"


def asked_in_english(kind: str, text: str) -> bool:
    """True if the ask has what is loud in this way, or a plain word that stands for it."""
    said = _SAID.get(kind)
    return (said is not None and said.search(text) is not None) or _PATTERNS[kind].search(text) is not None


def _further(new: Slots, cached: Slots) -> Iterator[str]:
    for found in _FURTHER.finditer(cached.written):
        # In a clause of its own it is surely a further one, so that other words for what was asked may stand before it.
        named_as = folded if found.group().startswith(("while", "as")) else stem
        before = {named_as(word) for word in _WORDS.findall(cached.written[: found.start()])}
        if len(new.asked & before) < _MET * len(new.asked):
            continue
        named = [word for word in _WORDS.findall(found.group(1)) if stem(word) in _SUBJECTS]
        if named and stem(named[-1]) not in new.stems and len(cached.stems) < _LONG:
            at = cached.written.rindex(named[-1], found.start(1), found.end(1))
            if is_likeness(cached.written, at, at + len(named[-1])):
                continue
            yield f"one more subject: not asked for / {named[-1]}"
    if len(new.asked) <= _TERSE and len(cached.stems) >= _LONG and not new.stems & {"and", "with", "on", "next"}:
        first = cached.written.partition(".")[0]
        things = (match.group(1) for pattern in _BESIDE for match in pattern.finditer(first))
        beside = next((word for word in things if stem(word) not in new.stems | _SURFACES), None)
        if beside is not None:
            yield f"one more subject: not asked for / {beside}"


@lru_cache(maxsize=32_768)
def loud_in_english(text: str) -> tuple[tuple[str, str], ...]:
    """The kinds of what is loud in a clip's prompt, each with its words."""
    found = []
    for kind, pattern in _PATTERNS.items():
        if kind == "style" and folds_paper(text):
            text = text.replace("origami", " ")
        if kind == "nudity" and len(_NUDE_SHADE.findall(text)) == len(_NUDE.findall(text)):
            continue
        for match in pattern.finditer(text):
            if _DENIED.search(text[: match.start()]) is None and not (kind == "style" and _PHOTOGRAPHIC.search(match.group())):
                found.append((kind, match.group()))
                break
    return tuple(found)
