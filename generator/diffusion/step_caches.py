"""Step caches of diffusers: parts of the transformer are skipped in steps where little changes. They change pixels, so their
name is part of the Recipe, as `name` or `name:number`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.hooks import FirstBlockCacheConfig, SeaCacheConfig, TaylorSeerCacheConfig

from cache.errors import RenderFailed
from cache.recipe import Recipe
from generator.diffusion.acceleration import without_acceleration

_TAYLORED = [r"blocks\.\d+\.(attn1|attn2|ffn)"]  # what diffusers looks for by itself has other names here

_MAKERS: dict[str, Callable[[float | None], Any]] = {
    "first_block": lambda threshold: FirstBlockCacheConfig(threshold=0.05 if threshold is None else threshold),
    "taylor": lambda interval: TaylorSeerCacheConfig(cache_interval=2 if interval is None else int(interval), cache_identifiers=_TAYLORED),
    "sea": lambda threshold: SeaCacheConfig(threshold=0.25 if threshold is None else threshold),
}


def known_step_cache(spelled: str) -> bool:
    return spelled == "none" or spelled.partition(":")[0] in _MAKERS


@contextmanager
def step_cache(transformer: Any, recipe: Recipe) -> Iterator[bool]:
    """A context with the Recipe's step cache; yields True if there is one. Its contents are dropped at the end in any case."""
    if recipe.step_cache == "none":
        yield False
        return
    name, _, number = recipe.step_cache.partition(":")
    try:
        config = _MAKERS[name](float(number) if number else None)
    except (KeyError, ValueError) as error:
        raise RenderFailed(f"unknown step cache: {recipe.step_cache}", "model_not_supported") from error
    with without_acceleration(transformer):  # its hooks decide by what they see, which a compiled block cannot follow
        transformer.enable_cache(config)
        try:
            yield True
        finally:
            transformer.disable_cache()
