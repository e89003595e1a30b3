"""The benchmark of readouts runs on the real store and the real looks."""

import pytest

from benchmarks.readout import comparisons_ms, readout_figures, wide_readout_ms


def test_looks_are_measured_at_an_experiment_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, of_a_test in (("BATCH_ROWS", 20_000), ("UNITS", 10_000), ("EVENTS_PER_S", 100), ("REPEATS", 3)):
        monkeypatch.setattr(f"benchmarks.readout.{name}", of_a_test)
    readout_ms, metrics, core_share, unchanged_ms = readout_figures(40_000)
    assert min(readout_ms, core_share, unchanged_ms) > 0
    assert metrics >= 11


def test_comparisons_and_wide_readouts_are_of_the_size_they_say() -> None:
    assert comparisons_ms() > 0
    wide_ms, metrics = wide_readout_ms(3)
    assert wide_ms > 0
    assert metrics == 12
