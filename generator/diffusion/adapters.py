"""LoRAs on a loaded pipeline: those of every clip are fused into its weights, the others lie beside them and are switched by a Recipe.

diffusers leaves out what it does not know (differences of norms, layers that the model lacks) without a word. What is left out is counted
and told, and a file of which nothing fits is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import structlog

from cache.errors import RenderFailed
from generator.loras import FoundLora

log = structlog.get_logger(__name__)


class Adapters:
    """Built before anything else is done to the pipeline, since it changes modules. `choices`: what is in use, for the log."""

    def __init__(self, pipe: Any, found: Sequence[FoundLora]) -> None:
        """Raises RenderFailed, which names the file, where one does not fit."""
        self._pipe, self._now = pipe, ""
        self._fused = "+".join(lora.spelled for lora in found if lora.fused)
        self._named: dict[str, tuple[str, float]] = {}
        said = []
        for at, lora in enumerate(sorted(found, key=lambda one: not one.fused)):
            adapter = f"lora{at}"
            said.append(self._load(lora, adapter))
            if lora.fused:
                pipe.fuse_lora(adapter_names=[adapter], lora_scale=lora.scale)
                pipe.unload_lora_weights()
            else:
                self._named["+".join(filter(None, (self._fused, lora.spelled)))] = adapter, lora.scale
        if self._named:
            pipe.transformer.disable_adapters()
        self.choices = "".join(f", LoRA {one}" for one in said)

    def knows(self, spelled: str) -> bool:
        return spelled == self._fused or spelled in self._named

    def turn_to(self, spelled: str) -> None:
        """Sets the LoRAs of the next render, as its Recipe spells them."""
        if not self.knows(spelled):
            raise RenderFailed(f"this renderer does not have the LoRA {spelled[:60]}: REPRISE_LORA must be the same for all workers")
        if spelled == self._now or not self._named:
            return
        self._now = spelled
        if spelled == self._fused:
            self._pipe.transformer.disable_adapters()
            return
        adapter, scale = self._named[spelled]
        self._pipe.transformer.enable_adapters()
        self._pipe.set_adapters([adapter], [scale])

    def _load(self, lora: FoundLora, adapter: str) -> str:
        try:
            converted = self._pipe.lora_state_dict(lora.file)
            fitting = sum(_fits(self._pipe.transformer, key) for key in converted)
            if not fitting:
                raise ValueError(f"none of its {lora.tensors} tensors belongs to this model")
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # several are what is wanted
                self._pipe.load_lora_weights(lora.file, adapter_name=adapter)
        except Exception as error:  # whatever a file of another model makes diffusers and peft raise
            raise RenderFailed(f"REPRISE_LORA: {lora.file} does not fit this model: {_first_line(error)}", "lora_not_supported") from error
        unused = max(0, lora.tensors - fitting)
        if unused:
            log.warning("a part of a LoRA is not used", lora=lora.name, unused=unused, tensors=lora.tensors)
        note = f", {unused} of its {lora.tensors} tensors not used" if unused else ""
        return f"{lora.name} at {lora.scale:g}{' in every clip' if lora.fused else ''}{note}"


def _fits(transformer: Any, key: str) -> bool:
    """`transformer.blocks.0.attn1.to_q.lora_A.weight`: whether the model has that layer."""
    part, _, name = key.partition(".")
    module, low_rank, _ = name.partition(".lora_")
    if part != "transformer" or not low_rank:
        return False
    try:
        transformer.get_submodule(module)
    except AttributeError:
        return False
    return True


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:300] or type(error).__name__
