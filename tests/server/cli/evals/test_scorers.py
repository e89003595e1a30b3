"""`coalmine scorers`."""

import json

from typer.testing import CliRunner

from coalmine_evals.scorers.registry import BUILT_IN, JUDGES
from coalmine_server.cli.app import app


def test_scorers_are_listed_with_what_they_score() -> None:
    listed = CliRunner().invoke(app, ["scorers", "list"])
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in BUILT_IN)
    assert "autoevals, deepeval, ragas, inspect" in listed.stderr
    rows = json.loads(CliRunner().invoke(app, ["scorers", "list", "--json"]).stdout)
    assert [row["name"] for row in rows if row["origin"] == "coalmine"] == [*BUILT_IN, *JUDGES]


def test_a_scorer_is_shown_with_its_settings() -> None:
    shown = CliRunner().invoke(app, ["scorers", "show", "contains"])
    assert shown.exit_code == 0
    assert "How many of several expected texts it takes." in " ".join(shown.stdout.split())
    as_json = json.loads(CliRunner().invoke(app, ["scorers", "show", "contains", "--json"]).stdout)
    assert as_json["version"] == "contains@1"
