"""Rollups, histograms, metrics and cells recomputed from raw rows, slowly, in plain Python and numpy.

Shares no code with the store: what the two agree on was computed twice.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

Row = Mapping[str, Any]
Answers = dict[tuple[Any, ...], dict[str, Any]]

_LENGTH_S = {"minute": 60, "hour": 3600, "day": 86400}
_REFUSED = {"content_filter", "refusal"}
_BUILT_IN = {"requests", "errors", "refusals", "feedback", "corrections", "thumbs_up", "rating"}
_VALUES = ("cost_nano_usd", "input_tokens", "output_tokens", "latency_ms", "time_to_first_token_ms")


@dataclass
class Events:
    """What was sent, duplicates and all."""

    requests: Sequence[Row] = ()
    feedback: Sequence[Row] = ()
    scores: Sequence[Row] = ()

    def distinct(self) -> "Events":
        """Each event once."""
        return Events(
            _first(self.requests, "request_id"),
            _first(self.feedback, "feedback_id"),
            _first(self.scores, "score_id"),
        )


def _first(rows: Sequence[Row], name: str) -> list[Row]:
    return list({row[name]: row for row in reversed(rows)}.values())


@dataclass
class Expected:
    """What a store must hold, by table."""

    rollups: Answers = field(default_factory=dict)
    rollup_histograms: Answers = field(default_factory=dict)
    rollup_metrics: Answers = field(default_factory=dict)
    experiment_cells: Answers = field(default_factory=dict)
    experiment_units: Answers = field(default_factory=dict)
    unattributed: dict[str, int] = field(default_factory=dict)


@dataclass
class Frozen:
    """What experiments have frozen, by experiment."""

    feedback_window: Mapping[str, timedelta] = field(default_factory=dict)
    score_window: Mapping[str, timedelta] = field(default_factory=dict)
    bounds: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """By experiment and name; `quality` has 0 and 1."""


def expected_of(sent: Events, frozen: Frozen | None = None) -> Expected:
    """Recompute everything."""
    frozen = frozen or Frozen()
    events = sent.distinct()
    requests = {row["request_id"]: row for row in events.requests}
    feedback = [
        (requests[row["request_id"]], row) for row in events.feedback if row["request_id"] in requests
    ]
    words = _last_words(feedback)
    scores = [(requests[row["request_id"]], row) for row in events.scores if row["request_id"] in requests]
    born = [(row, each["key"], each["value"]) for row in events.requests for each in row["metrics"] or ()]
    named = born + [(row, score["name"], score["value"]) for row, score in scores]
    in_time = [pair for pair in feedback if _in_time(*pair, frozen.feedback_window, unknown=False)]
    counted = born + [
        (row, score["name"], score["value"])
        for row, score in scores
        if _in_time(row, score, frozen.score_window, unknown=True)
    ]
    return Expected(
        rollups=_rollups(events.requests, words),
        rollup_histograms=_histograms(events.requests, {"feedback": feedback, "score": scores}),
        rollup_metrics=_metrics(named),
        experiment_cells=_cells(events.requests, _last_words(in_time), counted, frozen),
        experiment_units=_units(events.requests),
        unattributed={
            "feedback": len(events.feedback) - len(feedback),
            "scores": len(events.scores) - len(scores),
        },
    )


def _in_time(row: Row, reaction: Row, windows: Mapping[str, timedelta], *, unknown: bool) -> bool:
    window = windows.get(row.get("experiment") or "")
    return unknown if window is None else reaction["event_time"] - row["event_time"] <= window


def _series(row: Row) -> tuple[Any, ...]:
    model = row.get("response_model") if row.get("response_model") is not None else row["request_model"]
    return (row["prompt"], row["version"], row.get("variant"), row["environment"], row["app"], model)


def _keys(row: Row) -> Iterable[tuple[Any, ...]]:
    seconds = math.floor(row["event_time"].timestamp())
    for resolution, length_s in _LENGTH_S.items():
        start = datetime.fromtimestamp(seconds // length_s * length_s, UTC)
        yield (resolution, start, *_series(row))


def _rollups(requests: Sequence[Row], feedback: Sequence[tuple[Row, Row]]) -> Answers:
    groups: defaultdict[tuple[Any, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for row in requests:
        for key in _keys(row):
            groups[key][0].append(row)
    for row, reaction in feedback:
        for key in _keys(row):
            groups[key][1].append(reaction)
    return {key: _measured(mine, reactions) for key, (mine, reactions) in groups.items()}


def _measured(requests: Sequence[Row], reactions: Sequence[Row]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "requests": len(requests),
        "errors": sum(row.get("error_type") is not None for row in requests),
        "refusals": sum(row.get("finish_reason") in _REFUSED for row in requests),
        "feedback": len(reactions),
        "thumbs_up": sum(row.get("thumbs") == "up" for row in reactions),
        "thumbs_down": sum(row.get("thumbs") == "down" for row in reactions),
        "corrections": sum(row.get("correction") is not None for row in reactions),
        "first_event_time": min((row["event_time"] for row in requests), default=None),
        "last_event_time": max((row["event_time"] for row in requests), default=None),
    }
    for name in ("input_tokens", "cached_input_tokens", "output_tokens"):
        values = _values(requests, name)
        answer |= {f"{name}_known": len(values), name: sum(values)}
    answer["cost_nano_usd"] = sum(_values(requests, "cost_nano_usd"))
    measures = {
        "cost": ("cost_known", _values(requests, "cost_nano_usd")),
        "latency": ("latency_n", _values(requests, "latency_ms")),
        "ttft": ("ttft_n", _values(requests, "time_to_first_token_ms")),
        "rating": ("rating_n", _values(reactions, "rating")),
    }
    for prefix, (count, values) in measures.items():
        n, mean, m2 = _moments(values)
        answer |= {count: n, f"{prefix}_mean": mean, f"{prefix}_m2": m2}
    return answer


def _histograms(requests: Sequence[Row], reactions: Mapping[str, Sequence[tuple[Row, Row]]]) -> Answers:
    answers: defaultdict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    gamma = 1.01 / 0.99

    def add(row: Row, metric: str, value: float | None) -> None:
        if value is not None:
            bucket = math.ceil(math.log(value) / math.log(gamma)) if value > 0 else -(2**31)
            for key in _keys(row):
                answers[(*key, metric)][bucket] += 1

    for row in requests:
        for metric in ("latency_ms", "time_to_first_token_ms", "cost_nano_usd"):
            add(row, metric, row.get(metric))
    for kind, pairs in reactions.items():
        for row, reaction in pairs:
            delay = reaction["event_time"] - row["event_time"]
            add(row, f"{kind}_delay_ms", delay / timedelta(milliseconds=1))
    return {key: {"histogram": dict(counts)} for key, counts in answers.items()}


def _metrics(named: Sequence[tuple[Row, str, float]]) -> Answers:
    values: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row, name, value in named:
        for key in _keys(row):
            values[(*key, name)].append(value)
    return {key: dict(zip(("n", "mean", "m2"), _moments(mine), strict=True)) for key, mine in values.items()}


def _cells(
    requests: Sequence[Row],
    feedback: Sequence[tuple[Row, Row]],
    named: Sequence[tuple[Row, str, float]],
    frozen: Frozen,
) -> Answers:
    sums: defaultdict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])

    def add(row: Row, metric: str, y: float, observed: int = 1) -> None:
        if row.get("experiment") is not None:
            arm = (row["experiment"], row.get("allocation_epoch"), row.get("variant"))
            cell = sums[(*arm, metric, row["unit_group"])]
            cell[0] += observed
            cell[1] += observed
            cell[2] += y

    for row in requests:
        add(row, "requests", 1)
        add(row, "errors", row.get("error_type") is not None)
        add(row, "refusals", row.get("finish_reason") in _REFUSED)
        if row.get("experiment") in frozen.feedback_window:
            add(row, "feedback", 0)
            add(row, "corrections", 0)
        for metric in _VALUES:
            if row.get(metric) is not None:
                add(row, metric, row[metric])
    for row, reaction in feedback:
        add(row, "feedback", 1, observed=0)
        if reaction.get("correction") is not None:
            add(row, "corrections", 1, observed=0)
        if reaction.get("thumbs") is not None:
            add(row, "thumbs_up", reaction["thumbs"] == "up")
        if reaction.get("rating") is not None:
            add(row, "rating", reaction["rating"])
    for row, given, value in named:
        name = f"custom.{given}" if given in _BUILT_IN | set(_VALUES) else given
        bounds = (0.0, 1.0) if name == "quality" else frozen.bounds.get((row.get("experiment") or "", name))
        if bounds is not None:
            add(row, name, min(max(value, bounds[0]), bounds[1]))
            if value not in (0, 1):
                add({**row, "unit_group": 0}, f"not_binary.{name}", 1)
    return {key: dict(zip(("n", "sum_x", "sum_y"), cell, strict=True)) for key, cell in sums.items()}


def _units(requests: Sequence[Row]) -> Answers:
    times: defaultdict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    for row in requests:
        if row.get("experiment") is not None:
            arm = (row["experiment"], row.get("allocation_epoch"), row.get("variant"))
            times[(*arm, row["unit_group"], row["unit_id"])].append(row["event_time"])
    return {
        key: {"requests": len(mine), "first_event_time": min(mine), "last_event_time": max(mine)}
        for key, mine in times.items()
    }


def _values(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if row.get(name) is not None]


def _moments(values: Sequence[float]) -> tuple[int, float | None, float | None]:
    if not values:
        return 0, None, None
    return len(values), float(np.mean(values)), float(np.var(values) * len(values))


def _last_words(feedback: Sequence[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    """One reaction per request and unit: of thumb, rating and correction each the last that was given."""
    words: dict[tuple[str, str | None], tuple[Row, Row]] = {}
    for request, said in sorted(feedback, key=lambda pair: (pair[1]["event_time"], pair[1]["feedback_id"])):
        key = (request["request_id"], said.get("unit_id"))
        _, before = words.get(key, (request, {}))
        given = {name: said.get(name) for name in ("thumbs", "rating", "correction")}
        words[key] = request, {**before, **{name: given[name] for name in given if given[name] is not None}}
    return list(words.values())
