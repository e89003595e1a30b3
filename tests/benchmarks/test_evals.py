"""The benchmark of evaluations runs and ends with its line of JSON."""

import json

import pytest

from benchmarks.evals import main


def test_the_last_line_is_json_with_the_promised_names(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--cases", "24", "--latency-ms", "20", "--concurrency", "8", "--no-peer", "--json"]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["cases"] >= 24
    assert result["scored_per_s"] > 0
    assert 0 < result["share_of_ideal_rate"] <= 1
    assert result["inspect_scored_per_s"] is None
