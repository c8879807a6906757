"""A Recipe by another revision of its model: what is queued when a worker with other weights comes."""

from __future__ import annotations

from dataclasses import replace

from cache.catalog import AskedSettings, ServedModel, check_picture, resolve
from cache.errors import Invalid
from cache.recipe import Recipe


def again(model: ServedModel, recipe: Recipe) -> Recipe | None:
    """The same ask by another revision of the model of that name; None where there is none, or it cannot do that."""
    if model.row.name != recipe.model:
        return None
    own, made = recipe.quality == "custom", model.row.made_as(recipe.quality)
    default = 1.0 if recipe.sampler == "lcm" else model.row.guidance  # a draft may be made in the other way by now
    ask = AskedSettings(
        seconds=(recipe.frames - 1) / recipe.fps,  # its true length is a frame more, and may be over the longest that can be asked
        size=recipe.size,
        quality=None if own else recipe.quality,
        steps=recipe.steps if own else None,
        guidance=None if recipe.guidance == default else recipe.guidance,
        negative_prompt=recipe.negative_prompt,
        lora=None if recipe.lora == made.fused_lora else recipe.lora.rpartition("+")[2].partition(":")[0],
    )
    try:
        found = resolve(model, ask)
        if recipe.picture:
            check_picture(model.row)
        return replace(found, picture=recipe.picture)
    except Invalid:
        return None
