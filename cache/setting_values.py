"""Types of settings whose text has rules of its own: lists, secrets, URLs of databases and stores."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from cache.recipe import Recipe

LEAST_SECRET = 16  # characters
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def check_database_url(url: str) -> str:
    """The URL with the name of our driver, where it has none: `postgresql://` is what databases themselves and other programs write.
    ValueError, which does not repeat it, where no database of ours is written so.
    """
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return f"postgresql+psycopg://{url.removeprefix(plain)}"
    if not url.startswith(("postgresql+psycopg://", "sqlite+aiosqlite:///")):
        raise ValueError("a database is postgresql://user:password@host/name or sqlite+aiosqlite:////folder/file.db")
    return url


def check_store_url(url: str) -> str:
    """As for a database. What stands inside the URL is read when the store is opened."""
    if not url.startswith(("s3://", "file:///")):
        raise ValueError("a store is s3://bucket?endpoint=… or file:///folder")
    return url


def check_public_url(url: str) -> str:
    """The URL without a slash at its end. ValueError where clients could not append a path to it."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("the public URL is https://host, perhaps with a port and a path")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise ValueError("the path of the public URL has plain parts: letters, digits, and . _ ~ -")
    return url.rstrip("/")


def check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Web origins as browsers write them. ValueError for what no browser sends, such as one with a path."""
    for origin in origins:
        parts = urlsplit(origin)
        plain = parts.hostname is not None and "*" not in origin and origin == f"{parts.scheme}://{parts.netloc}"
        if origin != "*" and not (plain and parts.scheme in {"http", "https"}):
            raise ValueError(f"an origin is https://host, perhaps with a port, and no path: not {origin!r}")
    return tuple(origin.lower() for origin in origins)


def check_receivers(allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Host names, and origins. ValueError for anything else."""
    for one in allowed:
        if "://" in one:
            check_origins((one,))
        elif not _HOST.fullmatch(one):
            raise ValueError(f"a receiver of webhooks is hooks.example.com, or an origin such as http://10.0.0.7:9000: not {one!r}")
    return allowed


def _long_enough(secret: str) -> str:
    if secret and len(secret) < LEAST_SECRET:
        raise ValueError(f"a secret that opens this instance has at least {LEAST_SECRET} characters")
    return secret


def _parts_of_recipes(named: dict[str, str]) -> dict[str, str]:
    known = [field.name for field in fields(Recipe)]
    if unknown := next((part for part in named if part not in known), None):
        raise ValueError(f"a recipe has no {unknown[:64]!r}, but {', '.join(known)}")
    return named


RecipeFields = Annotated[dict[str, str], AfterValidator(_parts_of_recipes)]
Offload = Literal["auto", "none", "encoder", "encoder_cpu", "encoder_fp8", "model", "group"]
AssistMode = Literal["off", "takes", "near"]
AssistedAnswers = Literal["none", "takes", "all"]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(check_origins)]
Receivers = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(check_receivers)]
Secret = Annotated[str, AfterValidator(_long_enough)]
DatabaseUrl = Annotated[str, AfterValidator(lambda url: check_database_url(url) if url else url)]
StoreUrl = Annotated[str, AfterValidator(lambda url: check_store_url(url) if url else url)]
PublicUrl = Annotated[str, AfterValidator(lambda url: check_public_url(url) if url else url)]
Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
