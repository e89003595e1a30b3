"""Every case of the prices' benchmark costs what the providers publish."""

import json

import pytest

from benchmarks.prices import main


def test_every_case_costs_what_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--json"])
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert [line for line in lines if line.endswith("wrong")] == []
    assert result["right"] == result["cases"] >= 40
    assert status == 0
