import re
from pathlib import Path

import pytest

from coalmine_simulator import SCENARIOS, Simulation, load_config

DOCUMENT = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_documented_simulation_runs(number: int, tmp_path: Path) -> None:
    path = tmp_path / "simulation.toml"
    path.write_text(EXAMPLES[number], encoding="utf-8")
    config = load_config(path)
    actions = list(Simulation(config, 1).until(30.0))
    assert actions


def test_there_are_examples_and_every_scenario_is_explained() -> None:
    assert len(EXAMPLES) == 2
    documented = re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT, re.MULTILINE)
    assert documented == list(SCENARIOS)
