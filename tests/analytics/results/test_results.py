"""Results are served as they are: light to import, described, and the same after JSON."""

import subprocess
import sys
from dataclasses import is_dataclass
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from coalmine_analytics.drift import DriftPlan, no_reference, read_drift
from coalmine_analytics.metrics import listed
from coalmine_analytics.results import catalogue, comparison, drift, explain, readout
from coalmine_consumers.drift import VersionKey
from tests.support.data.simulated_version import FIRST, Story, after, version_series

RESULTS = [
    each
    for module in (catalogue, comparison, drift, explain, readout)
    for each in vars(module).values()
    if is_dataclass(each) and isinstance(each, type) and each.__module__ == module.__name__
]


def same_after_json(value: Any) -> bool:
    adapter = TypeAdapter(type(value))
    return bool(adapter.validate_json(adapter.dump_json(value)) == value)


def test_results_are_imported_without_the_libraries_that_compute_them() -> None:
    names = ", ".join(sorted({each.__module__ for each in RESULTS}))
    heavy = "{'numpy', 'scipy', 'duckdb', 'pyarrow', 'pydantic', 'statsmodels'}"
    code = f"import sys, {names}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("result", RESULTS, ids=lambda each: each.__name__)
def test_docstrings_of_fields_describe_them_in_the_schema(result: type) -> None:
    schema = TypeAdapter(result).json_schema(mode="serialization")
    assert schema["description"]
    described = {name for name, field in schema["properties"].items() if "description" in field}
    plain = {"Drift", "ReadoutPath"}
    assert described or result.__name__ in plain


def test_the_catalogue_and_drift_are_the_same_after_json() -> None:
    assert all(same_after_json(row) for row in listed(["tone"], {}))
    assert same_after_json(no_reference(VersionKey("p", "1", "prod"), DriftPlan(), FIRST))
    found = read_drift(version_series(Story(), 1), DriftPlan(), taken_at=after(Story().days))
    assert same_after_json(drift.Drift("p", (found,)))
    assert found.taken_at.utcoffset() == timedelta(0)
