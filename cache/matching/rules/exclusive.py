"""Closed lists of English words that stand for different things: who asks for one is not served with another of its list.

Written by hand. Words that are often used for one another stand under one value, words with a second common meaning are left out.
"""

from __future__ import annotations

from cache.matching.rules.lexicon import listed, table


def _each(words: str) -> dict[str, str]:
    """A value for each word, and for its plain plural."""
    return {form.replace("_", " "): word.replace("_", " ") for word in words.split() for form in (word, f"{word}s")}


EXCLUSIVE: dict[str, dict[str, str]] = {
    "writing board": table({"whiteboard": "whiteboard whiteboards", "blackboard": "blackboard blackboards chalkboard chalkboards"}),
    "finish": table({"matte": "matte matt", "glossy": "glossy high-gloss lacquered"}),
    "transparency": table({"opaque": "opaque", "transparent": "transparent translucent see-through"}),
    "condition": table(
        {
            "new": "pristine brand-new spotless unworn unused",
            "worn": "scuffed battered tattered threadbare ragged shabby dilapidated derelict ruined",
        }
    ),
    "growth": table(
        {
            "young": "puppy puppies kitten kittens cub cubs calf calves foal foals lamb lambs duckling ducklings chick chicks fawn fawns piglet piglets",
            "grown": "fully_grown full-grown fully-grown",
        }
    ),
    "opening": table({"ajar": "ajar half-open half_open slightly_open", "wide open": "wide_open wide-open fully_open flung_open"}),
    "lens": table({"fisheye": "fisheye fish-eye", "telephoto": "telephoto", "macro": "macro", "tilt-shift": "tilt-shift"}),
    "depth of field": table({"shallow": "shallow_depth shallow_focus bokeh", "deep": "deep_depth deep_focus"}),
    "transition": table(
        {
            "crossfade": "crossfade crossfades cross-fade cross-fades",
            "jump cut": "jump_cut jump_cuts jump-cut jump-cuts hard_cut hard-cuts",
            "whip pan": "whip_pan whip-pan",
        }
    ),
    "unit of length": table(
        {
            "inch": "inch inches",
            "centimetre": "centimetre centimetres centimeter centimeters",
            "millimetre": "millimetre millimetres millimeter millimeters",
            "metre": "metre metres meter meters",
            "kilometre": "kilometre kilometres kilometer kilometers",
            "mile": "mile miles",
        }
    ),
    "unit of time": table(
        {
            "second": "seconds",
            "minute": "minute minutes",
            "hour": "hour hours",
            "week": "week weeks",
            "month": "month months",
            "year": "year years",
            "century": "century centuries",
        }
    ),
    "ordinal": table(
        {
            "first": "the_first", "second": "the_second", "third": "third", "fourth": "fourth", "fifth": "fifth", "sixth": "sixth",
            "seventh": "seventh", "eighth": "eighth", "ninth": "ninth", "tenth": "tenth",
        }
    ),
    "hair": table(
        {
            "plaits": "plait plaits plaited braid braids braided pigtails",
            "ponytail": "ponytail",
            "curly": "curly frizzy",
            "dreadlocks": "dreadlocks",
            "shaved": "bald shaved buzz-cut",
        }
    ),
    "footwear": table(
        {
            "boots": "boots wellies wellingtons",
            "trainers": "trainers sneakers",
            "sandals": "sandals flip-flops",
            "heels": "high_heels stilettos",
            "slippers": "slippers",
            "none": "barefoot",
        }
    ),
    "headwear": table(
        {"helmet": "helmet", "crown": "crown tiara", "hat": "hat cap beanie fedora", "turban": "turban", "scarf": "headscarf hijab"}
    ),
    "dress": table(
        {
            "gown": "dress gown",
            "suit": "suit tuxedo",
            "kimono": "kimono",
            "sari": "sari saree",
            "swimwear": "swimsuit bikini",
            "pyjamas": "pyjamas pajamas",
            "spacesuit": "spacesuit",
        }
    ),
    "mood": table(
        {
            "angry": "angry furious enraged angrily rage anger scowling scowls",
            "annoyed": "annoyed irritated grumpy pouts pouting",
            "afraid": "scared frightened terrified fearful fear terror",
            "sad": "sad sadly mournful gloomy sobbing sorrow grief grieving tearful crying heartbroken frowning frowns",
            "happy": "happy happily joyful cheerful joy beams beaming delighted laughing laughs smiling smiles grinning overjoyed",
            "bored": "bored boredom",
            "surprised": "surprised astonished shocked surprise astonishment amazed",
            "disgusted": "disgusted disgust",
            "confused": "confused puzzled bewildered",
            "proud": "proud proudly pride",
            "embarrassed": "embarrassed ashamed blushing",
            "neutral": "expressionless deadpan stoic",
        }
    ),
    "allegiance": table({"rival": "rival rivals opponent opponents enemy enemies", "friend": "teammate teammates ally allies"}),
    "cooking": table(
        {
            "fried": "fried", "boiled": "boiled", "grilled": "grilled", "baked": "baked", "roasted": "roasted", "steamed": "steamed",
            "poached": "poached", "raw": "raw uncooked",
        }
    ),
    "meal": _each("breakfast lunch dinner brunch"),
    "occasion": _each("christmas halloween easter thanksgiving diwali birthday wedding funeral graduation"),
    "moon": table({"full": "full_moon", "crescent": "crescent_moon", "half": "half_moon"}),
    "compass": table({"north": "north northern", "south": "south southern", "east": "east eastern", "west": "west western"}),
    "instrument": _each("viola cello guitar ukulele banjo piano flute clarinet trumpet trombone saxophone harp accordion tuba harmonica")
    | table({"violin": "violin violins fiddle", "drums": "drum drums"}),
    "sport": _each("basketball tennis baseball volleyball hockey golf rugby cricket badminton boxing wrestling judo karate archery")
    | table({"football": "football soccer", "surfing": "surfing", "skiing": "skiing", "snowboarding": "snowboarding"}),
    "dance": _each("ballet tango salsa waltz flamenco")
    | table({"breakdance": "breakdance breakdancing"}),
    "profession": _each("nurse firefighter soldier pilot farmer astronaut mechanic carpenter dentist barber librarian plumber")
    | table({"doctor": "doctor doctors surgeon surgeons", "teacher": "teacher teachers professor", "chef": "chef chefs"}),
    "vehicle": _each("tram train bus van taxi scooter tractor helicopter ferry yacht submarine ambulance canoe kayak")
    | table(
        {
            "bus": "buses",
            "truck": "truck trucks lorry lorries",
            "bicycle": "bicycle bicycles bike bikes",
            "motorcycle": "motorcycle motorcycles motorbike motorbikes",
            "car": "car cars automobile",
            "cable car": "cable-car cable-cars gondola_lift",
            "train": "train_carriage train_carriages",
            "plane": "plane planes airplane airplanes aeroplane airliner jet",
        }
    ),
    "room": _each("kitchen bathroom bedroom garage attic basement classroom nursery")
    | table({"living room": "living_room", "dining room": "dining_room", "hallway": "hallway corridor"}),
    "drink": _each("coffee tea beer wine milk champagne lemonade cocoa"),
    "fruit or vegetable": _each(
        "apple banana lemon mango grape pineapple peach pear watermelon kiwi lentil carrot onion pumpkin avocado coconut cucumber yam garlic"
        " cabbage"
    )
    | table(
        {
            "tomato": "tomato tomatoes", "potato": "potato potatoes", "cherry": "cherry cherries", "strawberry": "strawberry strawberries",
            "broccoli": "broccoli", "corn": "corn",
        }
    ),
    "dish": _each("pizza taco salad cake pie cookie croissant pancake waffle omelette")
    | table(
        {
            "sandwich": "sandwich sandwiches", "burger": "burger burgers hamburger hamburgers cheeseburger",
            "doughnut": "doughnut doughnuts donut donuts", "sushi": "sushi", "pasta": "pasta spaghetti noodles", "ice cream": "ice_cream",
        }
    ),
    "organ": _each("heart kidney liver stomach brain lung")
    | table({"gullet": "oesophagus esophagus", "windpipe": "trachea windpipe"}),
    "tree": _each("oak birch pine palm willow maple bonsai"),
    "animal": _each(
        "crocodile alligator lizard snake chameleon iguana gecko tiger cheetah jaguar panther leopard whale dolphin"
        " shark octopus squid jellyfish walrus orca frog toad eagle hawk owl parrot penguin pigeon peacock flamingo swan duck crow"
        " sparrow seagull hummingbird ostrich bee wasp moth ant beetle dragonfly hare goat bull bison camel llama alpaca gorilla"
        " chimpanzee donkey zebra giraffe elephant rhino hippo bear panda koala kangaroo fox coyote raccoon squirrel hedgehog rat"
        " hamster otter beaver pig deer"
    )
    | table(
        {
            "turtle": "turtle turtles tortoise tortoises",
            "lion": "lion lions lioness lionesses",
            "goose": "goose geese",
            "chicken": "chicken chickens hen hens",
            "rooster": "rooster roosters",
            "butterfly": "butterfly butterflies",
            "ladybird": "ladybird ladybirds ladybug ladybugs",
            "dog": "dog dogs puppy puppies",
            "cat": "cat cats kitten kittens kitty",
            "rabbit": "rabbit rabbits bunny bunnies",
            "horse": "horse horses pony ponies foal",
            "cow": "cow cows calf calves cattle",
            "sheep": "sheep lamb lambs",
            "wolf": "wolf wolves",
            "mouse": "mouse mice",
            "monkey": "monkey monkeys ape apes",
            "spider": "spider spiders tarantula tarantulas",
            "caterpillar": "caterpillar caterpillars",
            "grasshopper": "grasshopper grasshoppers locust locusts",
            "moose": "moose elk elks",
            "antelope": "antelope antelopes gazelle gazelles impala impalas",
            "cougar": "cougar cougars puma pumas mountain_lion",
            "shrimp": "shrimp shrimps prawn prawns",
            "seahorse": "seahorse seahorses",
            "ray": "stingray stingrays manta_ray manta_rays",
            "orangutan": "orangutan orangutans orang-utan",
            "wild boar": "wild_boar wild_boars warthog warthogs",
        }
    )
    | _each(
        "scorpion centipede cockroach mosquito snail slug lobster crab salmon goldfish clownfish tuna eel hyena badger weasel lynx sloth lemur baboon"
        " platypus wombat porcupine skunk meerkat beluga narwhal mammoth pelican stork heron woodpecker robin vulture falcon turkey starfish"
    ),
    "dinosaur": _each("triceratops stegosaurus brachiosaurus diplodocus spinosaurus ankylosaurus allosaurus parasaurolophus iguanodon mosasaurus")
    | table(
        {
            "tyrannosaurus": "tyrannosaurus t-rex tyrannosaur tyrannosaurs t._rex",
            "velociraptor": "velociraptor velociraptors raptors",
            "pterodactyl": "pterodactyl pterodactyls pterosaur pterosaurs pteranodon",
            "stegosaurus": "stegosaur stegosaurs",
            "brachiosaurus": "brachiosaur brachiosaurs",
        }
    ),
    "fabulous creature": _each("dragon unicorn phoenix griffin mermaid centaur minotaur pegasus kraken cyclops")
    | _each("zombie vampire werewolf yeti troll goblin"),
    "dog breed": _each("corgi poodle bulldog dalmatian beagle labrador chihuahua dachshund pug rottweiler greyhound samoyed pomeranian")
    | table({"husky": "husky huskies", "golden retriever": "golden_retriever golden_retrievers", "shepherd": "german_shepherd",
             "collie": "border_collie border_collies", "shiba": "shiba shibas shiba_inu"}),
    "flower": _each("tulip sunflower orchid daffodil hydrangea marigold magnolia carnation")
    | table({"daisy": "daisy daisies", "poppy": "poppy poppies", "lily": "lily lilies", "peony": "peony peonies", "lotus": "lotus", "rose": "roses"}),
    "planet": table({name: name for name in ("mars", "jupiter", "saturn", "venus", "neptune", "uranus")}),
    "handwork": table(
        {"knit": "knits knitting knitted", "sew": "sews sewing", "weave": "weaves weaving", "embroider": "embroiders embroidering embroidery"}
    ),
    "work on food": table(
        {
            "knead": "kneads kneading kneaded", "peel": "peels peeling", "chop": "chops chopping slices slicing dices dicing", "grate": "grates grating",
            "stir": "stirs stirring whisks whisking", "roll out": "rolls_out rolling_out",
        }
    ),
}  # fmt: skip

# The names of a family, the value that is read from them, and the values of its members.
_BIG_CATS = listed("lion tiger leopard jaguar cheetah panther")
_FAMILIES: list[tuple[tuple[str, ...], str, frozenset[str]]] = [
    (("big cat", "big cats", "wild cat", "wild cats", "wildcat"), "cat", _BIG_CATS),
    (("ape", "apes", "great ape", "great apes"), "monkey", frozenset(["gorilla", "chimpanzee"])),
    (("killer whale", "killer whales"), "whale", frozenset(["orca"])),
    (("cattle",), "cow", frozenset(["bull"])),
]


def of_family(value: str, there: set[str], plain: str) -> bool:
    """True if the ask means a family by this value, and the clip has one of it: "a big cat" / "a leopard"."""
    return any(
        named == value and members & there and any(f" {name} " in f" {plain} " for name in names) for names, named, members in _FAMILIES
    )
