"""The client's benchmark runs and ends with its line of JSON."""

import json

import pytest

from benchmarks.client import main


def test_the_last_line_is_json_with_the_promised_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--requests", "200", "--no-kafka", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert 0 < result["call_overhead_us_p50"] <= result["call_overhead_us_p99"]
    assert any(line.startswith("coalmine to the spool") for line in lines)
