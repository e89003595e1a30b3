"""What Coalmine measures of a simulation is its truth: client, spool, collector and queries at once."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_simulator import Playback, Simulation, run, scenario
from tests.support.campaign import size
from tests.support.processes.coalmine_process import coalmine_json

STORY_S = 60.0 * size(15, 30)


@pytest.mark.parametrize("name", ["demo", "incident"])
def test_measured_versions_are_the_true_ones(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ExitStack() as clients:

        def make(app: str, environment: str) -> Coalmine:
            return clients.enter_context(Coalmine(app, environment, home=home, on_full="wait"))

        result = run(Simulation(scenario(name, STORY_S), 11), make, Playback(history_s=STORY_S))
    measured = {(row["prompt"], row["version"]): row for row in coalmine_json("versions", home=home)}

    assert measured.keys() == result.versions.keys()
    for key, truth in result.versions.items():
        row = measured[key]
        assert row["requests"] == truth.requests
        assert row["input_tokens"] == truth.input_tokens
        assert row["output_tokens"] == truth.output_tokens
        assert row["error_rate"] == pytest.approx(truth.error_rate)
        assert row["quality_mean"] == pytest.approx(truth.quality_mean)
        assert row["thumbs_up_rate"] == pytest.approx(truth.thumbs_up_rate)
        # Histograms promise 1 % of the value at that rank.
        assert row["latency_ms_p50"] == pytest.approx(truth.latency_ms_quantile(0.5), rel=0.0101)
        assert row["latency_ms_p95"] == pytest.approx(truth.latency_ms_quantile(0.95), rel=0.0101)
        assert row["cost_usd_per_request"] > 0
