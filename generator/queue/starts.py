"""Starts of renders, the workers' side: the picture that a clip begins with, and the latent that an assisted one starts from, or the job
made a cold one where that is gone.
"""

from __future__ import annotations

import structlog
from sqlalchemy import select, update

from cache.errors import LeaseLost, PictureGone, RenderFailed
from cache.prompt import Prompt
from cache.storage.clips.latents import Latents
from cache.storage.clips.pictures import Pictures
from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence, start_row
from cache.storage.tables import jobs
from cache.variant import Spec, Variant
from generator.job import Job, Lease
from generator.queue.rows import ALL_JOBS, OPEN_STATES, NewJob, held, job_of
from generator.renderer import DonorLatent

log = structlog.get_logger(__name__)


class Starts:
    def __init__(self, database: Database, latents: Latents, pictures: Pictures) -> None:
        self._database, self._latents, self._pictures = database, latents, pictures

    async def picture(self, job: Job) -> bytes | None:
        """The file of the picture that its clip begins with. Raises RenderFailed where that is gone: no other clip will do."""
        if not job.recipe.picture:
            return None
        try:
            return await self._pictures.read(job.scope, job.recipe.picture)
        except PictureGone as error:
            raise RenderFailed(error.message, error.code) from error

    async def of(self, lease: Lease) -> tuple[Lease, DonorLatent | None]:
        """The lease, and what its render starts from: None from noise. Raises LeaseLost."""
        job = lease.job
        if job.start is None:
            return lease, None
        latent = await self._latents.read(job.scope, job.start)
        if latent is None:
            return await self.cold(lease, "its latent is gone"), None
        return lease, DonorLatent(latent, job.start.sigma)

    async def cold(self, lease: Lease, reason: str) -> Lease:
        """The same lease on the same take, rendered from noise: another Variant. Where that one is open already, only its seed is used."""
        job = lease.job
        variant = Variant(Spec(job.scope, Prompt.parse(job.prompt), job.recipe), take=job.take)
        key = NewJob(job.tenant, variant, joinable=job.joinable, id=job.id).key
        fence = held(job, lease.worker)
        async with self._database.write() as connection:
            sequence = await next_sequence(connection)
            other = (await connection.execute(select(jobs.c.id).where(jobs.c.variant_key == key, OPEN_STATES))).first()
            keys = {"variant_key": key} if other is None else {}
            change = update(jobs).where(fence).values(sequence=sequence, seed=variant.seed, reserved=False, **keys, **start_row(None))
            if not (await connection.execute(change)).rowcount:
                raise LeaseLost(f"{job.id} is no longer leased under attempt {lease.attempt}")
            row = (await connection.execute(ALL_JOBS.where(jobs.c.id == job.id))).one()
        log.info("rendered without a donor", donor=None if job.start is None else job.start.donor, reason=reason)
        return Lease(job_of(row), lease.worker)
