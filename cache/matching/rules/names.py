"""Names of people, makers and characters: capitals, known brands, and words that no English list knows. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cache.matching.reading.vocabulary import real
from cache.matching.rules.facts import Fact
from cache.matching.rules.lexicon import listed
from cache.matching.rules.words import Word

# Names that may stand first, where a capital says nothing, or in lower case.
_BRANDS = listed(
    """
    adidas nike reebok asics patagonia zara gucci prada chanel dior rolex versace hermes ikea lego nintendo playstation xbox sony samsung huawei
    xiaomi nokia google microsoft facebook instagram tiktok youtube netflix spotify paypal airbnb uber amazon walmart costco starbucks mcdonald
    mcdonalds kfc nespresso heineken budweiser pepsi coca-cola fanta sprite nutella oreo pringles tesla toyota honda
    nissan mazda subaru hyundai kia volkswagen bmw audi mercedes porsche ferrari lamborghini maserati bugatti volvo renault peugeot citroen fiat
    chevrolet cadillac chrysler harley yamaha kawasaki ducati boeing airbus lufthansa ryanair emirates disney pixar marvel batman superman
    spider-man spiderman ironman hulk thor joker pikachu mario luigi sonic zelda godzilla barbie shrek elsa gandalf frodo yoda vader messi ronaldo
    beyonce rihanna einstein picasso mozart beethoven napoleon cleopatra lincoln obama trump biden putin elon
    """
)
_TOLD = 6  # letters from which on one letter more is a slip and no other name
_SHORTEST = 4  # letters of a word in lower case that is told to be a name by being no English word


def names(tokens: list[Word], titles: set[str]) -> Iterator[Fact]:
    """`titles`: words that are written with a capital without being names. None in a text whose words mostly have capitals."""
    letters = [word for word in tokens if not word.is_mark and word.text[0].isalpha()]
    titled = sum(word.capital for word in letters) * 2 > len(letters)
    for at, word in enumerate(tokens):
        if not word.is_content or word.is_mark or len(word.text) < 2 or word.text in titles:
            continue
        starts = at == 0 or tokens[at - 1].text in {".", "!", "?", ":", "("}
        followed = at + 1 < len(tokens) and tokens[at + 1].capital and tokens[at + 1].is_content
        capital = word.capital and not titled and (not starts or (followed and not real(word.text)))
        unknown = word.text.isalpha() and word.text.isascii() and len(word.text) >= _SHORTEST and not real(word.text)
        if capital or word.text in _BRANDS or unknown:
            yield Fact("name", word.stem, words=word.text)


def spelt(one: str, other: str) -> bool:
    """True if two names are one in two spellings, as "phillips" and "philips": a letter more within, but not at either end."""
    short, long = sorted((one, other), key=len)
    if len(short) < _TOLD or len(long) - len(short) != 1:
        return False
    return any(long[:at] + long[at + 1 :] == short for at in range(1, len(long) - 1)) and long[-1] == short[-1]
