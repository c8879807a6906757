"""Words and forms for saying a real sentence otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable

from training.judge.wordnet import Wordnet

Change = Callable[[str], str | None]
PREPOSITIONS = [
    "on",
    "in",
    "under",
    "behind",
    "above",
    "beside",
    "inside",
    "outside",
    "over",
    "through",
    "across",
    "into",
    "onto",
    "near",
    "around",
    "off",
    "against",
    "between",
    "along",
    "toward",
    "below",
]
NEAR_PREPOSITIONS = [
    set(pair.split("/"))
    for pair in [
        "on/onto",
        "in/into",
        "in/inside",
        "on/over",
        "above/over",
        "under/below",
        "beside/near",
        "near/around",
        "across/over",
        "through/across",
        "on/in",
        "in/around",
        "on/against",
        "along/on",
        "in/through",
        "near/against",
        "into/inside",
        "on/along",
        "on/across",
        "through/along",
    ]
]
ACTIVE = re.compile(
    r"^((?:An?|The|Two|Three|Some) (?:[a-z-]+ ){0,2}[a-z]+) (?:is|are) ([a-z]+ing) ((?:an?|the|his|her|their|some|two|three) (?:[a-z-]+ ){0,2}?[a-z]+)"
    r"((?: (?:in|on|at|near|with|from|under|behind|beside|outside|inside|while|to|into|and) .*)?\.?)$"
)
NO_PASSIVE = {"be", "have", "become", "sit", "stand", "walk", "run", "lie", "look", "talk", "stay", "swim", "come", "go"}
PARTICIPLES: dict[str, str] = dict(
    pair.split("/")
    for pair in [
        "cut/cut",
        "hold/held",
        "throw/thrown",
        "ride/ridden",
        "eat/eaten",
        "take/taken",
        "make/made",
        "catch/caught",
        "hit/hit",
        "put/put",
        "drive/driven",
        "fly/flown",
        "draw/drawn",
        "read/read",
        "feed/fed",
        "break/broken",
        "build/built",
        "drink/drunk",
        "wear/worn",
        "write/written",
        "sing/sung",
        "give/given",
        "shoot/shot",
        "fight/fought",
        "lead/led",
        "sell/sold",
        "buy/bought",
        "blow/blown",
        "spread/spread",
        "set/set",
        "sweep/swept",
        "teach/taught",
        "tear/torn",
        "bring/brought",
        "beat/beaten",
        "bite/bitten",
        "choose/chosen",
        "dig/dug",
        "do/done",
        "find/found",
        "get/got",
        "grind/ground",
        "hang/hung",
        "keep/kept",
        "lay/laid",
        "leave/left",
        "lose/lost",
        "meet/met",
        "pay/paid",
        "see/seen",
        "sew/sewn",
        "shake/shaken",
        "show/shown",
        "spin/spun",
        "steal/stolen",
        "stick/stuck",
        "strike/struck",
        "swing/swung",
        "tell/told",
        "win/won",
        "wind/wound",
    ]
)
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
AND = re.compile(r"^((?:an?|the) [\w ]{2,20}?) and ((?:an?|the) [\w ]{2,20}?) (are|is|[a-z]+ing)\b", re.I)
PP_END = re.compile(
    r"^(.{12,}?) ((?:in|on|at|near|beside|next to|in front of|by|under|behind|inside|along) (?:the|an?|his|her|their|some|two) (?:[\w-]+ ?){1,3})\.?$",
    re.I,
)
BE_ING = re.compile(r"\b(is|are) (\w+ing)\b")
DET_NP = re.compile(r"\b(an?|the|his|her|their|two|three|another|some) ((?:[a-z-]+ ){0,2}?)([a-z-]+)\b")
EDIT_SYNONYMS = (
    "man/guy woman/lady kid/child kids/children child/kid boy/little_boy person/individual someone/a_person somebody/a_person "
    "photo/picture sofa/couch couch/sofa street/road road/street bike/bicycle bicycle/bike motorcycle/motorbike motorbike/motorcycle plane/airplane airplane/plane "
    "phone/cellphone tv/television television/tv forest/woods ocean/sea sea/ocean beach/seashore rabbit/bunny puppy/young_dog jump/leap jumps/leaps jumping/leaping "
    "talking/speaking speaking/talking talks/speaks speaks/talks large/big big/large small/little little/small tiny/small slicing/cutting cutting/slicing slices/cuts chopping/cutting "
    "running/jogging runs/jogs walking/strolling walks/strolls holding/carrying throwing/tossing throws/tosses throw/toss looking/gazing looks/gazes smiling/grinning smiles/grins "
    "beautiful/pretty beautiful/gorgeous group/bunch several/a_number_of many/lots_of begins/starts beginning/starting near/close_to beside/next_to next_to/beside under/beneath beneath/under "
    "shop/store store/shop car/automobile cooking/preparing prepares/cooks making/preparing lake/pond hill/slope cup/mug city/town path/trail hat/cap people/persons outside/outdoors outdoors/outside "
    "showing/demonstrating shows/demonstrates demonstrating/showing explaining/describing describing/explaining wearing/dressed_in elderly/old baby/infant lawn/grass yard/garden "
    "fast/quickly quickly/fast rapidly/quickly slowly/at_a_slow_pace atop/on_top_of inside/in while/as playing/playing_on woman/female man/male doctor/physician cop/policeman stone/rock rock/stone "
    "ship/vessel truck/lorry grass/lawn bread/loaf kitten/baby_cat pan/frying_pan dish/plate riding/riding_on mountain/peak"
)
SAME: dict[str, list[str]] = {}
for _pair in EDIT_SYNONYMS.split():
    _one, _other = _pair.split("/")
    SAME.setdefault(_one.replace("_", " "), []).append(_other.replace("_", " "))
WIDE = {
    "animal": ["dog", "cat", "horse", "cow", "bird", "elephant", "sheep", "zebra", "giraffe", "bear", "rabbit", "lion", "tiger", "monkey", "kitten", "puppy", "panda", "fox", "corgi", "deer", "goat", "pig", "squirrel"],
    "person": ["man", "woman", "boy", "girl", "surfer", "skateboarder", "chef", "player", "guy", "lady", "skier", "cyclist", "rider", "farmer", "doctor", "teacher", "singer", "teenager"],
    "people": ["men", "women", "boys", "girls", "children", "kids", "players", "surfers", "skiers", "guys", "ladies", "students"],
    "vehicle": ["car", "truck", "bus", "van", "motorcycle", "train", "tractor"],
    "child": ["boy", "girl", "toddler"],
    "children": ["boys", "girls"],
    "food": ["pizza", "sandwich", "cake", "burger", "soup", "salad"],
    "fruit": ["apple", "banana", "orange", "mango", "strawberry"],
    "furniture": ["chair", "table", "sofa", "couch"],
    "dog": ["corgi", "puppy", "poodle"],
    "bird": ["parrot", "owl", "eagle", "duck", "penguin"],
    "flower": ["rose", "tulip", "sunflower"],
    "drink": ["coffee", "beer", "wine", "tea"],
    "building": ["church", "house", "castle"],
    "instrument": ["guitar", "piano", "violin", "flute"],
}  # fmt: skip
WIDER = {word: up for up, words in WIDE.items() for word in words}
ADDED = [
    "red",
    "blue",
    "green",
    "old",
    "young",
    "small",
    "large",
    "wooden",
    "metal",
    "happy",
    "sad",
    "striped",
    "muddy",
    "tall",
    "white",
    "black",
    "yellow",
    "broken",
    "wet",
    "dirty",
    "smiling",
    "bearded",
    "empty",
    "purple",
    "shiny",
    "sleepy",
    "two-story",
    "leather",
    "plastic",
]
THINGS = [
    "a dog",
    "a cat",
    "a bicycle",
    "an umbrella",
    "a hat",
    "a red ball",
    "a ladder",
    "a guitar",
    "a child",
    "a bird",
    "a suitcase",
    "a phone",
    "a backpack",
    "a bucket",
    "a flag",
    "a balloon",
    "a camera",
    "a horse",
]


def lower_first(text: str) -> str:
    return text[0].lower() + text[1:] if (len(text) > 1 and text[1].islower()) or text[:2] == "A " else text


def fix_articles(text: str) -> str:
    def fix(match: re.Match[str]) -> str:
        right = "an" if match.group(2)[0] in "aeiou" and not match.group(2).startswith(("uni", "one", "use")) else "a"
        return (right.capitalize() if match.group(1)[0].isupper() else right) + " " + match.group(2)

    return re.sub(r"\b([Aa]n?) ([a-z]\w*)", fix, text)


def bare(ing: str, net: Wordnet) -> str | None:
    """ "riding" -> "ride" """
    rest = ing[:-3]
    tries = [rest + "e", rest, rest[:-1] if len(rest) > 2 and rest[-1] == rest[-2] else rest]
    counts = [(net.counts.get(word, {}).get("v", 0), word) for word in tries]
    best = max(counts)
    return best[1] if best[0] >= 1 else None


def participle(base: str) -> str:
    if base in PARTICIPLES:
        return PARTICIPLES[base]
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    if re.search(r"[^aeiou][aeiou][bdgmnpt]$", base) and len(base) <= 5:
        return base + base[-1] + "ed"
    return base + "ed"


def third_person(base: str) -> str:
    if base.endswith(("s", "x", "ch", "sh", "o", "z")):
        return base + "es"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + "s"


def progressive(base: str) -> str:
    """ "ride" -> "riding" """
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        return base[:-1] + "ing"
    if re.search(r"[^aeiou][aeiou][bdgmnprt]$", base) and len(base) <= 5:
        return base + base[-1] + "ing"
    return base + "ing"
