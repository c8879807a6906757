"""Words of the scene grammar. Groups of synonyms are divided by "/", the first of each group is its key."""

from __future__ import annotations

PERSONS = """man/guy:male adult|woman/lady:female adult|boy:male child|girl:female child|old man/elderly man:male old|
old woman/elderly woman:female old|young woman:female young|young man:male young|child/kid:child|toddler:child|baby/infant:child|
teenager/teen:teen|teacher:job|doctor/physician:job|nurse:job|chef:job|waiter:job|barista:job|farmer:job|fisherman:job|
firefighter/fireman:job|police officer/cop:job|astronaut:job|scientist:job|soldier:job|dancer:job|singer:job|musician:job|painter:job|
carpenter:job|mechanic:job|pilot:job|student/pupil:job|businessman:male job|businesswoman:female job|runner/jogger:job|cyclist/biker:job|
surfer:job|skater/skateboarder:job|clown:job|king:male|queen:female|bride:female|groom:male|presenter/host:job|instructor/trainer:job|
tourist/traveler:job|grandmother/grandma:female old|grandfather/grandpa:male old|tailor:job|baker:job|gardener:job|knight:job|wizard:job|
pirate:job|robot:robot|cowboy:male job|ballerina/ballet dancer:female job|mother/mom:female|father/dad:male"""
ANIMALS = """dog:dog|puppy:dog|corgi:dog|golden retriever:dog|husky:dog|cat:cat|kitten:cat|tabby cat:cat|horse:mammal|pony:mammal|
cow:mammal|sheep:mammal|goat:mammal|pig:mammal|rabbit/bunny:mammal|fox:mammal|wolf:mammal|bear:mammal|panda:mammal|polar bear:mammal|tiger:mammal|
lion:mammal|elephant:mammal|giraffe:mammal|zebra:mammal|monkey:mammal|squirrel:mammal|raccoon:mammal|deer:mammal|kangaroo:mammal|koala:mammal|
mouse:mammal|hedgehog:mammal|dolphin:sea|whale:sea|shark:fish|goldfish:fish|salmon:fish|octopus:sea|turtle/tortoise:reptile|crocodile:reptile|
snake:reptile|frog:animal|owl:bird|eagle:bird|parrot:bird|penguin:bird|duck:bird|swan:bird|seagull/gull:bird|chicken/hen:bird|rooster:bird|
flamingo:bird|crow:bird|butterfly:insect|bee:insect|spider:animal|caterpillar:insect|dragon:creature|unicorn:creature|dinosaur:creature"""
VEHICLES = """car/automobile|sports car|truck/lorry|bus|van|taxi/cab|train|tram/streetcar|bicycle/bike|motorcycle/motorbike|scooter|boat|
sailboat/sailing boat|ship|canoe|airplane/plane|helicopter|rocket|hot air balloon|drone|tractor|ambulance|fire truck/fire engine|submarine|spaceship/spacecraft"""
THINGS = """ball|red ball|balloon|kite|guitar|violin|piano|drum|book|newspaper|letter|phone/smartphone|laptop/notebook computer|camera|umbrella|hat|
suitcase|backpack/rucksack|basket|bottle|cup/mug|glass|bowl|plate|vase|candle|lamp|clock|mirror|chair|table|sofa/couch|bed|bench|box/package|bag|
shoe|scarf|coat|sword|shield|crown|ring|key|pen|pencil|paintbrush|hammer|knife|spoon|pizza|hamburger/burger|sandwich|cake|cookie/biscuit|donut/doughnut|
apple|banana|orange|strawberry|watermelon|tomato|carrot|bread|cheese|egg|ice cream|coffee|tea|flower|rose|sunflower|tulip|tree|leaf|mushroom|cactus|
stone/rock|statue|robot toy|teddy bear|doll|toy car|puppet|flag|map|skateboard|surfboard|frisbee|bucket|broom|ladder|rope|perfume bottle|
wristwatch/watch|necklace|lipstick|soda can|water bottle|chocolate bar|gift/present|magnet|globe|microscope|test tube|telescope|snowman|paper boat"""
PLACES = """park:in|forest/woods:in|jungle/rainforest:in|desert:in|garden/yard:in|field/meadow:in|kitchen:in|bedroom:in|living room/lounge:in|office:in|
classroom:in|hospital:in|restaurant:in|cafe/coffee shop:in|supermarket/grocery store:in|library:in|museum:in|gym:in|stadium:in|church:in|castle:in|
train station/railway station:at|airport:at|harbor/port:in|beach/seashore:on|street/road:on|bridge:on|mountain/mountaintop:on|rooftop/roof:on|stage:on|
lawn/grass:on|balcony/terrace:on|hill:on|farm:on|lake:by|river:by|ocean/sea:by|swimming pool/pool:by|waterfall:near|campfire:near|window:by|
subway/metro:in|parking lot/car park:in|alley:in|market:at|city:in|village:in|cave:in|greenhouse:in|laboratory/lab:in|workshop:in|studio:in|tunnel:in|
coral reef:in|outer space/space:in|moon:on|construction site:at|playground:on|ice rink/skating rink:on|snowy field:in|dock/pier:on|barn:in"""
# base|s|ing|ed(participle)|synonym base|s|ing|ed ...; "~" before words that follow the verb
INTRANSITIVE = """run runs running/jog jogs jogging/sprint sprints sprinting|walk walks walking/stroll strolls strolling|jump jumps jumping/leap leaps leaping|
sleep sleeps sleeping|sit sits sitting|stand stands standing|dance dances dancing|sing sings singing|smile smiles smiling/grin grins grinning|
laugh laughs laughing|cry cries crying/weep weeps weeping|swim swims swimming|climb climbs climbing|crawl crawls crawling|spin spins spinning/twirl twirls twirling|
fall falls falling|wave waves waving|nod nods nodding|kneel kneels kneeling|stretch stretches stretching|yawn yawns yawning|meditate meditates meditating|
work works working|wait waits waiting|rest rests resting/relax relaxes relaxing|play plays playing|lie lies lying|fly flies flying|hide hides hiding|
talk talks talking/speak speaks speaking/chat chats chatting|exercise exercises exercising/work$out works$out working$out|shiver shivers shivering|sneeze sneezes sneezing"""
TRANSITIVE = """hold holds holding held/carry carries carrying carried|throw throws throwing thrown/toss tosses tossing tossed|catch catches catching caught|
kick kicks kicking kicked|paint paints painting painted|draw draws drawing drawn/sketch sketches sketching sketched|wash washes washing washed/clean cleans cleaning cleaned|
cut cuts cutting cut/slice slices slicing sliced|eat eats eating eaten|buy buys buying bought|sell sells selling sold|push pushes pushing pushed/shove shoves shoving shoved|
pull pulls pulling pulled/drag drags dragging dragged|open opens opening opened|close closes closing closed/shut shuts shutting shut|lift lifts lifting lifted/raise raises raising raised|
drop drops dropping dropped|break breaks breaking broken/smash smashes smashing smashed|repair repairs repairing repaired/fix fixes fixing fixed/mend mends mending mended|
photograph photographs photographing photographed/take$a$photo$of takes$a$photo$of taking$a$photo$of -|examine examines examining examined/inspect inspects inspecting inspected|
polish polishes polishing polished|pick$up picks$up picking$up picked$up|put$down puts$down putting$down put$down/set$down sets$down setting$down set$down|
wrap wraps wrapping wrapped|unwrap unwraps unwrapping unwrapped|hide hides hiding hidden|decorate decorates decorating decorated|build builds building built|
destroy destroys destroying destroyed/wreck wrecks wrecking wrecked|touch touches touching touched|kiss kisses kissing kissed|show shows showing shown/present presents presenting presented|
look$at looks$at looking$at -/gaze$at gazes$at gazing$at -/watch watches watching watched|point$at points$at pointing$at -|sit$on sits$on sitting$on -|stand$on stands$on standing$on -|
juggle juggles juggling juggled|balance balances balancing balanced|burn burns burning burned|water waters watering watered|spray sprays spraying sprayed"""
BETWEEN = """chase chases chasing chased/run$after runs$after running$after -|follow follows following followed|hug hugs hugging hugged/embrace embraces embracing embraced|
lead leads leading led|feed feeds feeding fed|teach teaches teaching taught|photograph photographs photographing photographed|watch watches watching watched|
scare scares scaring scared/frighten frightens frightening frightened|greet greets greeting greeted|help helps helping helped/assist assists assisting assisted|
lick licks licking licked|bite bites biting bitten|carry carries carrying carried|tickle tickles tickling tickled|push pushes pushing pushed|attack attacks attacking attacked|
comfort comforts comforting comforted/console consoles consoling consoled|interview interviews interviewing interviewed|race$past races$past racing$past -|
wash washes washing washed|draw draws drawing drawn|protect protects protecting protected/guard guards guarding guarded|point$at points$at pointing$at -"""
DRIVE = """drive drives driving|race races racing/speed speeds speeding|stop stops stopping|turn turns turning|crash crashes crashing|move moves moving|park parks parking"""
COLOURS = [
    "red",
    "blue",
    "green",
    "yellow",
    "orange",
    "purple",
    "pink",
    "black",
    "white",
    "brown",
    "grey",
    "golden",
    "silver",
    "turquoise",
    "beige",
]
LOOKS = """small/little/tiny|large/big/huge|old/ancient|new/brand-new|shiny/gleaming|wooden|metal/metallic|glass|plastic|striped|spotted/polka-dot|round|square|
broken/cracked|dirty/muddy|clean/spotless|wet|dry|fluffy/furry|empty|full|tall|short|cute/adorable|beautiful/gorgeous/pretty|colorful/multicolored|transparent/see-through"""
MOODS = (
    "happy/cheerful/joyful|sad/unhappy|angry/furious|tired/exhausted|scared/frightened|surprised/astonished|calm/relaxed|bored|proud|shy"
)
WEAR = """hat|cap|helmet|scarf|jacket|coat|dress|suit|t-shirt/tee|hoodie/hooded sweatshirt|sweater/jumper|uniform|raincoat|apron|backpack/rucksack|glasses/spectacles|
sunglasses/shades|headphones|skirt|tie/necktie|boots|gloves|blazer|kimono|lab coat|crown|mask"""
PLURALS = ["glasses", "spectacles", "sunglasses", "shades", "headphones", "boots", "gloves"]
TIMES = """at night/at nighttime/during the night|at sunset/at dusk/as the sun sets/sunset|at sunrise/at dawn/as the sun rises/sunrise|in the morning/morning|
at noon/at midday|in the evening/evening|in the afternoon/afternoon|at midnight"""
WEATHERS = """in the rain/while it rains/rainy weather/rainy day|in the snow/while it snows/snowy weather|in thick fog/in dense fog/foggy weather|
on a sunny day/in bright sunshine/sunny weather|during a thunderstorm/during a storm/stormy weather|on a windy day/in strong wind|on a cloudy day/under an overcast sky"""
SEASONS = "in winter/wintertime|in summer/summertime|in autumn/autumn|in spring/springtime"
# first part: as a suffix tag; then as a prefix ("X of"), then as a sentence
CAMERAS = """pan left/camera pans left/the camera pans to the left;;|pan right/camera pans right/the camera pans to the right;;|
zoom in/camera zooms in/slow zoom in/the camera slowly zooms in;;|zoom out/camera zooms out/slow zoom out/the camera slowly zooms out;;|
tilt up/camera tilts up/the camera tilts upward;;|tilt down/camera tilts down/the camera tilts downward;;|
close-up/close up shot/close-up view;close-up of/close-up shot of/a close up of;|wide shot/wide angle shot/wide view;wide shot of/wide-angle view of;|
medium shot;medium shot of;|aerial view/drone shot/drone footage/seen from above;aerial view of/drone shot of/aerial shot of;|
low angle/low-angle shot/seen from below;low-angle shot of/low angle view of;|slow motion/in slow motion/slow-mo;slow motion video of/slow-motion shot of;|
time-lapse/timelapse/in time-lapse;time-lapse of/timelapse video of;|handheld/handheld camera/shaky handheld footage;handheld shot of/handheld footage of;|
tracking shot/the camera follows/camera tracking;tracking shot of;|static camera/static shot/locked-off camera/the camera stays still;static shot of;|
orbit shot/camera orbits around/the camera circles around;orbiting shot of;|push in/camera pushes in/slow push in/the camera moves closer;;|
pull back/camera pulls back/slow pull out/the camera moves away;;|pov/first-person view/point of view shot;first-person view of/pov shot of;|macro/macro shot;macro shot of;|
over-the-shoulder shot/over the shoulder;over-the-shoulder shot of;|side view/from the side/seen from the side;side view of;|front view/from the front;front view of"""
STYLES = """oil painting/as an oil painting/in oil painting style;oil painting of/an oil painting of|watercolor/watercolor painting/in watercolor style;watercolor of/a watercolor painting of|
anime/anime style/in anime style;anime of|cartoon/cartoon style/in the style of a cartoon;cartoon of/a cartoon of|3d animation/3d render/3d rendered/pixar style;3d animation of/3d render of|
black and white/monochrome/in black and white;black and white footage of|pencil sketch/sketch/as a pencil drawing;pencil sketch of/pencil drawing of|
pixel art/in pixel art style;pixel art of|claymation/clay animation/stop motion clay;claymation of|cyberpunk/cyberpunk style/in cyberpunk style;|
van gogh style/in the style of van gogh/by van gogh;|ukiyo-e/by hokusai, in the style of ukiyo/ukiyo-e style;|photorealistic/realistic footage/live action;live-action footage of|
vintage film/vintage film look/old film footage;vintage footage of|comic book style/comic style;|surrealism style/surrealist style/surreal;|line art/line drawing;line drawing of"""
LIGHTS = "soft light/soft lighting|neon light/neon lighting/lit by neon|candlelight/by candlelight/lit by candles|dramatic lighting|warm light/warm lighting|studio lighting/studio light|backlit/backlight"
EXTRAS = """people cheering in the background/in the background people cheer|mountains in the background/mountains behind|a city skyline in the distance/in the distance a city skyline|
snow falling gently/gentle snowfall|leaves falling/falling leaves|fireworks in the sky/fireworks overhead|birds flying in the sky/birds flying overhead|waves crashing in the background/waves crash behind|
smoke rising in the background|a rainbow in the sky/a rainbow overhead|balloons floating around|a crowd watching/watched by a crowd|blurred background/background out of focus|plain white background/white backdrop/against a white background|
dark background/dark backdrop/against a dark background|steam rising/rising steam|confetti falling/confetti raining down|flowers all around/surrounded by flowers|candles on the table|traffic passing by/passing traffic"""
FILLERS_BEFORE = """a video of|video of|a clip of|a short clip of|footage of|a shot of|a scene of|a scene with|film of|generate a video of|create a video of|create a clip showing|please show|i want a video of|
show me|make a video where|a video showing|a cinematic shot of|cinematic scene of|realistic video of|a beautiful shot of|stock footage of|commercial shot of"""
FILLERS_AFTER = """4k|8k|hd|high quality|high resolution|best quality|ultra detailed|highly detailed|cinematic|masterpiece|4k, high quality|professional footage|sharp focus|award-winning|hdr|uhd|very detailed|stock video|smooth motion"""
# a sentence of detail that pins new facts; appended when a clip's prompt says more
ELABORATIONS = """The light falls softly through the scene, casting long shadows.|The colors are rich and the mood is calm and peaceful.|In the background, the leaves of tall trees sway gently in the breeze.|
Fine details of the texture are visible as the light changes.|The expression shows concentration and quiet joy.|A few people can be seen far in the background, going about their day.|The air is filled with tiny dust particles that glow in the light.|
The surrounding buildings are old, with ornate windows and weathered walls.|The scene has a serene atmosphere with smooth movement.|Nearby, a small wooden bench stands under a lamp post.|The background is softly blurred, drawing attention to the subject.|
The sky above is clear with a few scattered clouds.|The floor is made of old stone tiles, worn by time.|The composition is balanced, with vibrant and warm tones.|A gentle breeze moves through the scene, adding a sense of life.|
Intricate patterns and vivid hues add depth to the picture.|The moment feels intimate and timeless, full of quiet energy.|Small drops of water glisten on the surfaces all around.|The camera captures every movement with great clarity.|The overall tone is nostalgic and tender."""
# facts about the subject itself, also for long forms
MANNERS = (
    "slowly/at a slow pace|quickly/fast/rapidly|gently/softly|happily/joyfully|carefully/with care|nervously|proudly|gracefully/elegantly"
)
DIRECTIONS = "to the left/leftward|to the right/rightward|toward the camera/towards the viewer|away from the camera/away from the viewer|up the stairs/upstairs|down the stairs/downstairs|into the house|out of the house|in a circle/in circles|across the screen"
RELATIONS = "on/on top of|under/underneath/beneath|next to/beside/alongside|in front of|behind/at the back of|above|inside|to the left of/left of|to the right of/right of|far from/far away from"
TEXTS = "OPEN|CLOSED|SALE|WELCOME|STOP|EXIT|HELLO|LOVE|BAKERY|NEW YORK|HAPPY BIRTHDAY|50% OFF|COFFEE|DANGER|PARIS|THANK YOU|GO|HOPE"
