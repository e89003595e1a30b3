"""The commands' benchmark runs and ends with its line of JSON."""

import json

import pytest

from benchmarks.commands import main
from tests.support.processes.warm_command import warm_command


def test_the_last_line_is_json_with_the_promised_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = str(warm_command().script_folder() / "coalmine")
    for module in ("commands", "server"):
        monkeypatch.setattr(f"benchmarks.{module}.coalmine", lambda *words: [script, *words])
    assert main(["--runs", "1", "--warm-up", "0", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    for name in ("python_cpu_s", "help_cpu_s", "versions_remote_cpu_s", "versions_local_cpu_s"):
        assert result[name] > 0
    assert any(line.startswith("coalmine versions, remote") for line in lines)
