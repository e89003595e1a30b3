"""The page on evaluations shows files that are read."""

from pathlib import Path

from coalmine_evals.production_file import read_production
from coalmine_evals.runs.suite_scorers import scorers_of
from coalmine_evals.suites.read import read_suite
from coalmine_schemas.prompts import PromptContent
from tests.support.repository.markdown import blocks
from tests.support.repository.tree import ROOT

PAGE = ROOT / "docs" / "evaluations.md"


def test_the_suite_that_it_shows_is_valid(tmp_path: Path) -> None:
    shown = next(block for block in blocks(PAGE) if block.language == "yaml")
    path = tmp_path / "refunds.yaml"
    path.write_text(shown.code)
    suite = read_suite(path)
    nothing: dict[str, PromptContent] = {}  # judges come with the package
    assert (suite.name, suite.prompt, suite.repeats) == ("refunds", "support-refund", 3)
    assert list(scorers_of(suite, nothing.__getitem__)) == ["right", "short", "kind"]


def test_the_file_of_production_that_it_shows_is_valid() -> None:
    shown = next(block for block in blocks(PAGE) if block.code.startswith("continuous:"))
    plan = read_production(shown.code)
    assert [each.metric for each in plan.continuous.scores] == ["faithful"]
    assert [each.name for each in plan.review] == ["support"]
