"""Plays a real trace through a client: real arrival times, real token counts, nothing else real.

The trace is read twice. The first reading checks every row and sends nothing, so a bad row is refused
before anything is sent, with its line, column and value; it keeps no rows, so a file of any size takes
constant memory. The second reading sends.

A trace has no latencies, texts, users or models. Latencies come from a stated, seeded model and are
synthetic (`latency_model`); every call is its own randomisation unit; the model is `unknown`, hence
without cost, unless one is named.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from coalmine_schemas.events import PromptRequest
from coalmine_schemas.identifiers import unit_group, uuid7
from coalmine_simulator.client import Client, SentStats, total_stats
from coalmine_simulator.clock import Clock, SystemClock
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.latency_model import TokenLatencyModel
from coalmine_simulator.trace_file import TraceRow, TraceSummary, check_trace, prompt_name_of, read_trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

__all__ = ["ReplayOptions", "ReplayProgress", "ReplaySummary", "parse_speed", "replay_trace"]

_REPORT_EVERY_ROWS = 500
_REPORT_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How a trace is played."""

    speed: float = math.inf
    """1: as it was. 60: a minute of the trace each second. Infinite: as fast as the client takes it."""
    at: Literal["trace", "now"] = "trace"
    """`trace`: events keep the times they had. `now`: the trace is moved to the present. Played at a
    speed, a row then says it happened when it is sent; at full speed, the trace's last row happens now
    and the others as long before it as they did."""
    prompt: str | None = None
    """Name of the prompt; by default the file's, without `.csv`."""
    version: str = "1.0.0"
    model: str = "unknown"
    """Name a model (`gpt-4o-mini`) to have the calls priced; an unknown one has no cost."""
    provider: str | None = None
    app: str = "replay"
    environment: str = "prod"
    seed: int = 0
    """Of the synthetic latencies."""
    latency: TokenLatencyModel = field(default_factory=TokenLatencyModel)
    flush_timeout_s: float = 60.0
    """How long the client may take at the end to bring out what it holds."""

    def __post_init__(self) -> None:
        if math.isnan(self.speed) or self.speed <= 0:
            raise InvalidConfig("speed", self.speed, "a number above 0, or 'max'")
        for key in ("version", "model", "app", "environment"):
            if not getattr(self, key):
                raise InvalidConfig(key, getattr(self, key), "a text that is not empty")
        if self.prompt is not None and not self.prompt:
            raise InvalidConfig("prompt", self.prompt, "a name, or nothing to take the file's")


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a replay has come."""

    rows: int
    """Rows sent."""
    total_rows: int


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay sent."""

    file: str
    prompt: str
    version: str
    rows: int
    """Rows sent: all of the trace's, unless `stopped`."""
    input_tokens: int
    output_tokens: int
    first_event_time: datetime | None
    """Of the events as sent; None if none was."""
    last_event_time: datetime | None
    seconds: float
    """Real seconds from the first row until everything was brought out."""
    stats: SentStats
    """What became of the events in the client."""
    flushed: bool
    """Whether the client delivered everything in time."""
    stopped: bool
    """Whether the replay was stopped before its end."""


def parse_speed(text: str) -> float:
    """A speed as people write it: `max`, `60` or `60x`.

    Raises:
        InvalidConfig: It is neither of these.
    """
    cleaned = text.strip().lower()
    if cleaned == "max":
        return math.inf
    try:
        speed = float(cleaned.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise InvalidConfig("speed", text, "a number above 0 such as 60, or 'max'")
    return speed


def replay_trace(
    path: Path,
    client: Client,
    options: ReplayOptions | None = None,
    *,
    clock: Clock | None = None,
    stop: Event | None = None,
    progress: Callable[[ReplayProgress], None] | None = None,
) -> ReplaySummary:
    """Check a trace, then send it.

    Args:
        path: A CSV file with `TIMESTAMP`, `ContextTokens` and `GeneratedTokens`; see `trace_file`.
        client: Takes the events. Make it with `on_full="wait"`, or full speed may drop some.
        options: How to play it.
        clock: Tells the time and waits.
        stop: Set it to end early, from a signal handler or another thread.
        progress: Called every now and then from the calling thread, and once at the end.

    Raises:
        InvalidTrace: The file is not a trace or has a bad row. Nothing was sent.
    """
    options = options or ReplayOptions()
    stop = stop or Event()
    clock = clock or SystemClock()
    trace = check_trace(path)
    prompt = options.prompt or prompt_name_of(path)
    timetable = _Timetable(trace, options, clock.now())
    rng = random.Random(options.seed)  # noqa: S311 - simulation, not cryptography
    began_s = reported_s = perf_counter()
    rows = input_tokens = output_tokens = 0
    first = last = None
    stopped = False
    for row in read_trace(path):
        if timetable.wait_s(row, clock) > 0:
            stopped = clock.wait(timetable.wait_s(row, clock), stop)
        if stopped or stop.is_set():
            stopped = True
            break
        event_time = timetable.event_time(row)
        client.emit_request(_event(row, event_time, prompt, options, rng))
        rows += 1
        input_tokens += row.input_tokens
        output_tokens += row.output_tokens
        first = event_time if first is None else min(first, event_time)
        last = event_time if last is None else max(last, event_time)
        if progress is not None and (rows % _REPORT_EVERY_ROWS == 0 or not timetable.at_once):
            now_s = perf_counter()
            if now_s - reported_s >= _REPORT_EVERY_S:
                reported_s = now_s
                progress(ReplayProgress(rows, trace.rows))
    flushed = client.flush(options.flush_timeout_s)
    if progress is not None:
        progress(ReplayProgress(rows, trace.rows))
    return ReplaySummary(
        file=str(path),
        prompt=prompt,
        version=options.version,
        rows=rows,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        first_event_time=first,
        last_event_time=last,
        seconds=perf_counter() - began_s,
        stats=total_stats([client]),
        flushed=flushed,
        stopped=stopped,
    )


class _Timetable:
    """When each row is sent, and which time its event carries."""

    def __init__(self, trace: TraceSummary, options: ReplayOptions, present: datetime) -> None:
        self.at_once = math.isinf(options.speed)
        """Whether rows are sent without waiting."""
        self._first = trace.first_event_time
        self._speed = options.speed
        self._present = present.astimezone(UTC)
        self._shown_as_sent = options.at == "now" and not self.at_once
        ends_now = options.at == "now" and self.at_once
        self._shift = present - trace.last_event_time if ends_now else timedelta(0)

    def wait_s(self, row: TraceRow, clock: Clock) -> float:
        """Seconds until the row is due; rows that are late or out of order are due at once."""
        if self.at_once:
            return 0.0
        return (self._due(row) - clock.now()).total_seconds()

    def event_time(self, row: TraceRow) -> datetime:
        """The time that the row's event carries."""
        return self._due(row) if self._shown_as_sent else row.event_time + self._shift

    def _due(self, row: TraceRow) -> datetime:
        return self._present + (row.event_time - self._first) / self._speed


def _event(
    row: TraceRow, event_time: datetime, prompt: str, options: ReplayOptions, rng: random.Random
) -> PromptRequest:
    request_id = uuid7()
    times = options.latency.draw(row.input_tokens, row.output_tokens, rng)
    return PromptRequest(
        request_id=request_id,
        event_time=event_time,
        app=options.app,
        environment=options.environment,
        prompt=prompt,
        version=options.version,
        unit_group=unit_group(request_id),
        resolution="fixed",
        unit_id=request_id,
        provider=options.provider,
        request_model=options.model,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        latency_ms=times.latency_ms,
        time_to_first_token_ms=times.time_to_first_token_ms,
    )
