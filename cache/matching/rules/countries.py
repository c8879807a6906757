"""Places within places: what lies in a country, and which countries a continent's adjective takes in. Written by hand. Pure."""

from __future__ import annotations

from cache.matching.rules.lexicon import listed

# nation -> its names and adjectives / towns and sights that are known by their name alone
_NATIONS = {
    "france": "france french / paris eiffel louvre notre-dame versailles provence lyon nice marseille normandy",
    "italy": "italy italian / rome roman venice venetian florence florentine milan naples tuscany tuscan sicily sicilian pisa colosseum amalfi",
    "spain": "spain spanish / madrid barcelona seville ibiza valencia andalusia sagrada",
    "portugal": "portugal portuguese / lisbon porto algarve",
    "germany": "germany german / berlin munich hamburg cologne bavaria bavarian neuschwanstein",
    "austria": "austria austrian / vienna viennese salzburg hallstatt",
    "switzerland": "switzerland swiss / zurich geneva zermatt matterhorn",
    "netherlands": "netherlands dutch holland / amsterdam rotterdam",
    "belgium": "belgium belgian / brussels bruges antwerp",
    "england": "england english / london oxford cambridge thames stonehenge",
    "scotland": "scotland scottish / edinburgh glasgow",
    "wales": "welsh / cardiff snowdonia",
    "ireland": "ireland irish / dublin galway",
    "norway": "norway norwegian / oslo bergen lofoten",
    "sweden": "sweden swedish / stockholm",
    "denmark": "denmark danish / copenhagen",
    "finland": "finland finnish / helsinki lapland",
    "iceland": "iceland icelandic / reykjavik",
    "greece": "greece greek / athens santorini mykonos crete acropolis parthenon",
    "poland": "poland polish / warsaw krakow",
    "czechia": "czechia czech / prague",
    "hungary": "hungary hungarian / budapest",
    "russia": "russia russian / moscow petersburg kremlin siberia siberian",
    "turkey": "turkish / istanbul cappadocia ankara",
    "egypt": "egypt egyptian / cairo giza luxor sphinx",
    "morocco": "morocco moroccan / marrakech marrakesh casablanca fez",
    "kenya": "kenya kenyan / nairobi",
    "tanzania": "tanzania tanzanian / serengeti kilimanjaro zanzibar",
    "japan": "japan japanese / tokyo kyoto osaka fuji shibuya hokkaido nara",
    "china": "china chinese / beijing shanghai sichuan guilin shenzhen hongkong",
    "korea": "korea korean / seoul busan",
    "thailand": "thailand thai / bangkok phuket",
    "vietnam": "vietnam vietnamese / hanoi saigon halong",
    "india": "india indian / delhi mumbai jaipur taj mahal varanasi kerala rajasthan agra",
    "nepal": "nepal nepalese / kathmandu everest",
    "indonesia": "indonesia indonesian / bali balinese jakarta",
    "mexico": "mexico mexican / cancun oaxaca",
    "brazil": "brazil brazilian / rio amazon",
    "peru": "peru peruvian / lima machu cusco",
    "argentina": "argentina argentinian argentine / patagonia",
    "america": "america american usa / york manhattan brooklyn chicago california francisco angeles vegas texas miami hollywood seattle boston",
    "canada": "canada canadian / toronto vancouver banff montreal",
    "australia": "australia australian / sydney melbourne uluru",
}
_CONTINENTS = {
    "europe european": "france italy spain portugal germany austria switzerland netherlands belgium england scotland wales ireland norway sweden denmark finland iceland"
    " greece poland czechia hungary russia",
    "britain british uk": "england scotland wales",
    "scandinavia scandinavian nordic": "norway sweden denmark finland iceland",
    "mediterranean": "greece italy",
    "asia asian": "japan china korea thailand vietnam india nepal indonesia",
    "africa african": "egypt morocco kenya tanzania",
}
# After these an adjective of a nation is part of a thing's name: a French horn is from nowhere.
_NAMES_OF_THINGS = listed(
    """
    bulldog shepherd shorthair terrier mastiff spaniel setter pointer wolfhound hound dane cat tabby fries toast horn press kiss door doors window braid
    manicure pastry knife army cheese bath towel delight doll roulette salad dressing coffee roast chair muffin breakfast tulip oven garden ivy flag
    language food dish cuisine restaurant pie buffalo bison eagle football staffordshire
    """
)
_OF_NATION: dict[str, str] = {}
_WITHIN: dict[str, str] = {}
for _nation, _row in _NATIONS.items():
    _own, _places = (part.split() for part in _row.split("/"))
    _OF_NATION |= dict.fromkeys(_own, _nation)
    _WITHIN |= dict.fromkeys([*_own, *_places], _nation)
_OF_CONTINENT = {name: frozenset(nations.split()) for names, nations in _CONTINENTS.items() for name in names.split()}
# After these an adjective is a language: "counts in Welsh".
_SPOKEN = listed("in speak speaks speaking spoken sing sings singing learn learns learning say says saying write writes writing written")
_LANDS = frozenset(_NATIONS) | listed("holland uk usa europe asia africa scandinavia britain mediterranean")
# Words of the list that are no place as well, where they stand in lower case: what a clip shows must be told by a surer word.
_DOUBTFUL = frozenset(["nice", "amazon", "york", "polish", "rio", "lima", "fez", "bergen", "nara", "agra"])


def lies_within(asked: str, before: str, after: str, there: frozenset[str]) -> bool:
    """True if the clip names a place in the one `asked` for ("european" / "eiffel"), or its people or land by another word ("french" /
    "france"). `before` and `after`: the words beside it; `there`: the words of the clip's prompt."""
    if after in _NAMES_OF_THINGS or (before in _SPOKEN and asked not in _LANDS):
        return False
    nations = _OF_CONTINENT.get(asked, frozenset([_OF_NATION[asked]]) if asked in _OF_NATION else frozenset())
    return any(_WITHIN.get(word) in nations for word in there - _DOUBTFUL)
