"""The phrases that the demo model is taught, by their meaning. Tables only; captions.py makes sentences of them."""

from __future__ import annotations

import re

from generator.demo.scenes import Background, Colour, Motion, Shape, Size


def _either(phrases: str) -> tuple[str, ...]:
    return tuple(phrases.split("|"))


SHAPES: dict[Shape, tuple[str, ...]] = {
    Shape.CIRCLE: ("circle", "circle", "ball", "ball", "disc", "disk", "sphere", "orb", "dot", "round ball", "marble"),
    Shape.SQUARE: ("square", "square", "box", "box", "block", "cube", "tile", "brick", "crate"),
    Shape.TRIANGLE: ("triangle", "triangle", "triangle", "triangular shape", "pyramid", "wedge", "three-sided shape"),
    Shape.DIAMOND: ("diamond", "diamond", "diamond", "rhombus", "lozenge", "diamond shape", "gem", "kite"),
    Shape.RING: ("ring", "ring", "donut", "doughnut", "hoop", "torus", "hollow circle", "bagel", "annulus"),
    Shape.STAR: ("star", "star", "star", "five-pointed star", "star shape", "starfish", "pentagram"),
}

COLOURS: dict[Colour, tuple[str, ...]] = {
    Colour.RED: ("red", "red", "red", "bright red", "crimson", "scarlet", "ruby", "cherry red", "deep red", "ruby red"),
    Colour.GREEN: ("green", "green", "green", "bright green", "emerald", "lime green", "emerald green", "vivid green"),
    Colour.BLUE: ("blue", "blue", "blue", "royal blue", "deep blue", "navy", "bright blue", "dark blue", "sapphire"),
    Colour.YELLOW: ("yellow", "yellow", "yellow", "bright yellow", "golden", "lemon yellow", "sunny yellow", "gold"),
    Colour.ORANGE: ("orange", "orange", "orange", "bright orange", "tangerine", "amber", "vivid orange"),
    Colour.PURPLE: ("purple", "purple", "purple", "violet", "deep purple", "lavender", "indigo", "bright purple"),
    Colour.WHITE: ("white", "white", "white", "snow-white", "ivory", "pure white", "snowy white", "bright white"),
    Colour.PINK: ("pink", "pink", "pink", "hot pink", "rose", "magenta", "bright pink", "rosy", "light pink", "fuchsia"),
    Colour.CYAN: ("cyan", "cyan", "cyan", "turquoise", "aqua", "teal", "bright cyan", "aquamarine", "light cyan"),
    Colour.BROWN: ("brown", "brown", "brown", "chocolate brown", "dark brown", "chestnut", "chocolate", "coffee-brown"),
}

SIZES: dict[Size, tuple[str, ...]] = {
    Size.SMALL: ("small", "small", "tiny", "tiny", "little", "mini", "miniature", "wee", "teeny", "itty-bitty"),
    Size.MEDIUM: ("medium", "medium-sized", "mid-sized", "medium-size", "average-sized", "regular", "normal-sized"),
    Size.LARGE: ("large", "large", "big", "big", "huge", "giant", "enormous", "massive", "great big", "gigantic"),
}

_ROAM = _either(
    "move|move|move|move|slide|slide|glide|drift|travel|go|float|fly|head|sail|roll|shift|run|race|zoom|slip|cruise|"
    "dash|walk|speed|scoot|wander|journey|march|pass|swim|crawl|creep"
)

_RIGHT = _either(
    "right|right|to the right|to the right|to the right|rightward|rightwards|towards the right|toward the right|"
    "from left to right|from left to right|from the left to the right|off to the right|over to the right|"
    "towards the right side|to the right side|to the right edge|toward the right edge|across to the right|"
    "across the screen to the right|across the frame from left to right|from the left side to the right side|"
    "to the right-hand side|right across the screen|to its right|across from left to right"
)
_SWAP = {"left": "right", "right": "left", "leftward": "rightward", "rightward": "leftward"}
_LEFT = tuple(
    re.sub(r"\b(left|right)(wards?|)\b", lambda m: _SWAP[m[1]] + m[2], phrase) for phrase in _RIGHT if phrase != "right across the screen"
)
_UP = _either(
    "up|up|up|upward|upwards|upward|upwards|to the top|toward the top|towards the top|from bottom to top|"
    "from the bottom to the top|up the screen|straight up|up into the air|towards the top of the frame|higher|"
    "up and away|toward the top edge|skyward|up high|up to the top|higher and higher"
)
_DOWN = _either(
    "down|down|down|downward|downwards|downward|downwards|to the bottom|toward the bottom|towards the bottom|"
    "from top to bottom|from the top to the bottom|down the screen|straight down|towards the bottom of the frame|"
    "lower|to the ground|toward the bottom edge|towards the ground|down to the bottom|lower and lower|to the floor"
)

RISING = _either(
    "rise|rise|rise up|ascend|climb|climb up|soar|soar up|lift off|take off|rise upward|rise into the air|rise higher|"
    "float up|float up|float upward|float upwards|drift up|drift upward|fly up|go up|head up|shoot up|levitate upward|"
    "rise to the top|climb higher|ascend to the top|rise slowly|soar upward|lift up|rise from the bottom to the top"
)
FALLING = _either(
    "fall|fall|fall|fall down|drop|drop|drop down|sink|sink down|descend|plunge|plummet|tumble down|fall downward|"
    "fall to the ground|fall from the top|drop to the bottom|drop from above|sink to the bottom|go down|come down|"
    "float down|drift down|drift downward|fall from above|descend to the bottom|sink lower|fall to the bottom|"
    "fall straight down|head down|sink downward|slide down|fall from the sky|fall out of the air|float downward"
)


def _roam(ways: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{verb} {way}" for way in ways for verb in _ROAM)


VERBS: dict[Motion, tuple[tuple[str, ...], ...]] = {
    # Each motion has groups of phrases; a group is drawn first, then a phrase within it,
    # so that the few common phrases are not drowned by the many combined ones.
    Motion.RIGHT: (_roam(_RIGHT),),
    Motion.LEFT: (_roam(_LEFT),),
    Motion.UP: (_roam(_UP), RISING),
    Motion.DOWN: (_roam(_DOWN), FALLING),
    Motion.BOUNCE: (
        ("bounce", "bounce", "bounce up and down", "bounce around", "bounce on the spot", "keep bouncing"),
        ("hop", "hop up and down", "jump", "jump up and down", "bob up and down", "leap up and down", "bounce in place"),
        ("move up and down", "go up and down", "leap", "spring up and down", "bounce happily", "dribble", "keep hopping"),
    ),
    Motion.SPIN: (
        ("spin", "spin", "spin around", "spin in place", "spin on the spot", "keep spinning", "spin like a top"),
        ("rotate", "rotate", "rotate in place", "rotate on the spot", "turn", "turn around", "turn on the spot"),
        ("twirl", "whirl", "twirl around", "spin on its axis", "rotate around its centre", "rotate about its center"),
        ("turn like a wheel", "spin round", "pirouette", "swivel", "twist around", "spin about its center", "whirl around"),
    ),
    Motion.GROW: (
        ("grow", "grow", "grow bigger", "grow larger", "get bigger", "get larger", "become bigger", "become larger"),
        ("expand", "swell", "inflate", "enlarge", "grow in size", "increase in size", "get bigger and bigger", "grow up"),
        ("swell up", "expand outward", "double in size", "puff up", "become huge", "blow up like a balloon", "scale up"),
    ),
    Motion.SHRINK: (
        ("shrink", "shrink", "shrink down", "get smaller", "get smaller", "become smaller", "grow smaller"),
        ("contract", "deflate", "dwindle", "shrink in size", "decrease in size", "get smaller and smaller", "get tiny"),
        ("shrink away", "reduce in size", "become tiny", "diminish", "lose size", "scale down", "turn smaller"),
    ),
    Motion.CIRCLE: (
        ("circle around", "circle around", "circle", "move in a circle", "go in circles", "go around in a circle"),
        ("orbit", "orbit around", "orbit the centre", "orbit the center", "orbit the middle", "loop around", "orbit"),
        ("move in circles", "travel in a circle", "fly in a circle", "fly in circles", "run in circles", "go in a circle"),
        ("circle around the middle", "circle the centre", "revolve around the center", "move around in a circle"),
        ("go round in circles", "make a circle", "follow a circular path", "trace a circle", "glide in a circle"),
        ("loop in a circle", "revolve around the middle", "travel along a circle", "go round and round in a circle"),
    ),
    Motion.STILL: (
        ("stay still", "stay still", "sit still", "stand still", "remain still", "hold still", "keep still", "lie still"),
        ("stay in place", "stay put", "rest", "sit", "stand", "wait", "stay where it is", "remain in place", "stay there"),
        ("hover in place", "hang motionless", "stay motionless", "sit motionless", "remain motionless", "freeze", "lie"),
        ("remain stationary", "stay fixed", "sit quietly", "rest in place", "keep its place", "sit there", "just sit there"),
    ),
}

UNMOVED = _either(
    "not moving|motionless|perfectly still|completely still|at rest|without moving|frozen in place|stationary|"
    "standing still|static|still|that does not move|that doesn't move|which does not move|that is not moving"
)
"""Ways to say `still` after a noun that are no verb."""

PREMOTIONS: dict[Motion, tuple[str, ...]] = {
    Motion.UP: ("rising", "ascending", "climbing", "upward-moving"),
    Motion.DOWN: ("falling", "sinking", "dropping", "descending", "downward-moving"),
    Motion.RIGHT: ("right-moving", "rightward-moving"),
    Motion.LEFT: ("left-moving", "leftward-moving"),
    Motion.BOUNCE: ("bouncing", "bouncing", "hopping", "jumping", "bouncy"),
    Motion.SPIN: ("spinning", "spinning", "rotating", "twirling", "turning", "whirling"),
    Motion.GROW: ("growing", "expanding", "swelling", "inflating"),
    Motion.SHRINK: ("shrinking", "contracting", "deflating", "dwindling"),
    Motion.CIRCLE: ("circling", "orbiting"),
    Motion.STILL: ("still", "motionless", "stationary", "static", "unmoving", "resting", "frozen"),
}
"""Ways to say a motion before a noun: "a spinning red star"."""

PLACES: dict[Background, tuple[str, ...]] = {
    Background.BLACK: _either(
        "on black|on a black background|against a black background|in front of a black background|over black|"
        "with a black background|against black|on a dark background|in the dark|in darkness|in a black void|"
        "on a plain black background|on a pitch-black background|before a black backdrop|on a black screen|"
        "in a dark room|in an all-black scene|with black behind|in front of a dark backdrop"
    ),
    Background.WHITE: _either(
        "on white|on a white background|against a white background|in front of a white background|over white|"
        "with a white background|against white|on a plain white background|on white paper|on a blank white page|"
        "on a bright white background|before a white backdrop|on a white screen|against a white wall|on a white page|"
        "on a clean white background|in a white room|in an all-white scene|with white behind|on a white sheet"
    ),
    Background.SKY: _either(
        "in the sky|in the blue sky|against a blue sky|against the blue sky|under a blue sky|in a clear blue sky|"
        "in front of a blue sky|with a blue sky behind it|up in the sky|against the sky|in the clear sky|in a blue sky|"
        "on a blue sky background|in broad daylight|on a clear day|on a sunny day|beneath a clear blue sky|"
        "in the daytime sky|with the blue sky behind|in the bright blue sky|under the open sky"
    ),
    Background.STARS: _either(
        "at night|in space|in outer space|under the stars|in a starry night|in the starry night|among the stars|"
        "against a starry sky|in the night sky|under a starry sky|on a starry night|against a starry night sky|"
        "in deep space|with stars in the background|in front of a starry night|beneath the stars|in a starry sky|"
        "under the night sky|through space|in the cosmos|in a galaxy|against the night sky|during the night|"
        "in a night sky full of stars|with a starry night behind it|by night|on a starry background|at midnight|"
        "in a star-filled sky|surrounded by stars|in the universe"
    ),
    Background.GRASS: _either(
        "on the grass|on grass|on the lawn|in a meadow|in the meadow|in a field|on a green field|in the garden|in a park|"
        "on a grassy field|over the grass|in the grass|on green grass|on a lawn|in the park|against grass|on a meadow|"
        "with a grass background|in front of green grass|on a football pitch|on a grass background|above the lawn|"
        "on a green lawn|across the lawn|in the backyard|on the soccer field|over a grassy meadow|in a pasture|"
        "in a green meadow|on a grassy background|in a garden"
    ),
    Background.SAND: _either(
        "on the sand|on sand|on the beach|at the beach|in the desert|on a sandy beach|over the sand|in the sand|"
        "on a beach|in a sandy desert|on the shore|with a sand background|in front of sand|on golden sand|by the seaside|"
        "on a sandy background|against sand|on a sand dune|across the sand|in a sandbox|on desert sand|at the seashore|"
        "in a desert|over the beach|along the beach|on the dunes|in the dunes|on warm sand|on the sandy ground"
    ),
    Background.SUNSET: _either(
        "at sunset|at dusk|in front of a sunset|against a sunset sky|in the evening sky|under an orange sky|at twilight|"
        "during sunset|as the sun sets|at golden hour|against the sunset|against a sunset|with a sunset behind it|"
        "at sundown|in the evening|in the sunset|during a sunset|with a sunset background|on a sunset background|"
        "in a sunset sky|under a sunset sky|as the sun goes down|in the evening light|in the evening glow|during dusk|"
        "while the sun sets|in the glow of the sunset|against an evening sky|at the end of the day|at dawn"
    ),
}

BARE_PLACES: dict[Background, tuple[str, ...]] = {
    Background.BLACK: ("black background", "black backdrop", "dark background", "all black"),
    Background.WHITE: ("white background", "white backdrop", "plain white background", "white paper"),
    Background.SKY: ("blue sky", "clear blue sky", "blue sky background", "sky", "daytime sky"),
    Background.STARS: ("starry night", "night sky", "starry sky", "outer space", "space", "starry background", "night"),
    Background.GRASS: ("grass", "green grass", "lawn", "meadow", "grass background", "grassy field"),
    Background.SAND: ("sand", "beach", "sandy beach", "desert", "sand background", "desert sand"),
    Background.SUNSET: ("sunset", "sunset sky", "dusk", "evening sky", "sunset background", "twilight"),
}
"""For captions in the style of tags, and for "the background is ..."."""

FILMED = _either(
    "show me|give me|I want to see|i want|please show me|can you show me|let me see|I'd like to see|could you show me|"
    "create|make|generate|draw|render|animate|please make|please create|film|produce|i would like to see|imagine|"
    "picture|a video of|a clip of|video of|an animation of|a short video of|a short clip of|make a video of|"
    "create a video of|generate a clip of|create an animation of|make me a clip of|a simple animation of|footage of|"
    "a film of|a movie of|a short film showing|a video showing|a clip showing|a short animation of|give me a video of|"
    "can you make|could you make a video of|i need a clip of|please animate|a scene with|show|display|there is|here is|"
    "there's|here's|we see|you see|look at|look|see|watch"
)
"""Openings that a noun phrase follows."""

MADE = ("make", "let", "watch", "have", "see", "show", "i want to see", "please make", "can you make", "let's watch")
"""Openings that a thing and a plain verb follow: "make a red ball move right"."""

TOLD = ("a video where", "a clip where", "a scene where", "an animation where", "a clip in which", "a video in which")
"""Openings that a sentence follows."""

MANNERS = _either(
    "slowly|quickly|smoothly|gently|steadily|fast|gracefully|quietly|calmly|happily|softly|swiftly|lazily|evenly|"
    "at a steady pace|all the time|again and again|without stopping|in slow motion|nicely|a little|very slowly"
)
"""How it moves: the model is taught that these change nothing."""

JOINS = _either(
    "and|and|and|and|and|while|while|as|next to|with|beside|, and|, while|plus|alongside|together with|near|;|,|, plus|"
    "and also|, with|accompanied by|along with|whereas|but|, then|."
)
STILL_JOINS = ("next to", "beside", "near", "with", "and", "alongside", "close to", "not far from", "by")

_GRAMMAR = (
    "a an the one two both each other it its that which is are does do doesnt dont not of in on at to from and or with "
    "shape shapes coloured colored color colour object objects thing things pair video clip short simple plain nice "
    "being by while as whereas but plus also all very please now then there here i id me us you it's lets just around "
    "front back behind background scene frame screen middle center centre side place spot sky way keeps keeping some "
    "another second first other them they their both single lone only against over under s thanks thank boxes "
    "setting whose same time until never screen moves moving motion picture into onto across"
)


def third(base: str) -> str:
    """ "move right" to "moves right"."""
    if base.startswith(("just ", "keep ")):
        head, rest = base.split(" ", 1)
        return f"just {third(rest)}" if head == "just" else f"keeps {rest}"
    verb, _, rest = base.partition(" ")
    if verb.endswith(("ss", "sh", "ch", "go", "x", "zz")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}".rstrip()


def gerund(base: str) -> str:
    """ "move right" to "moving right"."""
    if base.startswith("just "):
        return "just " + gerund(base[5:])
    verb, _, rest = base.partition(" ")
    if verb == "lie":
        verb = "lying"
    elif verb in _DOUBLED:
        verb += verb[-1] + "ing"
    elif verb.endswith("e") and not verb.endswith("ee"):
        verb = verb[:-1] + "ing"
    else:
        verb += "ing"
    return f"{verb} {rest}".rstrip()


_DOUBLED = frozenset(_either("run|slip|spin|hop|bob|sit|get|swim|put|drop"))


def _lexicon() -> frozenset[str]:
    bases = [b for groups in VERBS.values() for group in groups for b in group]
    phrases: list[str] = [*bases, *map(third, bases), *map(gerund, bases), *UNMOVED, *FILMED, *MADE, *TOLD, *MANNERS]
    for table in (SHAPES, COLOURS, SIZES, PREMOTIONS, PLACES, BARE_PLACES):
        phrases += [phrase for row in table.values() for phrase in row]
    phrases += [noun + "s" for noun in SHAPE_NOUNS] + [*JOINS, *STILL_JOINS] + _GRAMMAR.split()
    return frozenset(word for phrase in phrases for word in re.findall(r"[^\W_]+", phrase.lower().replace("'", "")))


SHAPE_NOUNS = frozenset(re.sub(r".*[ -]", "", phrase) for row in SHAPES.values() for phrase in row)
LEXICON = _lexicon()
