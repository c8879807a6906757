"""Words by which a longer prompt takes back what it says, or shows it only as a picture, a dream or a change. Pure."""

from __future__ import annotations

import re

_CHANGE = "turned into something"  # "becomes" says it, too, but long prompts also say it of light and mood

# Each kind by its name. Where the new prompt has words of the same kind, they are asked for.
_KINDS = {
    "taken back": r"ignor(?:e|es|ing) (?:that|the|this|all|it|what|everything)|disregard|forget (?:that|the|this|all|it|what|everything)"
    r"|never ?mind|instead|in place of|must not|do not show|don't show",
    "imagined": r"imagin(?:e|es|ing)|pretend(?:s|ing)?|dream(?:s|ing|ed|t)? (?:of|about)|think(?:s|ing)? (?:of|about)|hypothetical(?:ly)?",
    "all but some": r"all but|every \w+ but|except|apart from|other than",
    # A background that dissolves into blur is out of focus, and a car that turns into a lane goes on as a car.
    _CHANGE: r"(?:turn|morph|transform|dissolv|chang)(?:e|s|es|ing|ed)? into"
    r"(?! (?:an? |the )?(?:(?:[a-z-]+ ){0,5}?(?:bokeh|blur|blurs|blurred|haze|softness|out-of-focus|unsharp\w*)"
    r"|(?:[a-z-]+ ){0,2}?(?:street|road|lane|alley|driveway|avenue|parking))\b)",
    "only depicted": r"(?:painting|poster|drawing|statue|tattoo|toy|mural|sketch|replica|postcard) of|drawn by|painted on|printed on"
    r"|(?:television|tv|screen|billboard|monitor|poster|phone)s? (?:showing|playing|displaying|shows (?:a|an|the)|plays (?:a|an|the))",
}
_PATTERNS = {name: re.compile(rf"\b(?:{pattern})\b") for name, pattern in _KINDS.items()}
_ANY = re.compile(rf"\b(?:{'|'.join(_KINDS.values())})\b")


def takeover(new: str, cached: str) -> str | None:
    """Both in lower case with single spaces. Why a clip made for `cached` may not show what it says, or None."""
    if _ANY.search(cached) is None:
        return None
    for name, pattern in _PATTERNS.items():
        found = pattern.search(cached)
        if found is not None and pattern.search(new) is None and not (name == _CHANGE and "becom" in new):
            return f"{name}: not said / {found.group()}"
    return None
