"""The example's README is followed; what the notebook answers is computed again by other means."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.processes.terminal import Terminal
from tests.support.repository.markdown import blocks
from tests.support.repository.tree import ROOT

EXAMPLE = ROOT / "examples" / "notebook"
STEPS = list(blocks(EXAMPLE / "README.md"))
USERS = """
SELECT version, response_model AS model, unit_id, count(*) AS calls, sum(cost_nano_usd) AS cost
FROM requests WHERE list_contains(segments, {'key': 'tier', 'value': 'enterprise'}) GROUP BY ALL
"""


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """After all steps of the README."""
    assert not [block for block in STEPS if block.skip or block.setup], "readers see no hidden set-up"
    folder = tmp_path_factory.mktemp("notebook")
    work = Path(shutil.copytree(EXAMPLE, folder / "work"))
    with Terminal(work, folder / "home") as terminal:
        for block in STEPS[1:]:
            terminal.run(block)
        yield terminal


@pytest.fixture(scope="module")
def outputs(terminal: Terminal) -> list[dict[str, Any]]:
    """What the cells have left."""
    notebook = json.loads((terminal.home.parent / "work" / "analysis.ipynb").read_text(encoding="utf-8"))
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]


def printed(outputs: list[dict[str, Any]]) -> list[str]:
    return [line for output in outputs for line in "".join(output.get("text", "")).splitlines()]


def by_delta_method(users: list[dict[str, Any]], model: str) -> tuple[float, float]:
    """Change of the cost per call, and its standard error: a ratio of sums over users, linearised."""
    means, variances = {}, {}
    for version in ("1.0.0", "1.1.0"):
        rows = [row for row in users if (row["model"], row["version"]) == (model, version)]
        calls = np.array([float(row["calls"]) for row in rows])
        cost = np.array([float(row["cost"]) for row in rows])
        means[version] = cost.sum() / calls.sum()
        residuals = (cost - means[version] * calls) / cost.sum()
        variances[version] = (residuals**2).sum()
    ratio = means["1.1.0"] / means["1.0.0"]
    return ratio - 1, ratio * float(np.sqrt(sum(variances.values())))


def test_it_answers_for_each_model_with_an_interval(
    terminal: Terminal, outputs: list[dict[str, Any]]
) -> None:
    users = json.loads(terminal.run(f'coalmine sql "{USERS}" --json'))
    (document,) = [line for line in printed(outputs) if line.startswith("[")]
    answers = {row["model"]: row for row in json.loads(document)}
    assert {model: row["1.1.0 is"] for model, row in answers.items()} == {
        "gpt-4o": "cheaper",
        "gpt-4o-mini": "dearer",
    }
    for model, row in answers.items():
        change, error = by_delta_method(users, model)
        assert row["change"] == pytest.approx(change, abs=1e-9)
        assert row["low"] == pytest.approx(change - 1.96 * error, abs=0.4 * error)
        assert row["high"] == pytest.approx(change + 1.96 * error, abs=0.4 * error)
        of_model = [each["version"] for each in users if each["model"] == model]
        assert (row["users before"], row["users after"]) == (of_model.count("1.0.0"), of_model.count("1.1.0"))


def test_what_was_exported_adds_up_to_the_rollups(outputs: list[dict[str, Any]]) -> None:
    assert "they agree" in printed(outputs)


def test_it_draws_the_intervals(outputs: list[dict[str, Any]]) -> None:
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    (chart,) = [page for page in pages if "vega" in page]
    (spec,) = re.findall(r"\}\)\((\{.*\}), \{.*\}\);", chart)
    layers = json.loads(spec)["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["rule", "rule", "point"]
    assert [layer["encoding"]["x"]["field"] for layer in layers] == ["zero", "low", "change"]


def test_the_repository_has_it_without_outputs() -> None:
    cells = json.loads((EXAMPLE / "analysis.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code != []
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
