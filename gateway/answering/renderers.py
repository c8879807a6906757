"""The renderer of the settings (our own pipeline, or another server that speaks /v1/videos), and the worker around it."""

from __future__ import annotations

from cache.matching.donors.choice import take_depth
from cache.matching.donors.curves import SHIPPED, DonorTable, read_table
from cache.settings import Settings
from cache.storage.bytes.objects import Objects
from cache.storage.clips.latents import Latents
from cache.storage.clips.pictures import Pictures
from cache.storage.database.database import Database
from generator.loras import find_loras
from generator.model import find_model, find_upstream_model
from generator.outbound import Patience
from generator.pipeline import PipelineRenderer
from generator.queue.dispatch import Dispatch
from generator.queue.leases import Leases, LeaseTerms
from generator.queue.signals import Signals
from generator.queue.starts import Starts
from generator.renderer import Renderer
from generator.speed import Speed
from generator.upstream import UpstreamRenderer
from generator.worker.memory_peaks import MemoryPeaks
from generator.worker.worker import Worker


def lease_terms(settings: Settings) -> LeaseTerms:
    return LeaseTerms(settings.lease_seconds, settings.job_seconds, settings.job_attempts, settings.clip_ttl_days * 86_400.0 or None)


def build_worker(
    settings: Settings,
    database: Database,
    leases: Leases,
    dispatch: Dispatch,
    signals: Signals,
    renderer: Renderer,
    objects: Objects,
    latents: Latents,
    pictures: Pictures,
) -> Worker:
    """The same one in a gateway and in a process of its own."""
    return Worker(
        leases=leases,
        dispatch=dispatch,
        signals=signals,
        renderer=renderer,
        objects=objects,
        folder=settings.data_dir / "videos",
        starts=Starts(database, latents, pictures),
        min_free_bytes=int(settings.min_free_gb * 1e9),
        peaks=MemoryPeaks(database),
        overlap=settings.speed.encode_overlap == "on",
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
            Patience(whole=settings.job_seconds),
            fields=settings.upstream_fields,
        )
    found = find_model(settings.model, settings.model_revision, settings.data_dir, row=settings.model_row)
    found = found.with_loras(find_loras(settings.lora)).with_step_cache(settings.step_cache)
    return PipelineRenderer(
        found.with_fp8_products(settings.speed.fp8_products == "on").with_offload(settings.offload),
        settings.device,
        speed(settings),
        settings.speed.cpu_threads,
        warm=settings.speed.warm_up == "on",
        batch=settings.speed.batch_clips,
        keep_latents=latents_kept(settings),
    )


def donor_table(settings: Settings) -> DonorTable:
    """ValueError where the settings name a file that holds none."""
    return read_table(settings.assist_table or SHIPPED)


def latents_kept(settings: Settings) -> bool:
    """The choice of "auto": latents are kept where some render may start from one. Where takes have no depth that is both right
    and another clip, none may.
    """
    if settings.keep_latents != "auto":
        return settings.keep_latents == "on"
    takes = settings.assist == "takes" and take_depth(donor_table(settings), settings.max_wrong) is not None
    return takes or settings.assist == "near"


def speed(settings: Settings) -> Speed:
    headroom = int(settings.vram_headroom_gb * 1e9)
    return Speed(**vars(settings.speed), compiled=settings.data_dir / "compiled", headroom=headroom, offload=settings.offload)
