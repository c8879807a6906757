"""Flaws that a list of negatives names, and settings of samplers: they tell how well a picture is made, and nothing of it is seen. Pure."""

from __future__ import annotations

import re

_BODY = (
    r"(?:hands?|fingers?|fingertips|limbs?|arms?|legs?|feet|foot|toes|faces?|eyes?|mouths?|teeth|body|bodies|heads?|necks?|anatomy"
    r"|proportions?|digits?|features?|pose|posture)"
)
_ILL = (
    r"(?:bad|poor(?:ly)?|badly|ugly|wrong|incorrect|weird|strange|unnatural|extra|additional|missing|fewer|too many|fused|merged|melted|mutated|deformed"
    r"|malformed|disfigured|distorted|warped|twisted|broken|disconnected|duplicate[ds]?|cloned|gross|misshapen|asymmetrical"
    r"|drawn|rendered|done|blurry|blurred|cropped)"
)
_WORDS = (
    r"(?:blurr?y|blurred|blur|unsharp|out of focus|lowers|"  # "lowers" is what becomes of "lowres"
    r"low[- ]?res(?:olution)?|low[- ]?(?:quality|detail|definition|poly mesh)|(?:worst|bad|poor|lowest|lower|normal|terrible) (?:quality|resolution|image|picture|video|lighting|composition|art)"
    r"|(?:jpe?g|compression|video|image|visual|digital|rendering|ai)? ?art[ie]facts?|jpe?g|(?:image |digital |color |colour )?noise|noisy|grainy|pixelat(?:ed|ion)"
    r"|watermarks?|watermarked|deform(?:ed|ation|ity|ities)|disfigured|disfigurement|distort(?:ed|ions?)|mutat(?:ed|ions?)|malformed"
    r"|warp(?:ed|ing)|flicker(?:s|ing)?|jitter(?:s|y|ing)?|glitch(?:es|y)?|stutter(?:ing)?|aliasing|moire|over-?expos(?:ed|ure)|under-?expos(?:ed|ure)"
    r"|over-?saturated|over-?saturation|bad crop|amateur(?:ish)?|plastic skin|inconsistent motion|bad motion"
    r"|bad framing|long neck|floating limbs|multiple (?:heads|limbs)|nsfw)"
)
_SAID = rf"(?:(?:very|any|heavy|excessive|slightly|overly) )?(?:{_WORDS}|(?:{_ILL} )+{_BODY}|{_BODY} (?:deformed|distorted|warped))"
# In a sentence these may be of what is shown: a letter that has no signature.
_LISTED = r"signatures?|user ?names?|artist names?|ugly|ugliness|morphing|ghosting|banding|out of frame|cropped|cut ?off|duplicat(?:es?|ed|ion)|errors?|sloppy"
_FLAW, _LISTED_FLAW = (re.compile(pattern, re.IGNORECASE) for pattern in (_SAID, rf"{_SAID}|{_LISTED}"))
_DENIED = re.compile(r"(?:no|without|avoid)\s+(?:any\s+)?", re.IGNORECASE)
# "Steps: 30, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512, Model hash: 1a2b"
_SETTING = re.compile(
    r"(?:^|(?<=[.,;|!?\n])|(?<=[.,;|!?\n]\s))\s*"
    r"(?:(?:cfg|cfg[ _-]?scale|guidance|guidance[ _-]?scale|(?:sampling |inference |num[ _]inference[ _])?steps|seed|clip[ _]skip|denoising(?: strength)?|ensd|flow[ _]shift)"
    r"\s*[:=]\s*-?\d+(?:\.\d+)?"
    r"|(?:sampler|sampling method|scheduler|schedule type)\s*[:=]\s*[^,;.|\n]+"
    r"|(?:size|resolution)\s*[:=]\s*\d{3,4}\s?[x×]\s?\d{3,4}|(?:model|vae) hash\s*[:=]\s*[0-9a-f]{6,})"
    r"\s*(?:[,;.|](?!\d)|(?=\n)|$)",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(r"(?:^|(?<=[.,;|!?\s]))(?:negatives?|neg)(?:[ _-]prompts?)?\s*:\s*([^.|\n]+)", re.IGNORECASE)
_NEXT_FIELD = re.compile(r";\s*[A-Za-z][\w ]{1,20}\s*[:=]")
_BETWEEN = re.compile(r"[,;]")


def is_flaw(part: str) -> bool:
    """True of "no blurry", "without watermark", "no bad hands": who says so asks for a picture well made, and all do."""
    denied = _DENIED.match(part)
    return denied is not None and _FLAW.fullmatch(part, denied.end()) is not None


def without_settings(text: str) -> str:
    """`text` without settings of samplers, and with its lists of negatives as things not to be shown: "negative: cars" is "no cars"."""
    return _NEGATIVE.sub(_denied, _SETTING.sub(" ", text))


def not_shown(listed: str) -> str:
    """A list of negatives as things not to be shown, without those that only ask for a picture well made: "blurry, cars" is "no cars"."""
    parts = (_DENIED.sub("", part.strip(" .'\""), count=1) for part in _BETWEEN.split(listed))
    return ", ".join(f"no {part}" for part in parts if part and not _LISTED_FLAW.fullmatch(part))


def _denied(found: re.Match[str]) -> str:
    # Up to the next field: "negative: blurry, cars; camera: static".
    after = _NEXT_FIELD.search(found[1])
    listed, rest = (found[1][: after.start()], found[1][after.start() :]) if after else (found[1], "")
    return not_shown(listed) + rest
