"""The tables of clips, their objects and vectors, the shared pool, and ghosts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, false, text

from cache.storage.tables.base import Id, JsonColumn, Seed, Sha256, allowed_words, metadata

# A Recipe's canonical fields by its key; everything else names the key.
recipes = Table(
    "recipes",
    metadata,
    Column("key", Sha256, primary_key=True),
    Column("fields", JsonColumn, nullable=False),
    Column("picture", Sha256, nullable=True),  # that of its fields, to find the Recipes of a picture
    Index("ix_recipes_picture", "picture", sqlite_where=text("picture IS NOT NULL"), postgresql_where=text("picture IS NOT NULL")),
)

# The pictures that videos begin with: of a Scope each once, by the digest of its pixels. `sha256` is that of its file.
pictures = Table(
    "pictures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", String(80), nullable=False),
    Column("digest", Sha256, nullable=False),
    Column("name", String(200), nullable=False, unique=True),
    Column("sha256", Sha256, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("kept_at", Double, nullable=False),  # when it came last
    Column("gone", Boolean, nullable=False, server_default=false()),  # put aside: its object is to be deleted
    Index("uq_pictures_kept", "scope", "digest", unique=True, sqlite_where=text("NOT gone"), postgresql_where=text("NOT gone")),
)

clips = Table(
    "clips",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("variant_key", Sha256, nullable=False),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("prompt", Text, nullable=True),
    Column("seed", Seed, nullable=False),
    Column("take", Integer, nullable=True),
    Column("state", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=True),
    Column("withdrawn_at", Double, nullable=True),
    Column("withdrawn_reason", String(80), nullable=True),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Column("private", Boolean, nullable=False, server_default=false()),  # made under no-store: answers no other request
    Column("tags", JsonColumn, nullable=False),
    Column("notes", JsonColumn, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("stages_ms", JsonColumn, nullable=False),
    Column("steps_ms", JsonColumn, nullable=True),  # of each denoise step
    Column("peak_bytes", BigInteger, nullable=True),  # peak device memory
    Column("length", BigInteger, nullable=False),
    Column("job_id", Id, nullable=True),
    Column("asker", String(80), nullable=True),  # whose words it was made for: see variant.asker_of
    Column("donor", Id, nullable=True),  # of an assisted clip, as in `jobs`; the donor itself may be gone
    Column("donor_sigma", Double, nullable=True),
    Column("assist", String(8), nullable=True),
    Column("steps_skipped", Integer, nullable=True),
    Column("saved_ms", Double, nullable=True),
    Column("reserved", Boolean, nullable=False, server_default=false()),  # answers its own asker alone, until a person accepts it
    Column("hits", BigInteger, nullable=False, server_default=text("0")),
    Column("last_hit_at", Double, nullable=True),
    Column("provenance", String(120), nullable=True),  # the row's signature: see cache/storage/clips/provenance.py
    allowed_words("state", "live", "superseded", "withdrawn"),
    allowed_words("assist", "take", "near"),
    Index(
        "uq_clips_live_variant",
        "variant_key",
        unique=True,
        sqlite_where=text("state = 'live'"),
        postgresql_where=text("state = 'live'"),
    ),
    Index("ix_clips_spec_key", "spec_key"),
    # For the sweeps; small compared with the table.
    Index(
        "ix_clips_withdrawn_at",
        "withdrawn_at",
        sqlite_where=text("state = 'withdrawn'"),
        postgresql_where=text("state = 'withdrawn'"),
    ),
    Index(
        "ix_clips_expires_at",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
        postgresql_where=text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
    ),
    Index("ix_clips_partition", "scope", "recipe_key", "sequence"),
)

# kind: video, thumbnail, spritesheet, latent.
clip_objects = Table(
    "clip_objects",
    metadata,
    Column("clip_id", Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("sha256", Sha256, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("content_type", String(64), nullable=False),
    allowed_words("kind", "video", "thumbnail", "spritesheet", "latent"),
)

# One vector per clip and embedder: float16, L2-normalised, little endian.
clip_vectors = Table(
    "clip_vectors",
    metadata,
    Column("clip_id", Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True),
    Column("embedder", String(80), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

# A clip's state in the shared pool: asked (a candidate, shown to no other tenant), pooled (it answers every tenant
# that shares), withdrawn (permanently). `sequence` is its own place in the log of changes, `spec_key` that under Scope
# `shared`.
shared_clips = Table(
    "shared_clips",
    metadata,
    Column("clip_id", Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, nullable=False),
    Column("state", String(16), nullable=False),
    Column("admitted_by", Id, nullable=True),  # an admin's key, or NULL: by demand
    Column("changed_at", Double, nullable=False),
    allowed_words("state", "asked", "pooled", "withdrawn"),
    Index("ix_shared_clips_spec_key", "spec_key"),
    Index("ix_shared_clips_recipe_key", "recipe_key", "state"),
)

# The tenants that asked for what the clip shows.
shared_asks = Table(
    "shared_asks",
    metadata,
    Column("clip_id", Id, ForeignKey("shared_clips.clip_id", ondelete="CASCADE"), primary_key=True),
    Column("tenant", String(64), primary_key=True),
    Column("asked_at", Double, nullable=False),
)

# Evicted clips, to count what a bigger cache would have hit. The newest are kept.
ghosts = Table(
    "ghosts",
    metadata,
    Column("clip_id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("prompt", Text, nullable=True),
    Column("embedder", String(80), nullable=True),
    Column("vector", LargeBinary, nullable=True),
    Column("length", BigInteger, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("value", Double, nullable=False),  # at its eviction: see cache/storage/clips/eviction.py
    Column("evicted_at", Double, nullable=False),
    Column("would_hit", BigInteger, nullable=False, server_default=text("0")),  # later misses that it would have answered
    Index("ix_ghosts_spec_key", "spec_key"),
    Index("ix_ghosts_evicted_at", "evicted_at"),
)
