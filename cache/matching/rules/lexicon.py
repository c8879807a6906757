"""Closed lists of English words that pin what a clip shows. Written by hand for prompts; no corpus went into them."""

from __future__ import annotations


def table(rows: dict[str, str]) -> dict[str, str]:
    """`value: "word word_word ..."` turned round to word -> value; an underscore stands for a space."""
    return {word.replace("_", " "): value for value, words in rows.items() for word in words.split()}


def listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


COLOURS = table(
    {
        "red": "red crimson scarlet ruby reddish",
        "maroon": "maroon burgundy",
        "orange": "orange",
        "yellow": "yellow yellowish",
        "golden": "golden gold",
        "blond": "blond blonde",
        "green": "green emerald greenish olive lime",
        "turquoise": "turquoise teal cyan aqua",
        "blue": "blue bluish azure navy cobalt indigo",
        "purple": "purple violet lavender lilac magenta",
        "pink": "pink rose-colored fuchsia",
        "brown": "brown brownish chestnut chocolate-colored",
        "tan": "tan beige khaki",
        "black": "black jet-black ebony",
        "white": "white snow-white whitish ivory",
        "grey": "grey gray greyish grayish",
        "silver": "silver silvery",
    }
)
# Pairs that people use for one another; a difference between them is left to the verifier.
CLOSE_COLOURS = {
    frozenset(pair.split("/"))
    for pair in [
        "yellow/golden",
        "yellow/blond",
        "golden/blond",
        "tan/brown",
        "grey/silver",
        "red/maroon",
        "blue/turquoise",
        "green/turquoise",
        "purple/pink",
        "orange/golden",
        "tan/golden",
        "tan/blond",
        "tan/white",
    ]
}

# axis -> value -> words. One thing cannot have two values of one axis.
ATTRIBUTES: dict[str, dict[str, str]] = {
    "size": table({"small": "small little tiny miniature mini smaller", "large": "big large huge giant enormous massive gigantic"}),
    "material": table(
        {
            "wood": "wooden wood",
            "metal": "metal metallic steel iron",
            "glass": "glass",
            "plastic": "plastic",
            "stone": "stone marble",
            "leather": "leather",
            "paper": "paper cardboard",
            "brick": "brick",
            "fabric": "cloth fabric cotton",
        }
    ),
    "shape": table({"round": "round circular", "square": "square", "oval": "oval", "triangle": "triangular"}),
    "pattern": table(
        {
            "striped": "striped stripy",
            "spotted": "spotted polka-dot dotted",
            "plaid": "plaid tartan checkered checked",
            "floral": "floral",
            "plain": "plain",
        }
    ),
    "length": table({"long": "long", "short": "short"}),
    "height": table({"tall": "tall"}),
    "wetness": table({"wet": "wet soaked damp", "dry": "dry"}),
    "fullness": table({"full": "full", "empty": "empty"}),
    "age": table({"old": "old elderly aged ancient", "young": "young"}),
    "temperature": table({"hot": "hot steaming", "cold": "cold icy frozen"}),
    "cleanliness": table({"clean": "clean", "dirty": "dirty muddy"}),
}

NUMBERS = {
    **{word: str(at) for at, word in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"])},
    "thirteen": "13", "fourteen": "14", "fifteen": "15", "twenty": "20", "thirty": "30", "fifty": "50",
    "hundred": "100", "dozen": "12", "twins": "2", "trio": "3", "triplets": "3",
}  # fmt: skip
# A pair of these is one thing.
WORN_IN_PAIRS = listed(
    """
    shoe glass glasses sunglass boot glove sock jean pant trouser short scissor plier headphone goggle binocular slipper
    sneaker ski skate earring chopstick legging stocking sandal heel tweezer
    """
)

# word -> (gender, age); "" leaves it open.
ACTORS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(listed("man men guy guys gentleman gentlemen male males dude"), ("male", "adult")),
    **dict.fromkeys(listed("woman women lady ladies gal"), ("female", "adult")),
    **dict.fromkeys(listed("female females"), ("female", "")),
    **dict.fromkeys(listed("boy boys schoolboy"), ("male", "child")),
    **dict.fromkeys(listed("girl girls schoolgirl"), ("female", "child")),
    **dict.fromkeys(listed("child children kid kids toddler toddlers"), ("", "child")),
    **dict.fromkeys(listed("baby babies infant infants newborn"), ("", "baby")),
    **dict.fromkeys(listed("teenager teenagers teen teens"), ("", "teenager")),
    **dict.fromkeys(listed("grandfather grandpa king prince father dad husband brother son waiter actor groom"), ("male", "")),
    **dict.fromkeys(listed("grandmother grandma queen princess mother mom mum wife sister daughter waitress actress bride"), ("female", "")),
    **dict.fromkeys(listed("grown-up grown-ups"), ("", "adult")),
}  # fmt: skip

TIMES = table(
    {
        "night": "night after_dark after-dark late_night late-night moonlight nighttime night-time midnight nocturnal moonlit starlit",
        "dawn": "dawn sunrise daybreak sunup sun_rises sun_rising rising_sun first_light",
        "morning": "morning",
        "day": "daytime noon midday daylight afternoon at_day by_day during_the_day",
        "dusk": "sunset dusk twilight sundown golden_hour evening sun_sets sun_setting setting_sun sun_goes_down sun_going_down nightfall",
    }
)
# Morning light may be dawn's; a clip for one often serves the other, so only the verifier may tell them apart.
CLOSE_TIMES = {frozenset(pair.split("/")) for pair in ["dawn/morning", "morning/day", "dusk/night"]}
WEATHER = table(
    {
        "rain": "rain rains rainy raining rainfall drizzle downpour rainstorm",
        "snow": "snow snows snowy snowing snowfall blizzard snowstorm snow-covered",
        "fog": "fog foggy mist misty haze hazy",
        "storm": "storm stormy thunderstorm lightning hurricane tornado",
        "sun": "sunny sunshine sunlit sun-drenched",
        "cloud": "cloudy overcast",
        "wind": "windy breezy",
    }
)
SEASONS = table({"winter": "winter wintry wintertime", "summer": "summer summertime", "autumn": "autumn autumnal", "spring": "springtime"})
PLACES = table({"indoors": "indoors indoor", "outdoors": "outdoors outdoor", "underwater": "underwater", "space": "outer_space"})
STYLES = table(
    {
        "anime": "anime manga ghibli japanese_animation japanese_cartoon",
        "cartoon": "cartoon cartoons cartoonish comic comics comic_book",
        "animation": "animated animation animations",
        "3d": "3d cgi pixar 3_d octane unreal_engine blender_render computer_animated computer-animated",
        "clay": "claymation clay_animation clay-animation clay_animated clay-animated clay_style plasticine_animation plasticine_style stop-motion stop_motion",
        "pixel": "pixel_art pixel-art pixelart pixel_graphics pixel_style 8_bit 16_bit voxel",
        "watercolor": "watercolor watercolour water_color aquarelle",
        "oil": "oil_painting oil-painting oil_on_canvas van_gogh impressionist impressionism monet",
        "ink": "ink_wash ink_painting sumi-e",
        "ukiyo-e": "ukiyo ukiyo-e hokusai",
        "sketch": "pencil_sketch sketch_style sketch_of pencil_drawing charcoal_drawing hand-drawn line_art line_drawing doodle",
        "paper": "paper_cutout papercut origami",
        "monochrome": "monochrome monochromatic film_noir noir greyscale grayscale",
        "sepia": "sepia",
        "cyberpunk": "cyberpunk",
        "steampunk": "steampunk",
        "surreal": "surrealism surrealist surreal surrealistic",
        "low poly": "low_poly low-poly",
        "lego": "lego",
        "vintage": "vintage_film vintage_footage old_film vhs super_8 retro_film",
    }
)
# A prompt that names none of these expects camera footage; a clip in one of them would surprise.
DRAWN = listed(
    """
    anime cartoon clay pixel watercolor oil ink ukiyo-e sketch paper monochrome sepia low_poly lego
    """
)

CAMERA: dict[str, list[tuple[str, str]]] = {
    "camera move": [
        ("pan left", r"pan(?:s|ning|ned)? (?:slowly |smoothly |gently |across )*from (?:the )?right to (?:the )?left|camera (?:slowly |smoothly |gently )?(?:sweep|swing|turn|swivel)s? (?:slowly )?(?:to the )?left|pan(?:s|ning|ned)? (?:slowly |smoothly |gently |quickly )?(?:to the |towards? the )?left|pan-left|left(?:ward)? pan"),
        ("pan right", r"pan(?:s|ning|ned)? (?:slowly |smoothly |gently |across )*from (?:the )?left to (?:the )?right|camera (?:slowly |smoothly |gently )?(?:sweep|swing|turn|swivel)s? (?:slowly )?(?:to the )?right|pan(?:s|ning|ned)? (?:slowly |smoothly |gently |quickly )?(?:to the |towards? the )?right|pan-right|right(?:ward)? pan"),
        ("tilt up", r"tilt(?:s|ing|ed)? (?:slowly |smoothly |gently )?up(?:wards?)?|upward tilt|pan(?:s|ning)? up"),
        ("tilt down", r"tilt(?:s|ing|ed)? (?:slowly |smoothly |gently )?down(?:wards?)?|downward tilt|pan(?:s|ning)? down"),
        ("zoom in", r"zoom(?:s|ing|ed)?[ -](?:slowly |smoothly |gently |quickly )?in(?:to)?\b|(?:slow|fast|smooth|gentle|quick|crash) zoom in"),
        ("zoom out", r"zoom(?:s|ing|ed)?[ -](?:slowly |smoothly |gently |quickly )?(?:out|back)"),
        ("push in", r"camera (?:is )?(?:slowly |smoothly |gently )?(?:push(?:es|ing)?|moves|moving) (?:slowly |smoothly |gently )?(?:in\b|into|closer|forward|towards?)|camera (?:slowly |gently )?approach(?:es|ing)|doll(?:y|ies|ying)[ -](?:slowly |smoothly |gently )?(?:in\b|forward|towards?|into)|(?:slow|smooth|gentle|steady) push\b|push[ -]in\b(?! (?:an?|the|his|her|its|their)\b)|(?:(?<=, )|slowly |smoothly |gently )push(?:es|ing) in\b(?! (?:an?|the|his|her|its|their)\b)"),
        ("pull out", r"camera (?:is )?(?:slowly |smoothly |gently )?(?:pull(?:s|ing)?|moves|moving) (?:slowly |smoothly |gently )?(?:out|back|away)\b|camera (?:slowly |gently )?retreat(?:s|ing)|doll(?:y|ies|ying)[ -](?:slowly |smoothly |gently )?(?:out|back|away)\b|(?:slow|smooth|gentle|steady) pull\b|pull[ -](?:out|back|away)\b(?! (?:an?|the|his|her|its|their|of|from)\b)|(?:(?<=, )|slowly |smoothly |gently )pull(?:s|ing) (?:out|back|away)\b(?! (?:an?|the|his|her|its|their|of|from)\b)"),
        ("orbit", r"orbit(?:s|ing)?\b|orbital (?:shot|camera|move|movement)|camera (?:is )?(?:slowly |smoothly |gently )?(?:circl(?:es|ing)|rotat(?:es|ing) around|revolv(?:es|ing)|arc(?:s|ing)\b)|camera (?:[\w-]+ ){0,4}?(?:in an? (?:full |complete |slow |smooth |wide |gentle )*(?:circle|arc|loop)|(?:full|complete|half) (?:circle|loop)|all the way a?round)|(?:circling|circular) (?:camera|shot|tracking|dolly)|360[- ]degree|\b360 (?:shot|spin|view|rotation|turn|move|pan|camera)|arc(?:ing)? shot"),
        ("tracking", r"tracking (?:shot|camera)|camera (?:is )?(?:slowly |smoothly |closely )?(?:tracks|follows|following|tracking)|follow(?:ing)? shot|follow[- ]cam(?:era)?|dolly shot|trucking shot|steadicam"),
        ("truck left", r"camera (?:slowly |smoothly |gently )?(?:truck|slide|move|track)(?:s|ing)? (?:slowly )?(?:to the )?left\b|(?:truck(?:ing)?|slider?|tracking)(?: shot)?,? left\b"),
        ("truck right", r"camera (?:slowly |smoothly |gently )?(?:truck|slide|move|track)(?:s|ing)? (?:slowly )?(?:to the )?right\b|(?:truck(?:ing)?|slider?|tracking)(?: shot)?,? right\b"),
        ("crane up", r"crane(?:s)? up|camera (?:rises|ascends|lifts)|pedestal up|boom up"),
        ("crane down", r"crane(?:s)? down|camera (?:descends|lowers)|pedestal down|boom down"),
        ("static", r"(?:static|fixed|stationary|motionless|unmoving|immobile|still|locked|locked[- ]?(?:off|down)) (?:(?:wide|medium|close-up|long|full|low[- ]angle|high[- ]angle|aerial|overhead|establishing|side|side-on|front|frontal|macro|tripod|single|cinematic) ){0,2}(?:shot|camera|cam|framing)|(?:static|fixed|locked[- ]?off) (?:(?:wide|medium|close-up|long|full|low[- ]angle|high[- ]angle|aerial|overhead|establishing|side|side-on|front|frontal|macro|tripod|single|cinematic) ){0,2}frame\b|locked[- ]off|(?<=[,.] )static(?= [,.]|$)|camera (?:is |stays |remains |stands |sits |holds |kept |being |completely |perfectly |absolutely |totally |entirely |in a )*(?:static|still|fixed|stationary|motionless|locked|unmoving|immobile)\b|camera (?:that )?(?:(?:does|do|is|did) not|doesn't|don't|isn't|never) (?:mov(?:e|es|ing)|pan|shift|budge)|(?:no|without(?: any)?) camera (?:move|moves|movement|movements|motion)|tripod[- ](?:shot|view|mounted)|(?:shot|filmed|taken|camera|recorded) (?:on|from) a tripod"),
        ("handheld", r"hand-?held|shak(?:y|ing) (?:camera|cam|effect|footage)|camera shak(?:es|e|ing)"),
        ("rack focus", r"rack(?:ing)? focus|focus pull"),
    ],
    "shot": [
        ("close-up", r"(?:extreme )?close[- ]?up|macro (?:shot|view|lens)|tight(?:ly)? (?:shot|framing|framed|frame|crop|cropped|close)|framed (?:very )?tight(?:ly)?|close (?:shot|framing)"),
        ("wide", r"(?:extreme |very |ultra[- ]?)?wide[- ](?:(?:angle|static|locked[- ]off|fixed|establishing|aerial|drone|cinematic|tracking|master|landscape|handheld|low[- ]angle|high[- ]angle|overhead|opening) ){0,2}(?:shot|view|frame|framing|composition)|wide[- ]angle|framed (?:very )?wide(?:ly)?|long shot|establishing shot|full shot"),
        ("medium", r"medium[- ](?:shot|close|framing|view|frame)|mid[- ]shot|(?:from the )?waist[- ]up"),
    ],
    "camera position": [
        ("aerial", r"aerial|drone[- ](?:shot|view|footage|video|camera|perspective|clip|angle|flyover|fly-over|flight|pass|orbit|pull|reveal|tracking)|(?<!\ba )(?<!\ban )(?<!\bthe )(?<!\bdelivery )(?<!\btoy )(?<!\bquadcopter )drone\b|(?:from|by|via|with|using) (?:an? |the )?(?:[\w-]+ )?drone\b|bird'?s?[- ]eye|from (?:directly |straight |high |far )?above|top[- ]down|overhead (?:shot|view|angle|camera|framing|perspective|footage)"),
        ("low angle", r"low(?:[- ]camera)?[- ](?:angle|viewpoint|vantage)|worm'?s?[- ]eye|from below|low[- ]shot"),
        ("first person", r"first[- ]person|\bpov\b|point[- ]of[- ]view"),
        ("over the shoulder", r"over[- ]the[- ]shoulder"),
        ("front", r"front(?:al)?[- ](?:view|shot|angle)|from the front|front-on"),
        ("side", r"side(?:[- ]on)?[- ](?:view|shot|angle|profile)|side-on|side-scrolling|from the side|in profile|profile (?:view|shot|angle)"),
        ("back", r"rear[- ](?:view|shot|angle)(?! mirror)|back[- ](?:view|shot)|from the rear|from behind(?! (?:an?|the|his|her|some)\b)"),
    ],
    "speed": [
        ("slow motion", r"slow?[- ]?mo(?:tion)?\b|slowed down|120 ?fps|240 ?fps"),
        ("time-lapse", r"time[- ]?lapse|hyper[- ]?lapse|fast[- ]?forward|sped[- ]up|(?:in |at )fast[- ]motion|fast[- ]motion(?= (?:footage|video|clip|shot|film)|$| ?[,.])|^fast[- ]motion|speeded[- ]up"),
    ],
}  # fmt: skip

NEGATIONS = listed(
    """
    no not without never nobody none nothing neither nor cannot can't isn't aren't doesn't don't didn't won't wasn't
    weren't
    """
)
THINGS_IN_ING = listed(
    """
    building painting ceiling ring string king wing swing clothing railing morning evening earring wedding thing drawing
    lightning sling pudding awning stocking sibling duckling being spring icing dressing parking topping crossing landing
    sing
    """
)
SYMMETRIC = listed(
    """
    and with beside next near by alongside or & between
    """
)
ADJECTIVES = listed(
    """
    little small big large huge tiny young old new long short tall wet dry cute beautiful pretty handsome happy sad fluffy
    furry hairy bald shiny bright dark light lovely single lone lonely several many few same different other various
    adorable playful sleepy hungry busy empty full open closed wild modern ancient vintage elegant majestic fresh hot cold
    warm cool heavy soft hard thick thin fat skinny loud quiet clean dirty older younger middle-aged elderly smiling giant
    mini massive round square striped plaid spotted wooden metal plastic glass stone leather steaming sunny snowy rainy
    foggy narrow wide deep shallow steep quick slow fast strong weak rusty worn broken sleek fancy plain pale exactly
    """
)
