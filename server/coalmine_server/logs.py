"""Structured logs to standard error: JSON for machines, colours for people.

Standard output belongs to data. A value under a name that sounds like a secret is always masked,
and the access log has the path without its query.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

from coalmine_schemas.safe_text import MASK, PrintableStream, masked, printable
from coalmine_server.late_logs import quieten
from coalmine_server.settings import LogSettings

_SECRET_NAME = re.compile(r"token|secret|password|authorization|credential|api_?key|cookie", re.IGNORECASE)

Event = MutableMapping[str, Any]


def configure_logging(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Sends structlog and the standard library's loggers to one place, in one shape."""
    stream = sys.stderr if stream is None else stream
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
    ]
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        # As text, before masking, also on a console: a drawn traceback would show local variables.
        structlog.processors.format_exc_info,
        mask_secrets,
        *(
            [structlog.processors.JSONRenderer()]
            if as_json
            else [keep_on_one_line, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        ),
    ]
    handler = logging.StreamHandler(cast("TextIO", PrintableStream(stream)))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()], processors=final
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    quieten()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def mask_secrets(_logger: object, _method: str, event: Event) -> Event:
    """Masks values with a secret's name, and bearer tokens and URL passwords inside texts."""
    for name, value in event.items():
        hidden = name != "event" and isinstance(value, str | bytes) and _SECRET_NAME.search(name)
        event[name] = MASK if hidden else _masked(value)
    return event


def keep_on_one_line(_logger: object, _method: str, event: Event) -> Event:
    """Escapes line ends in values, so that none looks like a line of the log; tracebacks keep theirs."""
    for name, value in event.items():
        if isinstance(value, str) and name not in {"exception", "stack"}:
            event[name] = printable(value, lines=False)
    return event


def _masked(value: object) -> object:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {
            key: MASK if _SECRET_NAME.search(str(key)) and isinstance(inner, str | bytes) else _masked(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value
