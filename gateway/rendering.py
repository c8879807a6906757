"""Which renderer the settings name: our own pipeline, or another server that speaks /v1/videos."""

from __future__ import annotations

from cache.settings import Settings
from generator.model import find_model, find_upstream_model
from generator.outbound import Patience
from generator.pipeline import PipelineRenderer
from generator.renderer import Renderer
from generator.speed import Speed
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
            settings.upstream_film_mb * 2**20,
            settings.upstream_fields,
        )
    found = find_model(settings.model, settings.model_revision, settings.data_dir)
    return PipelineRenderer(
        found.with_step_cache(settings.step_cache),
        settings.device,
        speed(settings),
        settings.render_threads,
        settings.render_niceness,
        settings.warm_up,
        settings.batch,
    )


def speed(settings: Settings) -> Speed:
    return Speed(
        precision=settings.precision,
        compile=settings.compile,
        attention=settings.attention,
        guidance=settings.guidance,
        vae_precision=settings.vae_precision,
        vae_layout=settings.vae_layout,
        vae_fuse=settings.vae_fuse,
        vae_search=settings.vae_search,
        compiled=settings.data_dir / "compiled",
        prompts_kept=settings.prompts_mb * 2**20,
        headroom=int(settings.vram_headroom_gb * 2**30),
    )
