"""Closed lists of English words that pin nothing, or the same as another word."""

from __future__ import annotations

from cache.matching.rules.lexicon import listed, table

HARMLESS = listed(
    """
    video clip footage film shot scene cinematic 4k 8k hd uhd 1080p 720p high quality high-quality high-resolution
    resolution detailed ultra hyper masterpiece best realistic professional beautiful stunning award-winning epic trending
    showing depicting featuring depicts shows show please generate create make photo image picture
    """
)

FUNCTION = listed(
    """
    a an the this that these those some any of in on at to for from by with and or but as is are was were be been being am
    it its it's he she they his her their them him hers theirs there here who which while when where then than so do does
    did has have had having will would can could may might must shall should very just also too into onto over under out
    off up down through across along around between behind beside near above below against about after before during until
    upon one's each other another both all his i my your you we our us me next inside outside toward towards away back
    front top bottom side's what how if because not no without
    """
)

SYNONYMS = table(
    {
        "car": "automobile",
        "photo": "photograph picture image",
        "sofa": "couch",
        "kid": "child",
        "man": "guy gentleman",
        "woman": "lady",
        "person": "someone somebody individual human",
        "people": "persons folks",
        "bike": "bicycle",
        "motorbike": "motorcycle",
        "plane": "airplane aeroplane aircraft",
        "tv": "television",
        "phone": "smartphone cellphone telephone",
        "film": "movie video clip footage",
        "shop": "store",
        "street": "road",
        "forest": "woods woodland",
        "sea": "ocean",
        "beach": "seashore shore seaside",
        "stone": "rock",
        "rabbit": "bunny",
        "dog": "doggy",
        "cat": "kitty",
        "begin": "start",
        "jump": "leap hop",
        "run": "jog sprint",
        "walk": "stroll",
        "talk": "speak chat",
        "look": "gaze stare",
        "cook": "prepare",
        "cut": "slice chop",
        "throw": "toss",
        "hold": "carry",
        "watch": "view",
        "big": "large huge",
        "small": "little tiny",
        "fast": "quick quickly rapidly",
        "grey": "gray",
        "lake": "pond",
        "hill": "slope",
        "town": "city",
        "cup": "mug",
        "river": "stream",
        "close": "shut",
        "path": "trail",
        "smile": "grin",
        "hat": "cap",
        "autumn": "fall",
        "sunset": "dusk",
        "sunrise": "dawn",
        "footpath": "sidewalk pavement",
        "ship": "vessel",
        "garden": "yard backyard",
    }
)

# Function words of other languages in Latin letters: an English judge must not rule on them.
FOREIGN = listed(
    """
    der die das ein eine einen einem einer und mit auf ist im den dem des zu von nicht el los las un una uno unos con en
    por para del al le les une et dans sur avec est du au aux pour qui il lo gli di che nel della con uma um da na no em
    os dos das het een op van met voor og och ett på av i med ja ve bir ile
    """
) - listed(
    """
    die on no in an a i met een das van den
    """
) | {"een", "das"}
