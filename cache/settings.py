"""Every setting, its default and its meaning. Read once (gateway/settings_sources.py says from where), then frozen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cache.setting_values import (
    AssistedAnswers,
    AssistMode,
    DatabaseUrl,
    Folder,
    Offload,
    Origins,
    PublicUrl,
    Receivers,
    RecipeFields,
    Secret,
    StoreUrl,
    Words,
)
from cache.speed_choices import NAMED, SpeedChoices, read_speed

PREFIX = "REPRISE_"
_DAY_AHEAD = 24.0  # hours


class Settings(BaseSettings):
    """`Settings()` reads the environment alone; tests pass values by name. Commands read the files, too, and refuse unknown names.

    `came_from` names the source of each field that is not at its default.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)
    _came_from: dict[str, str] = PrivateAttr(default_factory=dict)

    # Where
    data_dir: Folder = Field(Path(".reprise"), description="Folder that holds everything of an embedded instance.")
    database_url: DatabaseUrl = Field("", description="Database; empty: SQLite under the data folder. `postgresql://…` scales out.")
    store_url: StoreUrl = Field(
        "",
        description="Object store; empty: a folder under the data folder. `s3://bucket?endpoint=…` scales out; with "
        "`&public=https://host` clients fetch bytes there, by presigned URLs (docs/scale.md).",
    )
    host: str = Field("127.0.0.1", description="Address to listen on. Anything but localhost needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    admin_key: Secret = Field(
        "", description="Makes the first admin key at the start: this one (at least 16 characters), of the tenant `local`.", repr=False
    )
    signing_keys: Words = Field(
        (),
        description="Secrets that clips and links are signed with (comma separated): the first signs, all verify. Empty: one made under "
        "the data folder where a single process is all there is, else clips are not signed and there are no links.",
        repr=False,
    )
    allowed_hosts: Words = Field(
        (), description="Host names, beside localhost, that open mode accepts in `Host`, and that links may name (comma separated)."
    )
    public_url: PublicUrl = Field(
        "",
        description="Where clients reach this instance, `https://video.example.com`: links begin so. A path in it is the one "
        "under which a proxy shows it, cut off or not (docs/operations.md). Empty: links begin with the `Host` of the call, if that is "
        "localhost or one of `REPRISE_ALLOWED_HOSTS`.",
    )
    link_minutes: float = Field(15.0, gt=0, le=10_080, description="How long a link to a clip is valid (docs/security.md).")

    cors_origins: Origins = Field(
        (),
        description="Sites whose pages may call `/v1` from a browser: origins such as `https://app.example.com` (comma separated), or `*`.",
    )
    login_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]*$",
        description="Header in which a proxy names who it let in, such as `X-Forwarded-Email`: an admin at `/admin` (docs/admin.md).",
    )
    login_proxies: Words = Field((), description="Addresses and networks that this header is believed from (comma separated).")
    webhook_hosts: Receivers = Field(
        (),
        description="Hosts that webhooks may go to (comma separated); empty: any public one. An origin such as `http://10.0.0.7:9000` may "
        "also be private and without TLS (docs/webhooks.md).",
    )

    # What makes clips
    model: str = Field(
        "",
        description="Hub id or folder of a diffusers text-to-video model; empty: the bundled demo. "
        "Of a gateway that renders nothing: the name of the default among the announced models; empty: the one introduced last.",
    )
    model_revision: str = Field(
        "",
        description="Revision of a hub model; empty: the newest. A folder's revision is the digest of its files. "
        "Where workers render: the announced revision to keep to, of the model that has it.",
    )
    model_row: str = Field(
        "",
        description="JSON file with the model's row (sizes, steps, sampler …), in place of what its folder or the catalogue says "
        "(docs/generator.md has the fields; `reprise models` checks one).",
    )
    lora: Words = Field(
        (),
        description="LoRA files or folders (comma separated): `name=file[:scale]` for one that a request may choose as `reprise.lora`, "
        "`file[:scale]` for one in every clip. Files and scales are part of every recipe (docs/generator.md).",
    )
    model_aliases: dict[str, str] = Field({}, description='Client model names that mean ours, as JSON: `{"sora-2": "reprise-demo"}`.')
    renderer: Literal["pipeline", "upstream", "none"] = Field(
        "pipeline", description="Who renders in this process: our pipeline, another `/v1/videos` server, or nobody (workers do)."
    )
    upstream_url: str = Field("", description="Base URL of the `/v1/videos` server that renders misses.")
    upstream_key: str = Field("", description="Its API key.", repr=False)
    upstream_fields: RecipeFields = Field(
        {"steps": "steps", "guidance": "guidance_scale", "negative_prompt": "negative_prompt"},
        description="How it spells parts of a recipe, as JSON; what is not named is left to it; with `frames` no `seconds` are sent. "
        'vLLM-Omni and SGLang: `{"steps": "num_inference_steps", "guidance": "guidance_scale", "negative_prompt": "negative_prompt", '
        '"frames": "num_frames", "fps": "fps"}`.',
    )
    speed: Annotated[SpeedChoices, NoDecode, BeforeValidator(read_speed)] = Field(
        NAMED["auto"],
        description="How our pipeline is made fast, to the same result but for `fp8_products`: auto, safe (every acceleration off, to find "
        'out whether one is at fault), or a JSON object of overrides such as `{"compile": "off"}` (docs/settings.md has the keys).',
    )
    step_cache: str = Field(
        "none",
        description="Skip parts of the transformer in steps where little changes: `first_block`, `taylor` or `sea`, with "
        "`:number` for its threshold or interval. Changes pixels, so it is part of every recipe (docs/generator.md).",
    )
    offload: Offload = Field(
        "auto",
        description="What leaves a GPU that cannot hold all of the model: `none`; `encoder` (text encoder in main memory), `encoder_cpu` "
        "(computes there), `encoder_fp8` (in eight bits: changes pixels, so another revision); `model` (each part in its turn); `group` "
        "(transformer block by block). auto: the fastest that fits, never fp8 (docs/generator.md).",
    )
    vram_headroom_gb: float = Field(2.0, ge=0, description="GPU memory that rendering leaves free.")
    device: str = Field("auto", description="Torch device; auto: CUDA where there is one, else CPU.")

    # What may answer
    embedder: str = Field("", description="Sentence-transformers folder or hub id; empty: the bundled all-MiniLM-L6-v2.")
    verifier: str = Field("", description="Cross-encoder folder or hub id; empty: the bundled one.")
    encoder_dir: Path | None = Field(None, description="Folder of exported encoders; empty: beside the installed packages.")
    near: bool = Field(True, description="Whether judged near-duplicates are served at all.")
    max_wrong: float = Field(0.02, gt=0, lt=1, description="Largest accepted probability that a near hit is wrong.")
    near_symmetric: bool = Field(
        False,
        description="Whether a near hit must show no more than was asked, either: for tenants whose users do not trust each other; "
        "fewer hits. In the shared pool always.",
    )
    share_after_tenants: int = Field(
        3,
        ge=0,
        description="Tenants that must have asked for what a clip shows before it joins the shared pool; 0: only an admin lets it in.",
    )
    audit_share: float = Field(
        0.0, ge=0, le=1, description="Share of near hits that are rendered anew when nobody waits, for a person to compare (docs/admin.md)."
    )
    assist: AssistMode = Field(
        "takes",
        description="Which renders may start from another clip of the same tenant, and so skip steps: off; takes: another take of the same "
        "words; near: also what the judge refused, as deep as the measured curves allow (docs/assist.md).",
    )
    assist_answers: AssistedAnswers = Field(
        "takes",
        description="Which clips made so may answer later requests: none, takes or all. The others answer their own request alone, "
        "until a person labels them right.",
    )
    assist_table: Path | None = Field(
        None, description="File of donor curves measured on your own model (docs/assist.md); empty: those of the demo model, which ship."
    )
    encoder_wait_seconds: float = Field(30.0, gt=0, description="Seconds that a request waits for the encoder to load before 503.")
    cache: bool = Field(True, description="False: every request renders (bypass), results are still kept.")

    # Limits
    queue_jobs: int = Field(100, ge=1, description="Open jobs over which a miss is answered 429.")
    tenant_jobs: int = Field(50, ge=1, description="Open jobs of one tenant over which its next miss is answered 429.")
    body_bytes: int = Field(1_048_576, ge=1024, description="Bytes of a request body, without its picture.")
    picture_bytes: int = Field(
        10_485_760, ge=1024, description="Bytes of a picture that a video begins with (`input_reference`), for models that take one."
    )
    client_timeout_seconds: float = Field(
        30.0, gt=0, description="Seconds that a client has to send a whole request, and to take each next piece of an answer."
    )
    wait_seconds: float = Field(60.0, ge=0, description="Most seconds that `Prefer: wait` and `/v1/videos/sync` hold an answer.")
    min_free_gb: float = Field(1.0, ge=0, description="Free disk space under which no render starts.")
    byte_cache_mb: int = Field(256, ge=0, description="Memory for the bytes of recently served clips.")

    # Jobs
    lease_seconds: float = Field(30.0, gt=1, description="A worker's right to a job lapses this long after its last sign of life.")
    job_seconds: float = Field(1800.0, gt=0, description="Most seconds one attempt at a job may take.")
    job_attempts: int = Field(3, ge=1, description="Attempts after which a job that keeps losing its worker is failed.")
    stop_grace_seconds: float = Field(
        20.0, ge=0, description="Seconds that a render gets to end when its process stops; then it is handed back."
    )

    # What is kept, and for how long
    grace_seconds: float = Field(3600.0, ge=0, description="How long the objects of a withdrawn clip are kept.")
    clip_ttl_days: float = Field(0.0, ge=0, description="Days after which a clip no longer answers; 0: never.")
    capacity_gb: float = Field(
        0.0, ge=0, description="Room for clips in service; from 95 % of it the least valuable go, down to 90 %; 0: no limit."
    )
    requests_keep_days: float = Field(
        90.0, ge=0, description="Days after which answered requests are counted together and their rows go; 0: never (docs/admin.md)."
    )
    video_ttl_days: float = Field(
        0.0, ge=0, description="Days after which the bytes of a video are given to its client no more (`expires_at`, 410); 0: never."
    )
    keep_prompts: Literal["text", "hash"] = Field(
        "text",
        description="hash: prompts are stored as digests only, so the same words are found again, but no near ones (docs/security.md).",
    )
    prompts_across_users: bool = Field(
        False,
        description="Whether an answer to a request that names its `user` tells the words of others of the tenant (`matched_prompt`, "
        "`refused`, the words of a donor).",
    )
    keep_latents: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the latent of a clip is stored beside its video, as a start for other renders; it doubles what a clip takes. "
        "auto: where `REPRISE_ASSIST` and the measured curves let renders start from it. Latents are the first to go when room is short.",
    )

    # What is made ahead of time
    plan_every_hours: float = Field(
        0.0,
        ge=0,
        description="Hours between two plans that are mined and made by themselves for a tenant, while nobody else waits for a render; "
        "also how far ahead plans look. 0: plans are made when somebody asks, and look a day ahead.",
    )
    plan_prompts: int = Field(50, ge=1, le=1000, description="Most prompts of a plan.")

    # What is told
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    gpu_price_per_hour: float = Field(0.0, ge=0, description="What an hour of GPU costs, in any currency; 0: no money is told.")
    access_log: bool = Field(False, description="One log line for each answered call: method, route, status, milliseconds.")
    log_prompts: bool = Field(False, description="Whether log lines may hold prompt texts.")

    metrics_token: Secret = Field(
        "", description="A secret (at least 16 characters) that opens `/metrics` and nothing else, beside admin keys.", repr=False
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port on which `reprise worker` serves `/metrics`, at `REPRISE_HOST`; 0: none."
    )
    health_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port on which `reprise worker` answers `/health/live` and `/health/ready`, at `REPRISE_HOST`; 0: none.",
    )
    otlp_endpoint: str = Field(
        "",
        description="Where traces go, as OTLP over HTTP: `http://collector:4318`. Empty: to `OTEL_EXPORTER_OTLP_ENDPOINT`, else nowhere.",
    )

    def told_by(self, came_from: Mapping[str, str]) -> Self:
        """The same settings, which know where each came from."""
        self._came_from.update(came_from)
        return self

    @property
    def came_from(self) -> Mapping[str, str]:
        return self._came_from

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
    def plan_horizon_hours(self) -> float:
        return self.plan_every_hours or _DAY_AHEAD

    @property
    def embedded(self) -> bool:
        """SQLite: one process writes, and generation runs inside it."""
        return self.database.startswith("sqlite")
