"""Weights and tags that image tools put round words: `(word:1.2)`, `((word))`, `[word]`, `<lora:name:0.8>`. Pure."""

from __future__ import annotations

import re

_WEIGHED = re.compile(r"\(\s*(?=[^():|]*[^\W\d_])([^():|]+?)\s*:\s*(-?\d*\.?\d+)\s*\)")
_NESTED = re.compile(r"\(\s*(\([^()]*\))\s*\)|\[\s*(\[[^\[\]]*\])\s*\]|\{\s*(\{[^{}]*\})\s*\}")
_TAG = re.compile(r"(?:(?<=^)|(?<=,)|(?<=\())\s*[(\[{]\s*([^()\[\]{}|:]+?)\s*[)\]}]\s*(?=,|$|\))")
_SOFTENED = re.compile(r"[\[{]\s*([a-z][^()\[\]{}|:\d]*?)\s*[\]}]")
_LORA = re.compile(r"<\s*(?:lora|lyco|hypernet)\s*:\s*([^:<>]+)(?::[^<>]*)?>", re.IGNORECASE)
_HTML = re.compile(r"</?(?:prompt|p|br|b|i|em|strong|div|span|ul|ol|li|h[1-6]|scene|video|description)\s*/?>", re.IGNORECASE)
_RAISED = re.compile(r"(?<=[a-z]{3})\+{1,4}(?=[\s,.]|$)|(?<=\))\+{1,4}")
_JOINT = re.compile(r"\s*,?\s*\bBREAK\b\s*,?\s*")
_ESCAPED = re.compile(r"\\([()\[\]{}])")


def unmarked(text: str) -> str:
    """The words without their weights. What has the weight zero or less is not wanted: "no word". The name of a LoRA stays as words."""
    if not any(mark in text for mark in "([{<+\\") and "BREAK" not in text:
        return text
    text = _LORA.sub(lambda found: f", {re.sub(r'[_-]+', ' ', found[1])},", _HTML.sub(" ", text))
    for _ in range(4):
        before = text
        text = _NESTED.sub(lambda found: found[1] or found[2] or found[3], text)
        text = _WEIGHED.sub(lambda found: found[1] if float(found[2]) > 0 else f"no {found[1]}", text)
        if text == before:
            break
    text = _SOFTENED.sub(r"\1", _TAG.sub(r" \1", text))
    return _JOINT.sub(", ", _ESCAPED.sub(r"\1", _RAISED.sub("", text)))
