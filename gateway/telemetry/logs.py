"""Structured logs: one line per event, with the request's id, never a key, and a prompt only if configured."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict

from cache import spans
from cache.settings import Settings


def start_logging(settings: Settings) -> None:
    """Configures the log of this process, for our lines and the libraries': to stderr, as text on a terminal, else as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_whose,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    shape: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(sort_keys=True)
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _once],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, shape],
        )
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [lines]
    root.setLevel(settings.log_level.upper())
    # Their every request or step is no event of ours.
    for name in ("httpx", "httpcore", "uvicorn.access", "alembic", "urllib3", "aiosqlite", "procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _once(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Without uvicorn's second copy of its message, which is for terminals."""
    line.pop("color_message", None)
    return line


def _add_whose(_logger: object, _method: str, line: EventDict) -> EventDict:
    """The id of the call that is being answered, and of its trace; looked up only when there is a line to write."""
    from gateway.http.reply import ANSWERED, request_id  # noqa: PLC0415  # commands log too, and need no web framework

    scope = ANSWERED.get(None)
    if scope is not None:
        line.setdefault("request_id", request_id(scope))
    traceparent = spans.traceparent()
    if traceparent is not None:
        line.setdefault("trace_id", trace_of(traceparent))
    return line


def trace_of(traceparent: str) -> str:
    return traceparent.split("-")[1]
