"""The second transformer of a model folder, distilled to few steps, which makes drafts beside the text encoder, the VAE and the latents of
the first."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import WanTransformer3DModel

from cache.errors import RenderFailed
from generator.hub import DRAFT
from generator.model import FoundModel


def load_draft(model: FoundModel, precision: torch.dtype) -> Any | None:
    """None for a model that has none. Its shape is that of the first by its config, which was read before (generator/model_rows.py)."""
    if not model.served.row.draft_timesteps:
        return None
    given = {"subfolder": DRAFT, "revision": model.commit, "local_files_only": model.local}
    try:
        loaded, told = WanTransformer3DModel.from_pretrained(model.source, torch_dtype=precision, output_loading_info=True, **given)
    except (OSError, ValueError) as error:
        raise RenderFailed(f"the {DRAFT}/ of {model.served.name} cannot be read: {str(error)[:200]}", "model_not_found") from error
    if told["missing_keys"]:
        # diffusers fills them with random numbers and a warning.
        raise RenderFailed(f"the {DRAFT}/ of {model.served.name} lacks weights, {told['missing_keys'][0]} among them", "model_not_found")
    return loaded.eval()
