"""The prompts' benchmark runs and ends with its line of JSON."""

import json

import pytest

from benchmarks.prompt import TEMPLATE_CHARS, main, template


def test_the_last_line_is_json_with_the_promised_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--requests", "100", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    for name in ("prompt_us_p50", "prompt_render_us_p50", "langfuse_prompt_us_p50"):
        assert result[name] > 0
    assert any(line.startswith("langfuse: prompt") for line in lines)


def test_the_template_is_as_long_as_promised() -> None:
    assert len(template()) == len(template("{% if plan %}{% endif %}")) == TEMPLATE_CHARS
