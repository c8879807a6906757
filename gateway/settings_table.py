"""Tables of the settings for people: the few of README.md, and docs/settings.md, which holds all. `reprise settings --markdown` prints
both, and tests hold the files to what it prints.
"""

from __future__ import annotations

from collections.abc import Iterable

from cache.settings import PREFIX, Settings
from cache.speed_choices import NAMED, speed_keys
from gateway.settings_sources import CONFIG, DOTENV, TOML
from gateway.shown_setting import value_text

# The first of each group, in the order in which settings.py declares them.
GROUPS = {
    "data_dir": "Where",
    "model": "What makes clips",
    "embedder": "What may answer",
    "queue_jobs": "Limits",
    "lease_seconds": "Jobs",
    "grace_seconds": "What is kept, and for how long",
    "plan_every_hours": "What is made ahead of time",
    "log_level": "What is told",
}

COMMON = (
    "data_dir", "host", "port", "admin_key", "database_url", "store_url", "signing_keys", "public_url", "model", "device", "speed",
    "renderer", "upstream_url", "upstream_key", "near", "max_wrong", "queue_jobs", "capacity_gb", "min_free_gb", "keep_prompts",
    "log_level", "metrics_token",
)  # fmt: skip

_HEAD = "| setting | default | meaning |\n|---|---|---|"

_ABOUT = f"""# Settings

Printed by `reprise settings --markdown`; change `cache/settings.py`, not this page. `reprise settings` and `/admin/settings` show the
values that hold in a process and where each came from, without secrets.

They are read once, at the start, from three places. The first that names a setting wins:

1. the environment, `{PREFIX}PORT=9000`;
2. a file `{DOTENV}` in the current folder, with lines of the same form. Names without our prefix are passed over, since Docker Compose
   reads the same file;
3. a file `{TOML}` in the current folder, or the one that `{CONFIG}` names: `port = 9000`, lists as lists, objects as tables.

In the environment `{PREFIX}ADMIN_KEY_FILE=/run/secrets/admin_key` gives the setting the text of a file, without the line break at its
end. It works for every setting, and is meant for secrets: the keys, and the URLs that hold passwords.

A wrong value or an unknown name ends the start with a line that names it, and says which name was perhaps meant. Kubernetes' service links
(`{PREFIX}SERVICE_HOST`, `{PREFIX}PORT=tcp://…`) are passed over.

A GB is 1,000,000,000 bytes, a MB 1,000,000."""


def common_table() -> str:
    return _table(COMMON)


def whole_page() -> str:
    parts = [_ABOUT]
    for first, title in GROUPS.items():
        parts.append(f"## {title}\n\n{_table(_group(first))}")
        if first == "model":
            parts.append(_speed())
    return "\n\n".join(parts)


def _group(first: str) -> list[str]:
    """Names from this one up to the next group's first."""
    names = list(Settings.model_fields)
    group = [first]
    for name in names[names.index(first) + 1 :]:
        if name in GROUPS:
            break
        group.append(name)
    return group


def _table(names: Iterable[str]) -> str:
    return "\n".join([_HEAD, *map(_row, names)])


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    default = value_text(field.default)
    return f"| `{PREFIX}{name.upper()}` | {f'`{default}`' if default else ''} | {field.description} |".replace("  ", " ")


def _speed() -> str:
    rows = [f"| `{one.name}` | `{one.default}` | {one.allowed_words} | {one.meaning} |" for one in speed_keys().values()]
    return "\n".join(
        [
            f"### Keys of `{PREFIX}SPEED`",
            "",
            "Each leaves a clip as it is up to rounding, and is no part of a Recipe. What each gains: [docs/generator.md](generator.md).",
            f"`safe` is `{NAMED['safe'].as_json()}`.",
            "",
            "| key | default | allowed | meaning |",
            "|---|---|---|---|",
            *rows,
        ]
    )
