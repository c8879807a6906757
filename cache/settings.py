"""Every setting, its default and its meaning. Read once from the environment (`REPRISE_*`), then frozen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "REPRISE_"
LEAST_SECRET = 16  # characters


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def check_database_url(url: str) -> str:
    """ValueError, which does not repeat it, where no database of ours is written so."""
    if not url.startswith(("postgresql+psycopg://", "sqlite+aiosqlite:///")):
        raise ValueError("a database is postgresql+psycopg://user:password@host/name or sqlite+aiosqlite:////folder/file.db")
    return url


def check_store_url(url: str) -> str:
    """As for a database. What stands inside the URL is read when the store is opened."""
    if not url.startswith(("s3://", "file:///")):
        raise ValueError("a store is s3://bucket?endpoint=… or file:///folder")
    return url


class Settings(BaseSettings):
    """`Settings()` reads the environment; tests pass values by name. Unknown names are refused by the command line."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    # Where
    data_dir: Path = Field(Path(".reprise"), description="Folder that holds everything of an embedded instance.")
    database_url: str = Field("", description="Database; empty: SQLite under the data folder. `postgresql+psycopg://…` scales out.")
    store_url: str = Field("", description="Object store; empty: a folder under the data folder. `s3://bucket?endpoint=…` scales out.")
    host: str = Field("127.0.0.1", description="Address to listen on. Anything but localhost needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    admin_key: str = Field(
        "", description="Makes the first admin key at the start: this one (at least 16 characters), of the tenant `local`.", repr=False
    )
    signing_keys: Words = Field(
        (),
        description="Secrets that clips are signed with (comma separated): the first signs, all verify. Empty: one made under the data "
        "folder where a single process is all there is, else clips are not signed.",
        repr=False,
    )
    allowed_hosts: Words = Field((), description="Host names, beside localhost, that open mode accepts in `Host` (comma separated).")

    # What makes clips
    model: str = Field("", description="Hub id or folder of a diffusers WanPipeline; empty: the bundled demo model.")
    model_revision: str = Field(
        "",
        description="Revision of a hub model; empty: the newest. A folder's revision is the digest of its files. "
        "Where workers render: the announced revision to keep to.",
    )
    model_aliases: dict[str, str] = Field({}, description='Client model names that mean ours, as JSON: `{"sora-2": "reprise-demo"}`.')
    renderer: Literal["pipeline", "upstream", "none"] = Field(
        "pipeline", description="Who renders in this process: our pipeline, another `/v1/videos` server, or nobody (workers do)."
    )
    upstream_url: str = Field("", description="Base URL of the `/v1/videos` server that renders misses.")
    upstream_key: str = Field("", description="Its API key.", repr=False)
    upstream_fields: dict[str, str] = Field(
        {"steps": "steps", "guidance": "guidance_scale", "negative_prompt": "negative_prompt"},
        description="How it spells parts of a recipe, as JSON; what is not named is left to it. "
        'vLLM-Omni and SGLang: `{"steps": "num_inference_steps", …}`.',
    )
    upstream_film_mb: int = Field(512, ge=1, description="Largest film that is taken from it.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the transformer and text encoder; auto: bfloat16 where the device computes in it."
    )
    compile: Literal["auto", "off", "mixed", "static", "dynamic"] = Field(
        "auto",
        description="Compile the transformer's blocks: static for each size anew, dynamic once for all, mixed the first size by itself "
        "and all others together; auto: mixed on a GPU, else off.",
    )
    attention: str = Field(
        "auto", description="Attention backend, as diffusers spells it; auto: the fastest exact one that is there, else torch's own."
    )
    guidance: Literal["auto", "together", "apart"] = Field(
        "auto", description="Both passes of a guided step as one batch of two, or one after the other; auto: together on a GPU."
    )
    ffn_fuse: Literal["auto", "on", "off"] = Field(
        "auto", description="Compute the GELU of the transformer within the matrix product before it; auto: on a GPU."
    )
    vae_precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="Of the VAE; auto: that of the transformer.")
    vae_layout: Literal["auto", "channels_last", "plain"] = Field(
        "auto", description="Memory layout of the VAE; auto: channels last where it computes in bfloat16."
    )
    vae_fuse: Literal["auto", "on", "off"] = Field(
        "auto", description="Compile the VAE's norms together with what follows them; auto: on a GPU."
    )
    vae_whole: Literal["auto", "on", "off"] = Field(
        "auto", description="Decode all frames of a small clip in one pass, compiled where blocks are; auto: on a GPU that compiles."
    )
    vae_search: Literal["auto", "on", "off"] = Field(
        "auto", description="Whether cuDNN tries its algorithms at each new size and keeps the fastest; auto: on a GPU."
    )
    prompts_mb: int = Field(256, ge=0, description="Main memory for encoded prompts, so that one that comes again is not encoded again.")
    step_cache: str = Field(
        "none",
        description="Skip parts of the transformer in steps where little changes: `first_block`, `taylor` or `sea`, with "
        "`:number` for its threshold or interval. Changes pixels, so it is part of every recipe (docs/generator.md).",
    )
    batch: int = Field(
        0, ge=0, le=64, description="Background clips made at once, at most, where that was seen to pay; 0: 8 on a GPU, else 1."
    )
    vram_headroom_gb: float = Field(2.0, ge=0, description="GPU memory that rendering leaves free.")
    film_overlap: bool = Field(True, description="Whether a clip is made into a film and stored while the next one renders.")
    render_threads: int = Field(0, ge=0, description="Torch's threads on a CPU; 0: all cores but one, which answers requests.")
    render_niceness: int = Field(5, ge=0, le=19, description="How far rendering on a CPU stands back behind answering (Linux).")
    warm_up: bool = Field(True, description="Whether a first short render follows the loading of the model.")
    device: str = Field("auto", description="Torch device; auto: CUDA where there is one, else CPU.")

    # What may answer
    embedder: str = Field("", description="Sentence-transformers folder or hub id; empty: the bundled all-MiniLM-L6-v2.")
    verifier: str = Field("", description="Cross-encoder folder or hub id; empty: the bundled one.")
    encoder_dir: Path | None = Field(None, description="Folder of exported encoders; empty: beside the installed packages.")
    near: bool = Field(True, description="Whether judged near-duplicates are served at all.")
    max_wrong: float = Field(0.02, gt=0, lt=1, description="Largest accepted probability that a near hit is wrong.")
    both_ways: bool = Field(
        False,
        description="Whether a near hit must show no more than was asked, either: for tenants whose users do not trust each other; "
        "fewer hits. In the shared pool always.",
    )
    candidates: int = Field(10, ge=1, le=100, description="Neighbours fetched from the index for one lookup.")
    share_after: int = Field(
        3,
        ge=0,
        description="Tenants that must have asked for what a clip shows before it joins the shared pool; 0: only an admin lets it in.",
    )
    audit_share: float = Field(
        0.0, ge=0, le=1, description="Share of near hits that are rendered anew when nobody waits, for a person to compare (docs/admin.md)."
    )
    encoder_wait: float = Field(30.0, gt=0, description="Seconds that a request waits for the encoder to load before 503.")
    cache: bool = Field(True, description="False: every request renders (bypass), results are still kept.")

    # Limits
    queue_limit: int = Field(100, ge=1, description="Open jobs over which a miss is answered 429.")
    tenant_jobs: int = Field(50, ge=1, description="Open jobs of one tenant over which its next miss is answered 429.")
    body_limit: int = Field(1_048_576, ge=1024, description="Bytes of a request body.")
    patience: float = Field(
        30.0, gt=0, description="Seconds that a client has to send a whole request, and to take each next piece of an answer."
    )
    wait_limit: float = Field(60.0, ge=0, description="Most seconds that `Prefer: wait` holds an answer.")
    min_free_gb: float = Field(1.0, ge=0, description="Free disk space under which no render starts.")
    byte_cache_mb: int = Field(256, ge=0, description="Memory for the bytes of recently served clips.")
    lease_seconds: float = Field(30.0, gt=1, description="A worker's right to a job lapses this long after its last sign of life.")
    job_limit: float = Field(1800.0, gt=0, description="Most seconds one attempt at a job may take.")
    attempts: int = Field(3, ge=1, description="Attempts after which a job that keeps losing its worker is failed.")
    stop_grace: float = Field(20.0, ge=0, description="Seconds that a render gets to end when its process stops; then it is handed back.")
    grace_seconds: float = Field(3600.0, ge=0, description="How long the objects of a withdrawn clip are kept.")
    clip_ttl_days: float = Field(0.0, ge=0, description="Days after which a clip no longer answers; 0: never.")
    capacity_gb: float = Field(
        0.0, ge=0, description="Room for clips in service; from 95 % of it the least valuable go, down to 90 %; 0: no limit."
    )
    ghosts: int = Field(1000, ge=0, description="Evicted clips remembered, to tell what a bigger cache would have hit.")
    requests_keep_days: float = Field(
        90.0, ge=0, description="Days after which answered requests are counted together and their rows go; 0: never (docs/admin.md)."
    )
    video_ttl_days: float = Field(0.0, ge=0, description="Days after which a video id expires for its client (`expires_at`); 0: never.")

    # What is made ahead of time
    plan_when_idle: bool = Field(False, description="Whether plans are mined and made by themselves, while nobody else waits for a render.")
    plan_half_life_hours: float = Field(72.0, gt=0, description="Hours after which an ask counts half in a plan.")
    plan_every_hours: float = Field(24.0, gt=0, description="Hours between two such plans of a tenant, and how far ahead every plan looks.")
    plan_budget: int = Field(50, ge=1, le=1000, description="Most prompts of such a plan.")

    # What is told
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    keep_prompts: Literal["text", "hash"] = Field(
        "text",
        description="hash: prompts are stored as digests only, so the same words are found again, but no near ones (docs/security.md).",
    )
    gpu_price_per_hour: float = Field(0.0, ge=0, description="What an hour of GPU costs, in any currency; 0: no money is told.")
    access_log: bool = Field(False, description="One log line for each answered call: method, route, status, milliseconds.")
    log_prompts: bool = Field(False, description="Whether log lines may hold prompt texts.")

    metrics_token: str = Field(
        "", description="A secret (at least 16 characters) that opens `/metrics` and nothing else, beside admin keys.", repr=False
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port on which `reprise worker` serves `/metrics`, at `REPRISE_HOST`; 0: none."
    )
    otlp_endpoint: str = Field(
        "",
        description="Where traces go, as OTLP over HTTP: `http://collector:4318`. Empty: to `OTEL_EXPORTER_OTLP_ENDPOINT`, else nowhere.",
    )

    @field_validator("admin_key", "metrics_token")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and len(value) < LEAST_SECRET:
            raise ValueError(f"a key that guards the place has at least {LEAST_SECRET} characters")
        return value

    @field_validator("database_url")
    @classmethod
    def _of_a_database(cls, value: str) -> str:
        return check_database_url(value) if value else value

    @field_validator("store_url")
    @classmethod
    def _of_a_store(cls, value: str) -> str:
        return check_store_url(value) if value else value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'reprise.db'}"

    @property
    def store(self) -> str:
        return self.store_url or (self.data_dir / "objects").as_uri()

    @property
    def encoders(self) -> Path:
        """Exports depend on the installed packages alone, so instances share them."""
        return self.encoder_dir or Path(sys.prefix) / "share" / "reprise" / "encoders"

    @property
    def embedded(self) -> bool:
        """SQLite: one process writes, and generation runs inside it."""
        return self.database.startswith("sqlite")
