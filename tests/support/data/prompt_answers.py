"""What the API says to the pages about prompts, made of the values that the server serves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from coalmine_alerts.results.alerts import Alert, Cause
from coalmine_alerts.results.story import Story
from coalmine_analytics.results.explain import (
    ChangePart,
    Contribution,
    ExplainedSide,
    Explanation,
    FeatureRegression,
    MovedValue,
    RegressionFeature,
)
from coalmine_consumers.results import Facets, VersionRow
from coalmine_registry.records import Promotion
from coalmine_rollouts.plan import read_plan
from coalmine_rollouts.records import Rollout, RolloutHold, RolloutStatus

NOW: Final = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOSTILE: Final = "<img src=x onerror=alert(1)> [click](javascript:x)"
_ANYTHING: Final = TypeAdapter[Any](Any)


def served(value: object) -> Any:
    """A value as the API writes it."""
    return _ANYTHING.dump_python(value, mode="json")


def page_of(*items: object) -> dict[str, Any]:
    """A page of a list, the last one."""
    return {"items": [served(each) for each in items], "next_cursor": None}


def facets_of(versions: Mapping[str, Sequence[str]], app: str = "bot") -> Any:
    """The values to choose from, of prompts with these versions."""
    return served(
        Facets(
            prompts=[*versions],
            versions={prompt: [*some] for prompt, some in versions.items()},
            environments=["prod"],
            apps=[app],
            models=["gpt-4o-mini"],
            complete=True,
            first_event_time=NOW,
            last_event_time=NOW,
        )
    )


def an_alert(fingerprint: str = "a" * 16, **changes: Any) -> Alert:
    """A warning about the quality of `summarize` in prod, an hour old."""
    since = NOW - timedelta(hours=1)
    rest: dict[str, Any] = {
        "rule": "quality_drift",
        "labels": {"environment": "prod", "prompt": "summarize"},
        "state": "firing",
        "severity": "warning",
        "cause": Cause("prompt", "summarize"),
        "story": Story("Quality fell 5.2 % · summarize 1.1.0 · prod", "It fell from 0.81 to 0.77."),
        "firing": 1,
        "value": -0.05,
        **dict.fromkeys(("since", "began_at", "fired_at", "evaluated_at", "true_since"), since),
        **dict.fromkeys(("false_since", "acknowledged_by", "acknowledged_at", "silenced_until")),
        **dict.fromkeys(("inhibited_by", "flapping_since", "last_notice")),
    }
    return Alert(fingerprint=fingerprint, **{**rest, **changes})


def a_status(*holds: str, **changes: Any) -> RolloutStatus:
    """Of a rollout of `support-refund` 1.4.0 at 25 %."""
    plan = read_plan("canary-standard")
    since = NOW - timedelta(hours=2)
    held = tuple(RolloutHold("ingest_stale", each, since) for each in holds)
    rollout = Rollout(
        id="ro-support-refund-1.4.0-1",
        environment="prod",
        prompt="support-refund",
        rule=None,
        treatment="1.4.0",
        control="1.3.0",
        plan=plan,
        plan_digest=plan.digest(),
        template="canary-standard",
        mode="act",
        state="running",
        reasons=(),
        stage=1,
        holds=held,
        row_version=7,
        revision=4,
        occupies=True,
        started_by="dana",
        created_at=since,
        started_at=since,
        ended_at=None,
        retry_of=None,
        replaced_by=None,
        approvals=(),
        reason=None,
    )
    rest: dict[str, Any] = {
        "id": rollout.id,
        "state": rollout.state,
        "stage": rollout.stage,
        "holds": held,
        "sentence": "about 900 more units would settle quality",
        "weight_commanded": 0.25,
        "weight_observed": 0.244,
        "share_of_traffic": 1.0,
        "units": 1_180,
        "control_units": 2_430,
        "seen_s": 5_400.0,
        "min_time_s": 7_200.0,
        "commanded_at": since,
        "effective_at": since,
        "behind": (),
        "rollout": rollout,
        "patterns": (),
        "at": NOW,
    }
    return RolloutStatus(**{**rest, **changes})


def a_promotion(**changes: Any) -> Promotion:
    """Of `summarize` 1.2.0 to prod, which waits."""
    rest: dict[str, Any] = {
        "id": "pr-1",
        "status": "pending",
        "prompt": "summarize",
        "version": "1.2.0",
        "environment": "prod",
        "evidence": (),
        "reason": "shorter answers",
        "expected_revision": 3,
        "requested_by": "dana",
        "requested_at": NOW - timedelta(hours=3),
        **dict.fromkeys(("decided_by", "decided_at", "decision_reason", "revision")),
    }
    return Promotion(**{**rest, **changes})


def a_version(prompt: str, version: str, requests: int, **changes: Any) -> VersionRow:
    """What a version did."""
    rest: dict[str, Any] = {
        "prompt": prompt,
        "version": version,
        "requests": requests,
        "errors": requests // 100,
        "error_rate": 0.01,
        **dict.fromkeys(("input_tokens", "output_tokens", "cached_input_tokens"), 1_000),
        "cost_usd": 0.002 * requests,
        "cost_nano_usd": 2_000_000 * requests,
        "cost_usd_per_request": 0.002,
        "priced_requests": requests,
        **dict.fromkeys(("latency_ms_mean", "latency_ms_p50"), 800.0),
        "latency_ms_p95": 2_140.0,
        **dict.fromkeys(("time_to_first_token_ms_p50", "time_to_first_token_ms_p95"), 200.0),
        "quality_mean": 0.801,
        "quality_n": requests,
        "feedback": 10,
        "thumbs_up": 8,
        "thumbs_down": 2,
        "thumbs_up_rate": 0.8,
        "environments": ["prod"],
        "models": ["gpt-4o-mini"],
        "variants": [],
        "preferred": False,
        "first_event_time": NOW - timedelta(days=3),
        "last_event_time": NOW,
    }
    return VersionRow(**{**rest, **changes})


def an_explanation(**changes: Any) -> Explanation:
    """Quality of `support-refund` 1.4.0 against 1.3.0: the prompt made it worse, traffic a little better."""
    side = {"since": NOW - timedelta(days=1), "until": NOW}
    parts = (
        ChangePart("prompt", -0.05, -0.07, -0.03, True, "1.4.0 in place of 1.3.0"),
        ChangePart("model mix", -0.001, -0.004, 0.002, False, "the same models"),
        ChangePart("traffic mix", 0.015, None, None, False, HOSTILE),
    )
    moved = (
        MovedValue(
            "language",
            "de",
            "moved",
            "lower by 0.11",
            412,
            398,
            0.80,
            0.69,
            -0.11,
            0.02,
            -0.16,
            -0.06,
            0.0004,
        ),
        MovedValue(
            "language", HOSTILE, "not enough data", "too few", 4, 3, 0.8, 0.7, None, None, None, None, None
        ),
    )
    feature = RegressionFeature(
        "input tokens",
        "with twice the input tokens lower by 0.021",
        -0.021,
        -0.027,
        -0.015,
        0.003,
        -0.1,
        0.0,
        0.0,
        True,
    )
    regression = FeatureRegression((feature,), ("least squares",), ("app: all the same",), 900, 900, 400, 0.1)
    rest: dict[str, Any] = {
        "prompt": "support-refund",
        "environment": None,
        "metric": "quality",
        "unit": "",
        "headline": "quality is lower in 1.4.0 than in 1.3.0 by 0.036",
        "warnings": ("not randomised",),
        "alpha": 0.05,
        "a": ExplainedSide("1.3.0", **side, requests=5_000, units=2_100, value=0.75),
        "b": ExplainedSide("1.4.0", **side, requests=4_000, units=1_900, value=0.714),
        "change": -0.036,
        "lower": -0.05,
        "upper": -0.02,
        "clear": True,
        "parts": parts,
        "parts_of_prompt": (),
        "contributions": (Contribution("traffic mix", "segments", "de", 0.01, 0.2, 0.1, 0.8, 0.7),),
        "traffic": ("language",),
        "not_told_apart": ("tier: all the same",),
        "coverage": 0.99,
        "moved": moved,
        "left_out": ("user: more than 1,000 values",),
        "regression": regression,
    }
    return Explanation(**{**rest, **changes})
