"""Which renderer the settings name (our own pipeline, or another server that speaks /v1/videos), and the worker around it."""

from __future__ import annotations

from cache.settings import Settings
from cache.storage.bytes.objects import Objects
from cache.storage.database import Database
from generator.model import find_model, find_upstream_model
from generator.outbound import Patience
from generator.pipeline import PipelineRenderer
from generator.queueing.dispatch import Dispatch
from generator.queueing.leases import Leases, Terms
from generator.queueing.signals import Signals
from generator.renderer import Renderer
from generator.speed import Speed
from generator.upstream import UpstreamRenderer
from generator.working.memory_peaks import MemoryPeaks
from generator.working.worker import Worker


def terms_of(settings: Settings) -> Terms:
    return Terms(settings.lease_seconds, settings.job_limit, settings.attempts, settings.clip_ttl_days * 86_400.0 or None)


def build_worker(
    settings: Settings, database: Database, leases: Leases, dispatch: Dispatch, signals: Signals, renderer: Renderer, objects: Objects
) -> Worker:
    """The same one in a gateway and in a process of its own."""
    return Worker(
        leases=leases,
        dispatch=dispatch,
        signals=signals,
        renderer=renderer,
        objects=objects,
        folder=settings.data_dir / "films",
        min_free_bytes=int(settings.min_free_gb * 2**30),
        peaks=MemoryPeaks(database),
        overlap=settings.film_overlap,
    )


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
        ffn_fuse=settings.ffn_fuse,
        vae_precision=settings.vae_precision,
        vae_layout=settings.vae_layout,
        vae_fuse=settings.vae_fuse,
        vae_whole=settings.vae_whole,
        vae_search=settings.vae_search,
        compiled=settings.data_dir / "compiled",
        prompts_kept=settings.prompts_mb * 2**20,
        headroom=int(settings.vram_headroom_gb * 2**30),
    )
