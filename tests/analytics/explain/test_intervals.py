"""Intervals of parts: rare events at 5 % traffic, where plain errors call noise a cause."""

from datetime import UTC, datetime

import numpy as np
import pytest

from coalmine_analytics.explain.decomposition import MODELS, TRAFFIC, VERSIONS, WITHIN, Cells, decompose
from coalmine_analytics.explain.intervals import Certainty, certainty
from coalmine_analytics.metrics import BUILT_IN
from coalmine_consumers.experiments import VersionSpan

(QUALITY,) = (metric for metric in BUILT_IN if metric.name == "quality")
(ERRORS,) = (metric for metric in BUILT_IN if metric.name == "error_rate")
Spans = tuple[VersionSpan, VersionSpan]
MOMENT = datetime(2026, 3, 10, tzinfo=UTC)


def side(units: int) -> VersionSpan:
    return VersionSpan(units, units, MOMENT, MOMENT, frozenset((1,)), ())


def canary(
    random: np.random.Generator, *, effect: float = 0.0
) -> tuple[Cells, tuple[VersionSpan, VersionSpan]]:
    """Two tiers and two models; 4,000 users, of whom one in twenty has version b; errors are rare."""
    units = 4_000
    requests = 1 + random.poisson(1, units)
    user = np.repeat(np.arange(units), requests)
    version = (random.random(units) < 0.05).astype(np.int64)[user]
    segment = (random.random(units) < 0.4).astype(np.int64)[user]
    group = random.integers(0, 256, units)[user]
    model = random.integers(0, 2, len(user))
    error = (random.random(len(user)) < 0.003 + 0.003 * segment + effect * version).astype(np.float64)
    places = np.stack([version, segment, model, np.zeros_like(user), group])
    new = len(np.unique(user[version == 1]))
    return Cells((2, 2, 1), 256, places, np.ones(len(user)), error), (side(units - new), side(new))


def prompt_of(known: Certainty) -> tuple[float, float]:
    weights = np.zeros(4)
    weights[[VERSIONS, WITHIN]] = 1.0
    bounds = known.bounds(weights)
    assert bounds is not None
    return bounds


def test_noise_is_not_named_as_a_cause_and_plain_errors_would_name_it() -> None:
    random = np.random.default_rng(1)
    runs, false, plain = 200, dict.fromkeys((WITHIN, TRAFFIC, MODELS), 0), 0
    for _ in range(runs):
        cells, spans = canary(random)
        found = decompose(cells)
        known = certainty(found, cells, ERRORS, spans, alpha=0.05)
        assert known.widening >= 1.0
        for factor in false:
            bounds = known.bounds(np.eye(4)[factor])
            assert bounds is not None
            false[factor] += not bounds[0] <= 0 <= bounds[1]
        plain += abs(found.parts[WITHIN]) > 1.96 * found.standard_error(np.eye(4)[WITHIN])
    assert max(false.values()) / runs <= 0.05, false
    assert plain / runs >= 0.12


def test_a_real_effect_is_found_and_covered() -> None:
    random = np.random.default_rng(2)
    runs, found_it, covered = 60, 0, 0
    for _ in range(runs):
        cells, spans = canary(random, effect=0.15)
        lower, upper = prompt_of(certainty(decompose(cells), cells, ERRORS, spans, alpha=0.05))
        found_it += lower > 0
        covered += lower <= 0.15 <= upper
    assert found_it / runs >= 0.95
    assert covered / runs >= 0.95


def test_too_few_units_give_no_interval() -> None:
    cells, _ = canary(np.random.default_rng(3))
    known = certainty(decompose(cells), cells, ERRORS, (side(3_800), side(29)), alpha=0.05)
    assert known.too_little is not None
    assert (known.change, known.bounds(np.ones(4))) == (None, None)


def test_the_change_has_the_interval_of_the_core_or_a_wider_one() -> None:
    cells, spans = canary(np.random.default_rng(4))
    found = decompose(cells)
    known = certainty(found, cells, ERRORS, spans, alpha=0.05)
    whole, parts = known.change, known.bounds(np.ones(4))
    assert whole is not None
    assert parts is not None
    assert parts == pytest.approx(whole, rel=0.05)
    assert float(known.effect.estimate[0, 0]) == pytest.approx(found.change, rel=1e-12)


@pytest.mark.campaign
def test_looking_twenty_times_names_noise_no_more_often_and_plain_errors_do() -> None:
    runs, looks, units, false, plain = 100, 20, 6_000, 0, 0
    for seed in range(runs):
        random = np.random.default_rng(seed)
        user = np.repeat(np.arange(units), 1 + random.poisson(1, units))
        version = (random.random(units) < 0.05).astype(np.int64)[user]
        segment = (random.random(units) < 0.4).astype(np.int64)[user]
        model = random.integers(0, 2, len(user))
        value = 0.7 + 0.1 * segment - 0.05 * model + random.normal(0, 0.15, units)[user]
        value += random.normal(0, 0.1, len(user))
        places = np.stack(
            [version, segment, model, np.zeros_like(user), random.integers(0, 256, units)[user]]
        )
        alarms = np.zeros(2, bool)
        for look in range(2, looks + 1):
            end = int(np.searchsorted(user, units * look // looks))
            cells = Cells((2, 2, 1), 256, places[:, :end], np.ones(end), value[:end])
            new = len(np.unique(user[:end][version[:end] == 1]))
            found = decompose(cells)
            spans = (side(units * look // looks - new), side(new))
            bounds = certainty(found, cells, QUALITY, spans, alpha=0.05).bounds(np.eye(4)[WITHIN])
            if bounds is None:  # fewer than thirty groups of users have version b yet
                continue
            error = found.standard_error(np.eye(4)[WITHIN])
            alarms |= [not bounds[0] <= 0 <= bounds[1], abs(found.parts[WITHIN]) > 1.96 * error]
        false, plain = false + alarms[0], plain + alarms[1]
    assert false / runs <= 0.05
    assert plain / runs >= 0.15
