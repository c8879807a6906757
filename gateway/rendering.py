"""Which renderer the settings name: our own pipeline, or another server that speaks /v1/videos."""

from __future__ import annotations

from cache.settings import Settings
from generator.model import find_model, find_upstream_model
from generator.outbound import Patience
from generator.pipeline import PipelineRenderer
from generator.renderer import Renderer
from generator.upstream import UpstreamRenderer


def build_renderer(settings: Settings) -> Renderer:
    """Light: no weights are read but for the first digest of a model folder. RenderFailed where no model fits."""
    if settings.renderer == "upstream":
        served = find_upstream_model(settings.model, settings.model_revision, settings.upstream_url)
        return UpstreamRenderer(
            served,
            settings.upstream_url,
            settings.upstream_key,
            settings.data_dir / "upstream",
            Patience(whole=settings.job_limit),
        )
    found = find_model(settings.model, settings.model_revision, settings.data_dir)
    return PipelineRenderer(
        found,
        settings.device,
        settings.precision,
        settings.render_threads,
        settings.render_niceness,
        settings.warm_up,
    )
