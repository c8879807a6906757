"""Narrower words: a clip of a rowboat shows a boat, and who trudges walks; never the other way round. Written by hand. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from cache.matching.rules.words import stem

# What is asked for, and words each of which shows it.
_NARROWER = {
    # people
    "kid child": "kid child toddler boy girl baby infant preschooler schoolchild schoolboy schoolgirl pupil youngster teenager teen",
    "teen teenager": "teenage teenaged teen teenager adolescent",
    "elderly": "old grandfather grandmother grandpa grandma granny pensioner senior aged wrinkled",
    "senior": "elderly old grandfather grandmother grandpa grandma pensioner",
    "adult": "man woman guy lady gentleman",
    "man": "grandfather grandpa king prince groom waiter gentleman guy fisherman father dad husband policeman fireman businessman cowboy monk",
    "woman": "grandmother grandma queen princess bride waitress lady mother mom wife businesswoman ballerina actress nun geisha",
    "parent": "mother father mom dad mum",
    "mom mum mother": "mom mum mother mommy mama",
    "dad father": "dad father daddy papa",
    "grandparent": "grandmother grandfather grandma grandpa",
    "couple": "newlyweds bride lovers",
    "musician": "violinist guitarist pianist drummer saxophonist cellist trumpeter flutist harpist accordionist busker",
    "dancer": "ballerina breakdancer",
    "athlete": "sprinter runner gymnast swimmer footballer boxer cyclist skier surfer",
    "worker": "builder welder miner electrician plumber bricklayer labourer laborer farmer mechanic",
    "cook chef": "chef cook baker",
    # ways to move
    "walk": "stroll pad amble trudge stride saunter wander march plod shuffle tiptoe limp strut stomp hike wade toddle waddle pace prowl sidle",
    "run": "sprint jog dash race gallop bolt scamper rush charge bound",
    "jump": "leap hop bound vault breach pounce spring somersault",
    "swim": "paddle snorkel dive",
    "look": "gaze stare peer glance watch",
    "talk speak": "chat converse discuss whisper argue gossip",
    "eat": "munch nibble chew devour bite graze gobble slurp",
    "cry": "weep sob",
    "laugh": "giggle chuckle",
    "smile": "grin beam",
    "sleep asleep nap": "sleep asleep nap doze snooze slumber",
    "sit": "seated perch lounge recline squat",
    "happy happily": "joyful cheerful laugh smile grin delighted joyfully cheerfully",
    "chase": "pursue",
    "exercise": "workout",
    "drive": "cruise",
    "disappear": "vanish",
    "buy": "purchase",
    "ride": "pedal gallop mount",
    "exit": "leave",
    "weep": "cry sob",
    "hurry": "rush dash sprint",
    "put": "place",
    "watch": "observe look gaze onlooker spectator",
    "fly": "soar glide hover swoop flutter",
    "cook": "fry grill roast bake saute simmer boil",
    "clean": "wipe scrub mop sweep polish wash",
    "fall": "tumble plummet topple drop",
    "play": "frolic romp",
    "cut": "slice chop dice carve",
    "work": "type",
    "hold": "grip clutch cradle grasp",
    "shine": "gleam glow glisten sparkle",
    "move": "walk run drive roll crawl slide glide",
    # things
    "boat": "sailboat rowboat motorboat speedboat canoe kayak dinghy yacht gondola raft skiff catamaran lifeboat tugboat fishing-boat",
    "ship": "sailship steamship warship frigate galleon freighter tanker battleship",
    "plane airplan": "airliner jet jumbo boeing airbus biplane seaplane cessna",
    "car": "sedan limousine convertible suv hatchback taxi cab porsche ferrari lamborghini mustang tesla bmw audi mercedes",
    "bike bicycle": "bicycle bike",
    "truck": "lorry pickup",
    "bird": "sparrow robin eagle hawk owl parrot pigeon gull seagull heron crow raven swallow finch hummingbird kingfisher woodpecker",
    "dog": "puppy corgi poodle bulldog dalmatian beagle labrador chihuahua dachshund pug rottweiler greyhound samoyed pomeranian husky retriever terrier collie spaniel",
    "cat": "kitten tabby siamese persian",
    "flower": "rose tulip daisy lily sunflower orchid poppy daffodil peony lotus dandelion blossom",
    "tree": "oak pine birch willow maple palm fir spruce cedar sequoia redwood baobab",
    "fruit": "apple banana orange strawberry mango grape pineapple peach pear watermelon kiwi cherry lemon",
    "vegetable": "carrot onion tomato potato cabbage pepper broccoli cucumber",
    "building": "skyscraper tower house cottage church castle warehouse",
    "house": "cottage farmhouse townhouse bungalow cabin villa mansion",
    "water": "sea ocean lake river pond stream",
    "drink": "sip gulp slurp guzzle coffee tea juice lemonade cocktail beer wine smoothie",
    "dessert": "cake pie pudding tart cupcake",
    "insect bug": "beetle ant bee wasp butterfly moth dragonfly grasshopper ladybird ladybug",
    "toy": "doll teddy lego",
    "instrument": "violin guitar piano drum flute trumpet cello saxophone harp",
    "clothes clothing": "dressed clad outfit costume uniform",
    "skirt": "miniskirt",
    "seafood": "fish shrimp lobster crab oyster",
    "cloud": "cumulus stratus",
    "steps stairs": "stairs steps staircase stairwell stairway",
    "street road": "highway avenue boulevard lane alley",
    "home": "house apartment",
    "taxi": "cab",
    "ad advert advertisement": "commercial advert advertisement",
    "deserted": "empty abandoned",
    "broken": "damaged shattered smashed",
    "colourful colorful": "rainbow multicolored multicoloured",
    "young": "little",
    "old": "elderly aged",
    # light and weather
    "sun sunny": "sun sunny sunlit sunshine sunlight sunbeam",
    "fog foggy": "fog foggy mist misty haze",
    "ice icy": "ice icy frozen",
    "mud muddy": "mud muddy",
    "evening": "dusk sunset twilight nightfall sundown",
    "storm": "thunderstorm snowstorm sandstorm hurricane blizzard",
    "city": "cityscape downtown skyline metropolis manhattan tokyo london paris york",
}  # fmt: skip
_SHOWS: dict[str, frozenset[str]] = {}
for _asked, _words in _NARROWER.items():
    for _one in _asked.split():
        _SHOWS[stem(_one)] = _SHOWS.get(stem(_one), frozenset()) | frozenset(stem(word) for word in _words.split())
# Things by which a compound is named for what it is: a rowboat, a racehorse, a teacup. No lighthouse, no airship, no pineapple.
_HEADS = {
    stem(head): frozenset(stem(word) for word in but.split())
    for head, but in {
        "boat": "", "ball": "", "flower": "wallflower cauliflower", "coat": "undercoat", "storm": "brainstorm", "bird": "", "truck": "", "bike": "", "shop": "",
        "field": "", "yard": "", "road": "railroad", "berry": "", "market": "", "cake": "pancake", "bread": "gingerbread shortbread", "horse": "seahorse",
        "room": "mushroom", "bell": "barbell dumbbell", "pot": "", "cup": "hiccup buttercup", "glasses": "hourglass", "suit": "", "shelf": "", "path": "",
        "house": "lighthouse greenhouse dollhouse birdhouse warehouse powerhouse doghouse treehouse", "bag": "airbag", "snow": "", "light": "",
    }.items()
}  # fmt: skip
_LEAST = 3  # letters that a compound has before its head
# Whole phrases: who is a street musician is busking, and a whale that breaches jumps out of the sea.
_PHRASES: list[tuple[frozenset[str], re.Pattern[str]]] = [
    (frozenset(stem(word) for word in words.split()), re.compile(rf"\b(?:{pattern})\b"))
    for words, pattern in (
        ("busk busking busker", r"street (?:musicians?|performers?|artists?|singers?|violinists?|guitarists?|drummers?|saxophonists?)"
         r"|(?:play|sing|perform)\w* (?:[\w-]+ ){0,4}?(?:on|in) (?:the |a )?(?:[\w-]+ )?street"),
        ("jump leap out water sea ocean surface", r"breach(?:es|ing|ed)?"),
        ("wear wearing", r"dressed|\w+-clad|clad|in (?:an? |the |his |her |their )?(?:[\w-]+ ){0,3}?(?:suits?|tuxedos?|dress(?:es)?|gowns?|jerseys?|uniforms?|jackets?|shirts?|coats?|costumes?|hats?|clothing|clothes|outfits?)"),
        ("exercise", r"work(?:s|ing)? out"),
        ("chase", r"run(?:s|ning)? after"),
        ("watch look", r"look(?:s|ing)? on"),
        ("origami", r"fold\w* (?:[\w-]+ ){0,3}?paper"),
        ("paper", r"origami"),
        ("breach", r"(?:jump|leap|burst|launch|explod)\w* (?:[\w-]+ ){0,3}?(?:out of|from|above) the (?:[\w-]+ )?(?:water|sea|ocean|waves|surface)"),
    )
]  # fmt: skip


@lru_cache(maxsize=32_768)
def shown_by(asked: str, there: str) -> bool:
    """True if who asks for `asked` sees it in `there`; both are stems: "walk" / "trudg", "boat" / "rowboat"."""
    if there in _SHOWS.get(asked, frozenset()):
        return True
    heads = _HEADS.get(asked)
    return heads is not None and there.endswith(asked) and len(there) >= len(asked) + _LEAST and there not in heads


def told_by_a_phrase(asked: str, plain: str) -> bool:
    """True if a phrase of a clip's prompt shows what this stem asks for."""
    return any(asked in words and pattern.search(plain) is not None for words, pattern in _PHRASES)
