"""The regression: statsmodels' own numbers, intervals that cover, and a control that must not."""

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from coalmine_analytics.explain.features import SideNames
from coalmine_analytics.explain.regression import fit, regress
from coalmine_analytics.metrics import BUILT_IN, Metric
from coalmine_analytics.results.explain import FeatureRegression, RegressionFeature
from coalmine_consumers.explain import Sample
from tests.support.later import later

if TYPE_CHECKING:
    import pandas as pd
    import statsmodels.formula.api as smf
else:
    pd = later("pandas")
    smf = later("statsmodels.formula.api")

QUALITY = BUILT_IN[0]
(ERRORS,) = (metric for metric in BUILT_IN if metric.name == "error_rate")
SIDES = SideNames("1.0.0", "2.0.0", of_versions=True)
TIMES = SideNames("before", "after", of_versions=False)

TOKENS, TIER, VERSION = -0.02, -0.08, 0.03
"""What quality truly does with twice the input tokens, in tier=enterprise, in version 2.0.0."""


def requests(random: np.random.Generator, units: int = 400, *, spread: float = 0.1) -> dict[str, Any]:
    """Columns of requests of users who have a tier, a version, longer questions and a level of their own."""
    each = 1 + random.poisson(4, units)
    unit = np.repeat(np.arange(units), each)
    rows = len(unit)
    paid, side = ((random.random(units) < share)[unit] for share in (0.4, 0.5))
    tokens = np.round(2.0 ** (random.normal(8, 1, units)[unit] + random.normal(0, 0.5, rows)))
    quality = 1.0 + TOKENS * np.log2(tokens) + TIER * paid + VERSION * side
    quality += random.normal(0, spread, units)[unit] + random.normal(0, 0.1, rows)
    return {
        "side": side.astype(np.int64),
        "unit": unit.astype(np.uint64),
        "version": np.where(side, "2.0.0", "1.0.0"),
        "model": np.full(rows, "small"),
        "app": np.full(rows, "shop"),
        "resolution": np.full(rows, "live"),
        "streamed": np.zeros(rows, bool),
        "input_tokens": tokens.astype(np.int64),
        "output_tokens": random.integers(10, 500, rows),
        "latency_ms": random.lognormal(6, 1, rows),
        "hour": random.integers(0, 24, rows),
        "value": quality,
        "weight": np.ones(rows),
        "segment_0": np.where(paid, "enterprise", "free"),
    }


def sample(columns: dict[str, Any], *, below: int = 2**32, of: int | None = None) -> Sample:
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return Sample(table, ("tier",), of or table.num_rows, below)


def regressed(
    columns: dict[str, Any], cells: str = "quality", metric: Metric = QUALITY, sides: SideNames = SIDES
) -> FeatureRegression:
    return regress(sample(columns), cells, metric, sides, alpha=0.05)


def feature(found: FeatureRegression, name: str) -> RegressionFeature:
    (one,) = [each for each in found.features if each.feature == name]
    return one


def test_coefficients_and_errors_are_statsmodels_own() -> None:
    columns = requests(np.random.default_rng(1))
    columns["weight"] = np.random.default_rng(2).integers(1, 4, len(columns["unit"])).astype(np.float64)
    found = regressed(columns)
    frame = pd.DataFrame(columns).assign(
        log_in=lambda rows: np.log2(rows.input_tokens),
        log_out=lambda rows: np.log2(rows.output_tokens),
        log_latency=lambda rows: np.log2(rows.latency_ms),
        block=lambda rows: rows.hour // 6,
    )
    theirs = smf.wls(
        "value ~ log_in + log_out + log_latency + C(side) + C(segment_0) + C(block)",
        frame,
        weights=frame.weight,
    ).fit(cov_type="cluster", cov_kwds={"groups": frame.unit}, use_t=True)
    bounds = theirs.conf_int()
    for ours, name, sign in (
        ("input tokens", "log_in", 1),
        ("output tokens", "log_out", 1),
        ("latency", "log_latency", 1),
        ("version=2.0.0", "C(side)[T.1]", 1),
    ):
        one = feature(found, ours)
        assert one.coefficient == pytest.approx(sign * theirs.params[name], rel=1e-9)
        assert one.standard_error == pytest.approx(theirs.bse[name], rel=1e-9)
        assert (one.lower, one.upper) == pytest.approx(tuple(bounds.loc[name]), rel=1e-9)
        assert one.p == pytest.approx(theirs.pvalues[name], rel=1e-6, abs=1e-300)
    spread = frame.log_in.std(ddof=0) / frame.value.std(ddof=0)
    assert feature(found, "input tokens").standardised == pytest.approx(
        theirs.params["log_in"] * spread, rel=0.05
    )
    assert found.r_squared == pytest.approx(theirs.rsquared, rel=1e-9)
    assert (found.requests, found.units) == (len(frame), 400)


def test_the_truth_is_found_and_said_in_plain_words() -> None:
    found = regressed(requests(np.random.default_rng(3), 1_500))
    tokens, tier, version = (
        feature(found, name) for name in ("input tokens", "tier=enterprise", "version=2.0.0")
    )
    for one, truth in ((tokens, TOKENS), (tier, TIER), (version, VERSION)):
        assert one.clear
        assert abs(one.coefficient - truth) < 3.5 * one.standard_error
        assert one.upper - one.lower < 0.03
    assert tokens.words.startswith("requests with twice the input tokens have quality lower by 0.0")
    assert tokens.words.endswith("), other things equal")
    assert "than those with tier=free, other things equal" in tier.words
    assert "requests of version 2.0.0 have quality higher by 0.0" in version.words
    rest = [each for each in found.features if not each.clear]
    assert {each.feature for each in rest} >= {"output tokens", "latency"}
    assert all("not clearly different" in each.words for each in rest)
    assert "associations, not causes" in found.words[-1]


def test_intervals_cover_the_truth_and_without_clusters_they_would_not() -> None:
    random = np.random.default_rng(4)
    runs, covered, naive = 200, 0, 0
    for _ in range(runs):
        columns = requests(random, 150, spread=0.2)
        matrix = np.stack(
            [np.log2(columns["input_tokens"]), columns["segment_0"] == "enterprise", columns["side"]], axis=1
        ).astype(np.float64)
        rows = np.arange(len(matrix))
        for clusters, count in ((columns["unit"].astype(np.int64), 0), (rows, 1)):
            found = fit(matrix, columns["value"], columns["weight"], clusters, alpha=0.05)
            inside = int(found.lower[1] < TIER < found.upper[1])
            covered, naive = (covered + inside, naive) if count == 0 else (covered, naive + inside)
    assert 0.91 <= covered / runs <= 0.985
    # Negative control: requests as if independent.
    assert naive / runs <= 0.80


def test_with_no_feature_at_work_holm_keeps_false_finds_rare_and_requests_as_clusters_do_not() -> None:
    random = np.random.default_rng(5)
    runs, alarms, control = 60, 0, 0
    for _ in range(runs):
        columns = requests(random, 150, spread=0.2)
        columns["value"] = random.normal(0.7, 0.2, 150)[columns["unit"].astype(int)]
        columns["value"] = columns["value"] + random.normal(0, 0.1, len(columns["unit"]))
        alarms += any(each.clear for each in regressed(columns).features)
        rows = {**columns, "unit": np.arange(len(columns["unit"]), dtype=np.uint64)}
        control += any(each.clear for each in regressed(rows).features)
    assert alarms / runs <= 0.10
    assert control / runs >= 0.20


def test_what_cannot_be_a_feature_is_left_out_by_name() -> None:
    columns = requests(np.random.default_rng(6))
    rows = len(columns["unit"])
    columns["app"] = np.where(columns["segment_0"] == "free", "web", "desk")  # says what the tier says
    columns["latency_ms"] = pa.array(columns["latency_ms"], mask=np.arange(rows) % 3 == 0)
    columns["output_tokens"] = pa.array(columns["output_tokens"], mask=np.arange(rows) % 50 == 0)
    columns["resolution"] = np.where(columns["unit"] < 20, "disk", "live")
    found = regressed(columns)
    words = "\n".join(found.left_out)
    assert "latency: known of 67% of the requests only" in words
    assert "tier=enterprise: app=desk says nearly the same" in words
    assert "streamed: the same in every request" in words
    assert "resolution=disk: only 20 units have it, or do not; 30 are needed" in words
    assert found.requests == rows - len(range(0, rows, 50))
    assert f"{rows - found.requests} more lack a feature" in found.words[0]


def test_a_number_that_says_what_the_version_says_gives_way_to_it() -> None:
    columns = requests(np.random.default_rng(13))
    columns["latency_ms"] = np.where(columns["side"] == 1, 800.0, 100.0) + columns["hour"]
    found = regressed(columns)
    assert "latency: version=2.0.0 says nearly the same" in found.left_out
    version = feature(found, "version=2.0.0")
    assert abs(version.coefficient - VERSION) < 3.5 * version.standard_error < 0.1


def test_what_several_features_say_together_is_no_feature_of_its_own() -> None:
    columns = requests(np.random.default_rng(7))
    columns["version"] = np.where(columns["side"] == 1, "2.0.0", "1.0.0")
    found = regressed(columns, sides=TIMES)
    assert any(words.startswith("time=after: version=") for words in found.left_out)
    three = np.array(["a", "a", "b", "c"])[columns["unit"].astype(int) % 4]
    columns["model"], columns["app"] = three, np.where(three == "a", "web", "desk")
    found = regressed(columns)
    assert any("taken together, says nearly the same" in words for words in found.left_out)


def test_what_follows_from_the_metric_does_not_explain_it() -> None:
    columns = requests(np.random.default_rng(8), 800)
    columns["value"] = (np.random.default_rng(9).random(len(columns["unit"])) < 0.1).astype(np.float64)
    found = regressed(columns, "errors", ERRORS)
    assert {"output tokens", "latency"}.isdisjoint(each.feature for each in found.features)
    assert any(words.startswith("latency: part of what is measured") for words in found.left_out)
    assert "linear probability model" in found.words[0]


def test_rare_values_are_one_and_the_rarest_are_left_out() -> None:
    columns = requests(np.random.default_rng(10), 600)
    unit = columns["unit"].astype(int)
    columns["model"] = np.where(
        unit < 300, "small", np.array([f"rare-{at}" for at in range(600)])[unit // 10]
    )
    found = regressed(columns)
    assert any(each.feature == "model=(other)" for each in found.features)
    columns["model"] = np.where(unit < 580, "small", "rare")
    assert any(words.startswith("model=rare: only 20 units") for words in regressed(columns).left_out)


@pytest.mark.parametrize(
    ("units", "constant", "reason"),
    [(20, False, "30 units"), (400, True, "the same in every request")],
)
def test_too_little_to_go_by_is_said(units: int, constant: bool, reason: str) -> None:
    columns = requests(np.random.default_rng(11), units)
    if constant:
        columns["value"] = np.ones(len(columns["unit"]))
    found = regressed(columns)
    assert found.features == ()
    assert found.r_squared is None
    assert reason in found.words[0]


def test_a_sample_says_what_it_is_of() -> None:
    found = regress(
        sample(requests(np.random.default_rng(12)), below=2**31, of=5_000),
        "quality",
        QUALITY,
        SIDES,
        alpha=0.05,
    )
    assert "a sample by hash of their ids of the 5,000 there are" in found.words[0]
    assert found.of_requests == 5_000


def test_statsmodels_is_imported_by_nobody_who_does_not_need_it() -> None:
    code = (
        "import sys, coalmine_analytics.explain, coalmine_server.services.explain, coalmine_server.cli.app; "
        "sys.exit(any(name in sys.modules for name in ('statsmodels', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
