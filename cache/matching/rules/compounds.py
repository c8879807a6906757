"""Things whose name holds the name of another: a baseball bat is no bat, a fish bowl no fish, a toy car no car. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.matching.rules.exclusive import EXCLUSIVE
from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import ACTORS, ADJECTIVES, COLOURS, THINGS_IN_ING, listed
from cache.matching.rules.plain_words import FUNCTION
from cache.matching.rules.words import stem

# What follows a thing's name and makes another thing of it.
_HEADS = listed(
    """
    pie cake juice soup jam sauce bread cookie muffin tart smoothie salad sandwich bowl seat statue statuette skeleton skull toy mask house
    shop store cage castle figurine sculpture tattoo logo sticker plush plushie balloon poster seed bottle cup glass
    box bag case key window wheel tire tyre horn fur skin egg nest emoji icon pattern print puppet doll robot lamp candle
    soap tank trailer dealership showroom radio alarm crash engine bumper park farm market stall tree leaf blossom bark collar leash kennel
    bed blanket pillow book magazine movie game card wallpaper mug shirt sweater hat ring necklace pendant keychain magnet stamp coin shaped
    tail claw paw bone meat burger steak stew curry station stop ticket sign map model replica hologram float topiary ornament
    """
)
# What stands before a living or moving thing and makes a copy of it.
_COPIES = listed(
    """
    toy rubber paper balloon plush stuffed inflatable origami clay chocolate gummy teddy gingerbread cardboard lego robot robotic mechanical
    animatronic wax fake papier-mache felt knitted crochet ceramic porcelain marzipan bronze marble stone ice sand snow cartoon neon plastic
    wooden glass metal sugar foam tin clockwork plastic miniature holographic skeleton mannequin
    """
)
# A thing, and the words before it that make another thing.
_OTHERS = {
    thing: listed(words)
    for thing, words in {
        "bat": "baseball cricket softball", "mouse": "computer wireless optical gaming", "ring": "boxing key onion napkin wrestling piston teething",
        "crane": "construction tower building gantry harbor port", "dog": "hot corn prairie", "lion": "sea mountain", "horse": "sea rocking pommel saw",
        "bear": "water", "pig": "guinea", "cow": "sea", "fish": "jelly star cuttle gold-leaf swedish", "fly": "dragon butter fire fruit fishing",
        "apple": "pine custard adam's", "castle": "sand bouncy", "chair": "wheel electric", "boat": "gravy banana", "bow": "cross rain violin cello",
        "bridge": "nose dental land rope-of", "glass": "magnifying stained looking hour", "bank": "piggy river power blood food", "board": "skate surf snow diving ironing chess cutting",
        "tank": "fish water gas septic", "shell": "egg tortoise artillery taco", "key": "piano car-alarm", "book": "phone comic", "nail": "finger toe",
        "seal": "wax", "egg": "easter chocolate", "star": "movie pop rock film", "ball": "disco", "phone": "ear head", "pepper": "sergeant", "spring": "hot",
        "trunk": "tree car swim", "palm": "hand", "net": "basketball fishing mosquito", "stick": "drum lip chop pogo hockey", "cap": "bottle ice",
        "fan": "football soccer sports", "club": "night golf", "organ": "pipe", "monkey": "sock brass", "train": "model toy bridal", "car": "cable toy bumper",
        "plane": "paper toy model", "airplane": "paper toy model", "house": "doll bird green tree dog light play", "horn": "french shoe", "pool": "car whirl",
        "park": "amusement theme car skate water", "lamp": "head", "drum": "oil ear", "cake": "urinal fish rice", "pie": "cow", "candy": "eye",
    }.items()
}  # fmt: skip
_LIVING = frozenset(stem(word) for word in ACTORS) | frozenset(
    stem(word) for slot in ("animal", "vehicle", "profession") for word in EXCLUSIVE[slot]
)  # fmt: skip
_COPY_OF = re.compile(
    r"\b(skeleton|skull|mannequin|sculpture|figurine|hologram|silhouette|shadow|reflection|puppet|mask|fossil|carving|model|cutout|statue|effigy|costume"
    r"|balloon|photo frame|picture frame|wax figure|toy version|replica|plush)s? of (?:an? |the )?(?:[\w-]+ ){0,2}?(\w+)\b"
)


def compounds(new: Slots, cached: Slots) -> Iterator[str]:
    """Every mention of a thing asked for is, in the clip's prompt, part of another thing's name."""
    asked, there = new.plain.split(), cached.plain.split()
    stems, shown = [stem(word) for word in asked], [stem(word) for word in there]
    for at, thing in enumerate(stems):
        if len(thing) < 3 or thing not in shown or not _is_thing(asked[at]):
            continue
        before, after = (asked[at - 1] if at else ""), (asked[at + 1] if at + 1 < len(asked) else "")
        if after.isalpha() and after not in FUNCTION and not after.endswith(("s", "ing", "ed")):
            continue  # itself a part of a longer name
        other = ""
        for place, found in enumerate(shown):
            if found != thing:
                continue
            other = _other(thing, there, place, before, after, new)
            if not other:
                break
        if other:
            yield f"another thing: {asked[at]} / {other}"
            return
    for match in _COPY_OF.finditer(cached.plain):
        copied = stem(match[2])
        if copied in new.stems and stem(match[1]) not in new.stems and shown.count(copied) == 1:
            yield f"only a likeness: {match[2]} / {match.group()}"
            return


def _other(thing: str, there: list[str], place: int, before: str, after: str, new: Slots) -> str:
    """The other thing that this mention names, or ""."""
    left, right = (there[place - 1] if place else ""), (there[place + 1] if place + 1 < len(there) else "")
    if (
        right != after
        and stem(right) in _HEAD_STEMS
        and stem(right) not in new.stems
        and right.isalpha()
        and (right in _HEADS or not right.endswith(("ed", "ing")))  # "boots caked with mud" are boots
        and not _says_again(there[place], right)
        and not _acts(there[place], right, there, place + 2)
    ):
        return f"{there[place]} {right}"
    if left == before or left in new.stems or stem(left) in new.stems:
        return ""
    if left in _OTHERS.get(thing, ()) or left in _OTHERS.get(there[place], ()) or (left in _COPIES and thing in _LIVING):
        return f"{left} {there[place]}"
    return ""


def _says_again(thing: str, head: str) -> bool:
    """True if the second word only says what the first is: a pine tree is a pine."""
    return any({thing, stem(thing)} & kinds and stem(head) in heads for heads, kinds in _SAME_KIND)


def _is_thing(word: str) -> bool:
    """True if it may be a thing's name: no word of grammar, no adjective, no form in -ing or -ed."""
    return (
        word.isalpha()
        and word not in FUNCTION | ADJECTIVES
        and word not in COLOURS
        and word != "flat"  # "goes flat" tells how a tyre is
        and (word in THINGS_IN_ING or not word.endswith(("ing", "ed", "ous", "ful", "ical")))
    )


def _acts(thing: str, word: str, there: list[str], after: int) -> bool:
    """True if `word` may be a verb here: "a dog tails a cat", "a train stops at", "waves crash against"."""
    one, many = word.endswith("s"), thing.endswith("s") and not thing.endswith("ss") and not word.endswith("s")
    return (one or many) and after < len(there) and there[after] in _AFTER_A_VERB


_AFTER_A_VERB = listed("a an the at in on his her its for near up against through into over out off across")


# Heads that say again what a thing is, or what it comes wrapped in.
_SAME_KIND = [
    (frozenset(stem(word) for word in heads.split()), frozenset(form for word in kinds.split() for form in (word, stem(word))))
    for heads, kinds in (
        ("tree", "oak pine birch willow maple palm bonsai fir spruce cedar sequoia redwood baobab eucalyptus poplar cypress sycamore elm"),
        ("box bag", "gift present parcel package"),
        ("game", "chess football soccer basketball baseball tennis hockey volleyball rugby cricket golf badminton poker checkers domino"),
        ("shop store", "bakery pharmacy boutique grocery bookstore"),
        ("market", "bazaar flea"),
        ("stall", "market bazaar"),
        ("soup stew", "ramen pho minestrone gazpacho chowder goulash borscht"),
        ("bread", "baguette sourdough ciabatta focaccia naan pita"),
        ("hat", "fedora beanie sombrero beret bowler"),
        ("farm", "ranch orchard vineyard"),
        ("castle", "fortress"),
        ("robot", "android humanoid"),
        ("cake", "cheesecake brownie"),
        ("sandwich", "panini"),
        ("burger", "hamburger cheeseburger"),
        ("house", "cottage farmhouse townhouse"),
        ("card", "postcard"),
        ("book magazine", "comic comics"),
        ("park", "playground"),
    )
]
_HEAD_STEMS = frozenset(stem(word) for word in _HEADS)
