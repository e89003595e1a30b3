from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_simulator.actions import FeedbackAction, RequestAction, ScoreAction
from coalmine_simulator.truth import VersionTruth, truth_of

WHERE: dict[str, Any] = {"app": "bot", "environment": "prod", "prompt": "greet", "version": "1.0.0"}


def request(number: int, **changes: object) -> RequestAction:
    given: dict[str, Any] = {
        "at_s": 1.0,
        "started_at_s": 0.0,
        "number": number,
        "followups": 0,
        "unit_id": "u",
        "session_id": "s",
        "trace_id": "t",
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "latency_ms": 1000.0,
        "segments": (),
    }
    return RequestAction(**(given | WHERE | changes))


def test_every_kind_of_action_is_counted_where_it_belongs() -> None:
    [truth] = truth_of(
        [
            request(
                0, input_tokens=100, cached_input_tokens=40, output_tokens=10, metrics=(("quality", 0.5),)
            ),
            request(1, error_type="timeout"),
            request(2, input_tokens=5, output_tokens=1, metrics=(("refusal", 1.0),)),
            FeedbackAction(at_s=2.0, request=0, unit_id="u", thumbs="up", rating=5.0, **WHERE),
            FeedbackAction(at_s=2.0, request=0, unit_id="u", thumbs="down", correction="x", **WHERE),
            ScoreAction(at_s=2.0, request=0, name="quality", value=0.7, source="judge", scorer="j", **WHERE),
            ScoreAction(at_s=2.0, request=0, name="tone", value=0.1, source="judge", scorer="j", **WHERE),
        ]
    ).values()
    assert (truth.requests, truth.errors, truth.refusals) == (3, 1, 1)
    assert (truth.input_tokens, truth.cached_input_tokens, truth.output_tokens) == (105, 40, 11)
    assert (truth.feedback, truth.thumbs_up, truth.thumbs_down) == (2, 1, 1)
    assert (truth.corrections, truth.ratings) == (1, 1)
    assert truth.error_rate == pytest.approx(1 / 3)
    assert truth.thumbs_up_rate == 0.5
    assert truth.quality_mean == pytest.approx(0.6)


def test_what_is_unknown_is_none() -> None:
    empty = VersionTruth("greet", "1.0.0")
    assert (empty.error_rate, empty.quality_mean, empty.thumbs_up_rate) == (None, None, None)
    assert empty.latency_ms_quantile(0.5) is None


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=50), st.floats(0.0, 1.0))
def test_quantiles_are_numpy_s(values: list[float], q: float) -> None:
    truth = VersionTruth("greet", "1.0.0")
    truth.latencies_ms.extend(values)
    assert truth.latency_ms_quantile(q) == pytest.approx(float(np.quantile(values, q)))
