"""Snares, which a careless reader takes for the same: a thing named after another, a deed not done, one of two."""

from __future__ import annotations

import random
import re

from training.judge.wording import bare
from training.judge.wordnet import Wordnet

# The longer name is another thing than the shorter one …
_OTHER = """toy:train,car,truck,soldier,robot,plane,boat,horse,dinosaur|stuffed:tiger,rabbit,elephant,dog,fox|rocking:horse|hot:dog|sea:horse,cucumber,urchin|
wax:man,queen,singer|ice:dragon,castle|gingerbread:man,house|snow:leopard,globe|butter:fly|dragon:fly,fruit|fire:fly|lady:bug|horse:shoe,chestnut|
computer:mouse,virus|paper:crane,boat,tiger,rose|origami:swan,frog,crane|plastic:flamingo,fork,cow|stone:lion,eagle,angel|bronze:horse,bull|
clay:bird,man|cardboard:car,robot,castle|chocolate:rabbit,egg,coin|wooden:horse,duck,sword|piggy:bank|bath:robe|flower:pot,girl|hand:bag,shake|foot:ball,print|
hair:brush,band|tooth:brush|egg:plant|pine:apple,cone|jelly:fish|star:fish|cat:fish,walk|sword:fish|guinea:pig|prairie:dog|tin:soldier|paint:brush|
water:melon,lily,gun|sun:flower,glasses|moon:cake,light|rain:coat,bow|race:horse,track|lawn:mower,chair|shadow:puppet,boxer|christmas:ball|crystal:ball,palace|
traffic:jam,cone|wedding:ring,cake|key:board|book:shelf,worm|tea:pot,spoon|coffee:table|card:house|dog:house|bird:cage,house|tree:house|light:house|green:house|
fire:truck,place|candy:cane|cotton:candy|sugar:cane|statue of a:horse,man,lion,woman|painting of a:ship,cat,king|photo of a:wolf,train,child|
drawing of a:house,bird|silhouette of a:dancer,deer|hologram of a:whale,woman|mannequin of a:man|sculpture of a:bear,dancer|tattoo of a:snake,rose""".replace(
    "\n", ""
)
# … and here it is one of its kind.
_KIND = """sports:car|police:car|guide:dog|sheep:dog|grizzly:bear|birthday:cake|chocolate:cake|sailing:boat|fishing:boat|fairy-tale:castle|oak:tree|palm:tree|apple:tree|
tennis:ball|office:chair|kitchen:knife|steam:train|freight:train|school:bus|mountain:bike|acoustic:guitar|electric:guitar|pop:singer|opera:singer|ballet:dancer|
straw:hat|cowboy:hat|silk:scarf|leather:jacket|rain:jacket|wedding:dress|summer:dress|coffee:cup|glass:bottle|dining:table|football:player|desert:fox|arctic:fox|
racing:horse|street:musician|city:street|forest:path|sandy:beach|mountain:lake|stone:bridge|brick:house|farm:house|grey:wolf|humpback:whale|barn:owl""".replace(
    "\n", ""
)
_PLACES = """in a garden|on a table|on a shelf|by the window|in a field|in the rain|on the beach|in a box|at night|in the snow|on the floor|in a museum|in a shop|
on a wall|near a river|under a lamp|in slow motion|close-up|on a stage|in a playground|in a bedroom|on a rooftop|next to a tree|on a wooden bench|in the kitchen|
against a white background|at sunset|with people around it|spinning slowly|seen from above""".replace("\n", "").split("|")
_NOT_YET = [
    "about to {}",
    "trying to {}",
    "getting ready to {}",
    "pretending to {}",
    "refusing to {}",
    "waiting to {}",
    "almost able to {}",
    "no longer about to {}",
]
_NEITHER = [
    ("{} and {}", "{} or {}"),
    ("both {} and {}", "either {} or {}"),
    ("{} and {}", "neither {} nor {}"),
    ("{} as well as {}", "{} instead of {}"),
    ("{} and {}", "{} but no {}"),
    ("{} with {}", "{} without {}"),
]


def _named(text: str) -> list[tuple[str, str]]:
    found = []
    for part in text.split("|"):
        first, _, heads = part.partition(":")
        found += [(first, head) for head in heads.split(",")]
    return found


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


class Snares:
    def __init__(self, net: Wordnet, texts: list[str], rng: random.Random) -> None:
        self._net, self._rng = net, rng
        self._other, self._kind = _named(_OTHER), _named(_KIND)
        self._doing = [text for text in texts if len(text.split()) < 25 and re.search(r"\b(?:is|are) [a-z]{3,}ing\b", text)]
        self._things = [thing for thing in sorted(net.seen) if 3 < len(thing) < 9 and net.counts.get(thing, {}).get("n", 0) > 8]

    def drawn(self) -> tuple[str, str, int, str] | None:
        rng = self._rng
        draw = rng.random()
        if draw < 0.4:
            first, head = rng.choice(self._other)
            place = rng.choice(_PLACES)
            short, long = f"{_article(head)} {place}", f"{_article(f'{first} {head}')} {place}"
            return (short, long, 0, "snare_name") if rng.random() < 0.7 else (long, short, 0, "snare_name")
        if draw < 0.58:
            first, head = rng.choice(self._kind)
            place = rng.choice(_PLACES)
            short, long = f"{_article(head)} {place}", f"{_article(f'{first} {head}')} {place}"
            return (short, long, 1, "snare_kind") if rng.random() < 0.75 else (long, short, 0, "snare_kind")
        if draw < 0.82:
            text = rng.choice(self._doing)
            match = re.search(r"\b(is|are) ([a-z]{3,}ing)\b", text)
            verb = bare(match.group(2), self._net) if match else None
            if match is None or not verb:
                return None
            said = f"{text[: match.start(2)]}{rng.choice(_NOT_YET).format(verb)}{text[match.end() :]}"
            return (text, said, 0, "snare_undone") if rng.random() < 0.6 else (said, text, 0, "snare_undone")
        one, other = rng.sample(self._things, 2)
        place = rng.choice(_PLACES)
        left, right = (form.format(_article(one), _article(other)) for form in rng.choice(_NEITHER))
        if rng.random() < 0.35:
            return f"{_article(other)} and {_article(one)} {place}", f"{left} {place}", int(" with " not in left), "snare_both"
        return (
            (f"{left} {place}", f"{right} {place}", 0, "snare_either")
            if rng.random() < 0.5
            else (f"{right} {place}", f"{left} {place}", 0, "snare_either")
        )
