"""Answers the dashboard's questions about simulated actions, computed here, in the API's own shape.

Not a stand-in for the server's arithmetic: the server's tests check that. It gives the page real-looking
figures of a known course of events, for the states a real server is hard to bring into.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_simulator.actions import Action, FeedbackAction, RequestAction
from coalmine_simulator.truth import VersionTruth, record

Json = dict[str, Any]

STEP_S = {"minute": 60, "5m": 300, "15m": 900, "hour": 3600, "6h": 21_600, "day": 86_400}
MOST_POINTS = 180
_USD_PER_TOKEN = 6e-7
_ENVIRONMENTS = "environments"


class MeasuredSimulation:
    """Actions and the date of their moment 0."""

    def __init__(self, actions: Iterable[Action], began_at: datetime) -> None:
        self.actions = list(actions)
        self.began_at = began_at
        self.calls = {action.number: action for action in self.actions if isinstance(action, RequestAction)}

    def facets(self) -> Json:
        times = [self._when(call) for call in self.calls.values()]
        versions: defaultdict[str, set[str]] = defaultdict(set)
        for call in self.calls.values():
            versions[call.prompt].add(call.version)
        return {
            "prompts": sorted(versions),
            "versions": {prompt: sorted(found) for prompt, found in versions.items()},
            "environments": sorted({call.environment for call in self.calls.values()}),
            "apps": sorted({call.app for call in self.calls.values()}),
            "models": sorted(set(map(_model, self.calls.values()))),
            "complete": True,
            "first_event_time": min(times).isoformat() if times else None,
            "last_event_time": max(times).isoformat() if times else None,
        }

    def versions(self, parameters: dict[str, str]) -> Json:
        groups = self._groups(parameters, None)
        return {
            "items": [self._row(key[1:], group) for key, group in sorted(groups.items())],
            "next_cursor": None,
        }

    def timeseries(self, parameters: dict[str, str]) -> Json:
        since = parameters.get("since")
        step = parameters.get("step", "auto")
        if step == "auto":
            length = self._age() if since is None else datetime.now(UTC) - datetime.fromisoformat(since)
            fitting = [
                name for name, step_s in STEP_S.items() if length.total_seconds() <= MOST_POINTS * step_s
            ]
            step = [*fitting, "day"][0]
        groups = self._groups(parameters, STEP_S[step])
        items = []
        for key, group in sorted(groups.items()):
            start = datetime.fromtimestamp(key[0], UTC)
            items.append({"bucket_start": start.isoformat(), **self._measures(key[1:], group)})
        return {"step": step, "items": items, "next_cursor": None}

    def _age(self) -> timedelta:
        return max((self._when(call) - self.began_at for call in self.calls.values()), default=timedelta(0))

    def _when(self, call: RequestAction) -> datetime:
        return self.began_at + timedelta(seconds=call.started_at_s)

    def _groups(
        self, parameters: dict[str, str], step_s: int | None
    ) -> dict[tuple[int, str, str], list[Action]]:
        since = parameters.get("since")
        groups: defaultdict[tuple[int, str, str], list[Action]] = defaultdict(list)
        for action in self.actions:
            call = action if isinstance(action, RequestAction) else self.calls[action.request]
            when = self._when(call)
            if parameters.get("prompt") not in (None, call.prompt):
                continue
            if parameters.get("environment") not in (None, call.environment):
                continue
            if parameters.get("model") not in (None, _model(call)):
                continue
            if since is not None and when < datetime.fromisoformat(since):
                continue
            bucket = 0 if step_s is None else int(when.timestamp()) // step_s * step_s
            groups[bucket, call.prompt, call.version].append(action)
        return groups

    def _measures(self, key: tuple[str, str], group: list[Action]) -> Json:
        truths: dict[tuple[str, str], VersionTruth] = {}
        for action in group:
            record(truths, action)
        truth = truths[key]
        cost = (truth.input_tokens + 4 * truth.output_tokens) * _USD_PER_TOKEN
        return {
            "prompt": key[0],
            "version": key[1],
            "requests": truth.requests,
            "errors": truth.errors,
            "error_rate": truth.error_rate,
            "input_tokens": truth.input_tokens,
            "output_tokens": truth.output_tokens,
            "cached_input_tokens": truth.cached_input_tokens,
            "cost_usd": float(cost),
            "cost_nano_usd": round(cost * 10**9),
            "cost_usd_per_request": cost / truth.requests if truth.requests else None,
            "priced_requests": truth.requests,
            "latency_ms_mean": None,
            "latency_ms_p50": truth.latency_ms_quantile(0.5),
            "latency_ms_p95": truth.latency_ms_quantile(0.95),
            "time_to_first_token_ms_p50": None,
            "time_to_first_token_ms_p95": None,
            "quality_mean": truth.quality_mean,
            "quality_n": truth.quality_n,
            "feedback": sum(isinstance(action, FeedbackAction) for action in group),
            "thumbs_up": truth.thumbs_up,
            "thumbs_down": truth.thumbs_down,
            "thumbs_up_rate": truth.thumbs_up_rate,
        }

    def _row(self, key: tuple[str, str], group: list[Action]) -> Json:
        calls = [action for action in group if isinstance(action, RequestAction)]
        times = [self._when(call) for call in calls]
        return {
            **self._measures(key, group),
            _ENVIRONMENTS: sorted({call.environment for call in calls}),
            "models": sorted(set(map(_model, calls))),
            "variants": [],
            "preferred": False,
            "first_event_time": min(times).isoformat() if times else None,
            "last_event_time": max(times).isoformat() if times else None,
        }


def _model(call: RequestAction) -> str:
    return call.response_model or call.request_model


def ingest_status(now: datetime, **changes: object) -> Json:
    """What a healthy collector says."""
    status: Json = {
        "state": "running",
        "reason": None,
        "source": "spool",
        "started_at": (now - timedelta(hours=6)).isoformat(),
        "last_commit_at": (now - timedelta(seconds=1)).isoformat(),
        "events_per_s": 6.4,
        "lag": 0,
        "lag_note": None,
        "counts": {"consumed": 90_000, "stored": 89_990, "duplicates": 10, "dead_lettered": 0},
        "by_event": {},
        "dead_letters_open": 0,
        "names_beyond_limit": {},
        "unattributed_feedback": 1,
        "unattributed_scores": 2,
        "ahead_of_clock": 0,
        "gaps": [],
        "gaps_total": 0,
        "partitions": [],
        "store": {"database_bytes": 1, "segment_bytes": 2, "segments": 1, "rows": {}},
    }
    return {**status, **changes}
