"""The whole schema. Times are Unix seconds, by the database's clock for leases; migrations/ creates the tables."""

from cache.storage.tables.base import counters, metadata, now
from cache.storage.tables.clips import clip_objects, clip_vectors, clips, ghosts, pictures, recipes, shared_asks, shared_clips
from cache.storage.tables.fleet import call_counts, keys, models, sessions, tenants, workers
from cache.storage.tables.jobs import jobs, memory_peaks
from cache.storage.tables.operators import audits, recalibrations, tallies
from cache.storage.tables.plans import plan_covers, plan_prompts, plans
from cache.storage.tables.requests import JUDGED, idempotency, labels, requests, webhooks

__all__ = [
    "JUDGED",
    "audits",
    "call_counts",
    "clip_objects",
    "clip_vectors",
    "clips",
    "counters",
    "ghosts",
    "idempotency",
    "jobs",
    "keys",
    "labels",
    "memory_peaks",
    "metadata",
    "models",
    "now",
    "pictures",
    "plan_covers",
    "plan_prompts",
    "plans",
    "recalibrations",
    "recipes",
    "requests",
    "sessions",
    "shared_asks",
    "shared_clips",
    "tallies",
    "tenants",
    "webhooks",
    "workers",
]
