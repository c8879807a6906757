"""Sources of settings: the environment, then `.env`, then a TOML file. The first that names a setting wins; what no setting is
called is refused, with the name that was perhaps meant. In the environment `NAME_FILE` names a file that holds the value of `NAME`: for
secrets, which an environment shows to whoever may look at the process.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from cache.settings import PREFIX, Settings

ENVIRONMENT = "environment"
DOTENV = ".env"  # of the current folder; names as in the environment, others than ours are others' business
TOML = "reprise.toml"  # of the current folder; names as in the environment, in small letters and without the prefix
CONFIG = f"{PREFIX}CONFIG"  # names another TOML file, which must be there; of the environment alone
FILE = "_FILE"
_LARGEST = 65_536  # bytes of such a file

# What Kubernetes puts into the environment of a pod for every Service of its namespace: for one that is called reprise, or
# reprise-something, under our own prefix.
_LINK_NAME = re.compile(rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_LINK_PORT = re.compile(rf"{PREFIX}(\w+_)?PORT")
_LINK_URL = re.compile(r"(tcp|udp|sctp)://")


class NoSuchSetting(ValueError):
    """Names that no setting has, told in one line for each source."""


@dataclass(frozen=True)
class ReadSettings:
    """The settings, and the names of service links that were passed over."""

    settings: Settings
    links: tuple[str, ...]


class _Merged(Settings):
    """Settings made of what the sources gave, and of nothing else."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def read_sources() -> ReadSettings:
    """NoSuchSetting for unknown names; OSError and ValueError for a file that cannot be read; pydantic's errors for wrong values."""
    links = service_links(os.environ)
    files = _named_files(os.environ)
    read = {name: _content(name, path) for name, path in files.items()}
    named = {ENVIRONMENT: _environment(links, read), DOTENV: _dotenv(), str(_toml_path()): _toml()}
    values: dict[str, Any] = {}
    came_from: dict[str, str] = {}
    for source, found in reversed(named.items()):
        values |= found
        came_from |= dict.fromkeys(found, source)
    came_from |= {name.removeprefix(PREFIX).lower(): path for name, path in files.items()}
    return ReadSettings(_Merged(**values).told_by(came_from), tuple(sorted(links)))


def service_links(environment: Mapping[str, str]) -> set[str]:
    """Names of Kubernetes' service links: `REPRISE_SERVICE_HOST`, `REPRISE_PORT_8000_TCP_ADDR`, and `REPRISE_PORT` where it is a URL."""
    return {
        name for name, value in environment.items() if _LINK_NAME.fullmatch(name) or (_LINK_PORT.fullmatch(name) and _LINK_URL.match(value))
    }


def _named_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Paths, by the setting whose value they hold. ValueError where that is set as well: nobody could tell which was meant."""
    settings = [PREFIX + name.upper() for name in Settings.model_fields]
    found = {name: path for name in settings if (path := environment.get(name + FILE))}
    for name in found:
        if environment.get(name):
            raise ValueError(f"{name} and {name}{FILE} are both set")
    return found


def _content(name: str, path: str) -> str:
    """The file's text without the line break at its end. ValueError, which does not repeat it, for none: an empty secret is a mistake."""
    try:
        with Path(path).open("rb") as file:
            held = file.read(_LARGEST + 1)
        text = held.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{name}{FILE}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name}{FILE}: {path} is no text") from None
    if not text or len(held) > _LARGEST:
        raise ValueError(f"{name}{FILE}: {path} is empty or larger than {_LARGEST} bytes")
    return text


def _environment(links: set[str], read: Mapping[str, str]) -> dict[str, Any]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    ours = [name for name in os.environ if name.startswith(PREFIX) and name not in links and name != CONFIG]
    _refuse_unknown([name for name in ours if name.removesuffix(FILE) not in known], known)
    source = EnvSettingsSource(Settings)
    kept = {name: value for name, value in source.env_vars.items() if name.upper() not in links}
    source.env_vars = kept | {name.lower(): text for name, text in read.items()}
    return source()


def _dotenv() -> dict[str, Any]:
    source = DotEnvSettingsSource(Settings, env_file=DOTENV, env_file_encoding="utf-8", dotenv_filtering="only_existing")
    ours = [name.upper() for name in source.env_vars if name.upper().startswith(PREFIX)]
    _refuse_unknown(ours, {PREFIX + name.upper() for name in Settings.model_fields}, DOTENV)
    return source()


def _toml_path() -> Path:
    return Path(os.environ.get(CONFIG) or TOML)


def _toml() -> dict[str, Any]:
    path = _toml_path()
    if os.environ.get(CONFIG) and not path.is_file():
        raise FileNotFoundError(f"{CONFIG}: there is no file {path}")
    try:
        source = TomlConfigSettingsSource(Settings, toml_file=path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML: {error}") from None
    _refuse_unknown(source.toml_data, set(Settings.model_fields), str(path))
    return source()


def _refuse_unknown(names: Iterable[str], known: set[str], where: str = "") -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise NoSuchSetting(f"{f'{where}: ' if where else ''}no such setting: {', '.join(_with_guess(name, known) for name in unknown)}")


def _with_guess(name: str, known: set[str]) -> str:
    # Without the prefix, which all share and which would make any two alike.
    short = {one.removeprefix(PREFIX): one for one in known}
    close = get_close_matches(name.removeprefix(PREFIX), short, n=1, cutoff=0.7)
    return f"{name} (did you mean {short[close[0]]}?)" if close else name
