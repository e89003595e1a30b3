"""Answers of the API about drift and models, as a server gives them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from coalmine_alerts.results.models import CalendarModel
from coalmine_analytics.results.drift import Drift, MetricDrift, ModelChange, VersionDrift
from coalmine_consumers.results import Facets, Timeseries, TimeseriesRow, VersionRow
from coalmine_evals.results.models import ModelFlag

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
BEGAN = NOW - timedelta(days=30)
SINCE = NOW - timedelta(days=3)
HOSTILE = "<img src=x onerror=alert(1)>"

STEADY = MetricDrift(
    metric="error_rate",
    unit="share",
    direction="lower",
    role="must_prove",
    state="steady",
    words="no difference from the reference shown",
    better=None,
    detected_at=None,
    since=None,
    since_earliest=None,
    since_latest=None,
    before=0.012,
    after=0.0127,
    shift=0.0007,
    lower=-0.003,
    upper=0.0045,
    lately_lower=None,
    lately_upper=None,
    relative_shift=0.058,
    log_evidence=0.4,
    log_threshold=9.2,
    tolerance=0.01,
    reference_value=0.012,
    reference_since=BEGAN,
    reference_until=BEGAN + timedelta(days=14),
    matched_by="hour of day",
    bucket_hours=1,
    likely_causes=(),
)
CHANGE = ModelChange(
    request_model="gpt-4o-mini",
    response_model="gpt-4o-mini-2026-11-20",
    first_seen=SINCE,
    requests=4_210,
    share_lately=0.98,
    before=("gpt-4o-mini-2024-07-18",),
)
WORSE = replace(
    STEADY,
    metric="quality",
    unit="",
    direction="higher",
    state="drifted",
    words="worse since about then",
    better=False,
    detected_at=NOW - timedelta(days=2),
    since=SINCE,
    since_earliest=SINCE - timedelta(hours=6),
    since_latest=SINCE + timedelta(hours=9),
    before=0.842,
    after=0.799,
    shift=-0.043,
    lower=-0.061,
    upper=-0.026,
    lately_lower=-0.07,
    lately_upper=-0.012,
    relative_shift=-0.051,
    log_evidence=14.0,
    tolerance=0.0168,
    reference_value=0.84,
    likely_causes=(CHANGE,),
)
LATENCY = replace(
    STEADY, metric="latency_ms", unit="ms", before=812.0, after=790.0, shift=-22.0, lower=-60.0, upper=17.0,
    tolerance=80.0, reference_value=812.0,
)  # fmt: skip
UNKNOWN = replace(
    STEADY, metric="rating", unit="", state="not enough data", words="no values", before=None, after=None,
    shift=None, lower=None, upper=None, log_evidence=None, tolerance=None, reference_value=None,
)  # fmt: skip


def drift_of(prompt: str, *metrics: MetricDrift, environment: str = "prod") -> VersionDrift:
    """A version with these metrics."""
    drifted = any(each.state == "drifted" for each in metrics)
    return VersionDrift(
        prompt=prompt,
        version="1.3.0",
        environment=environment,
        state="drifted" if drifted else "steady" if metrics else "not enough data",
        words="drift in quality" if drifted else "no drift",
        warnings=(),
        taken_at=NOW,
        reference_since=BEGAN,
        reference_until=BEGAN + timedelta(days=14),
        speaks_from=None,
        reference_requests=81_204,
        watched_until=NOW,
        false_alarm_every_days=400.0,
        metrics=metrics,
        model_changes=(CHANGE,) if drifted else (),
        ignored_days=(),
    )


def measured(prompt: str, model: str, quality: float, requests: int = 1_000, **values: Any) -> VersionRow:
    """A version on a model."""
    return VersionRow(**{
        "prompt": prompt, "version": "1.3.0", "requests": requests, "errors": 12, "error_rate": 0.012,
        "input_tokens": 900_000, "output_tokens": 120_000, "cached_input_tokens": None, "cost_usd": 1.8,
        "cost_nano_usd": 1_800_000_000, "cost_usd_per_request": 0.0018, "priced_requests": requests,
        "latency_ms_mean": 812.0, "latency_ms_p50": 640.0, "latency_ms_p95": 2_100.0,
        "time_to_first_token_ms_p50": None, "time_to_first_token_ms_p95": None, "quality_mean": quality,
        "quality_n": requests // 2, "feedback": 30, "thumbs_up": 20, "thumbs_down": 5, "thumbs_up_rate": 0.8,
        "environments": ["prod"], "models": [model], "variants": [], "preferred": False,
        "first_event_time": BEGAN, "last_event_time": NOW, **values,
    })  # fmt: skip


VERSIONS = [
    measured("summarize", "gpt-4o-mini-2024-07-18", 0.842, 90_000),
    measured("summarize", "gpt-4o-mini-2026-11-20", 0.799, 4_210),
    measured(HOSTILE, "claude-haiku-4-5", 0.71, 500),
]
FLAGS = [
    ModelFlag("summarize", "1.3.0", "d" * 64, "gpt-4o-mini-2026-11-20", "unsafe", "run-1", NOW),
    ModelFlag("summarize", "1.3.0", "d" * 64, "claude-haiku-4-5", "safe", "run-2", NOW),
]
CALENDAR = [
    CalendarModel(
        "prod", "gpt-4o-mini-2024-07-18", ["summarize"], 1, 90_000, BEGAN, NOW, date(2027, 1, 14), "OpenAI",
        "gpt-6-luna",
    ),
    CalendarModel("prod", "gpt-4o-mini-2026-11-20", ["summarize"], 1, 4_210, SINCE, NOW, None, None, None),
    CalendarModel("dev", "claude-haiku-4-5", [HOSTILE], 1, 500, BEGAN, NOW, None, None, None),
]  # fmt: skip
FACETS = Facets(
    prompts=[HOSTILE, "summarize", "translate"],
    versions={"summarize": ["1.3.0"], HOSTILE: ["1.3.0"], "translate": ["1.3.0"]},
    environments=["dev", "prod"],
    apps=["mobile"],
    complete=True,
    first_event_time=BEGAN,
    last_event_time=NOW,
    models=[row.models[0] for row in VERSIONS],
)


def series() -> Timeseries:
    """Quality that falls, four times a day."""
    names = TimeseriesRow.__dataclass_fields__
    rows = []
    for place in range(120):
        at = BEGAN + timedelta(hours=6 * place)
        wobble = ((place * 7) % 11 - 5) / 1000
        row = measured("summarize", "m", (0.842 if at < SINCE else 0.799) + wobble, 760)
        shared = {name: getattr(row, name) for name in names if hasattr(row, name)}
        rows.append(TimeseriesRow(**{**shared, "bucket_start": at}))
    return Timeseries("6h", rows, None)


def json_of(kind: Any, value: object) -> Any:
    """An answer as the API writes it."""
    return TypeAdapter(kind).dump_python(value, mode="json")


def drift_handlers() -> dict[str, Any]:
    """What a server would answer to the page of drift."""
    drifts = {
        "summarize": Drift("summarize", (drift_of("summarize", WORSE, STEADY, LATENCY, UNKNOWN),)),
        "translate": Drift("translate", (drift_of("translate", STEADY, LATENCY),)),
        HOSTILE: Drift(HOSTILE, (drift_of(HOSTILE),)),
    }
    flags = json_of(list[ModelFlag], FLAGS)
    return {
        "/v1/facets": lambda _parameters: json_of(Facets, FACETS),
        "/v1/drift": lambda parameters: json_of(Drift, drifts[parameters["prompt"]]),
        "/v1/drifts": lambda _parameters: _page(
            [json_of(VersionDrift, item) for each in drifts.values() for item in each.items]
        ),
        "/v1/timeseries": lambda _parameters: json_of(Timeseries, series()),
        "/v1/model-calendar": lambda _parameters: _page(json_of(list[CalendarModel], CALENDAR)),
        "/v1/versions": lambda _parameters: _page(json_of(list[VersionRow], VERSIONS)),
        "/v1/model-flags": lambda _parameters: flags,
        "/v1/whoami": lambda _parameters: {"subject": "ann", "role": "admin", "environment": None},
    }


def _page(items: list[Any]) -> dict[str, Any]:
    return {"items": items, "next_cursor": None}
