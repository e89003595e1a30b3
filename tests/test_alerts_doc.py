"""The page on alerts names every rule, command, channel and key there is, and no other; its file is valid."""

import re
from typing import Any, cast

from coalmine_alerts.configuration.read import read_configuration
from coalmine_alerts.delivery.channels import KINDS
from coalmine_alerts.rules.defaults import DEFAULT_RULES
from coalmine_alerts.runbooks import runbooks
from coalmine_server.settings import AlertsSettings
from tests.support.repository.markdown import blocks
from tests.support.repository.shell_commands import coalmine_command
from tests.support.repository.tree import ROOT

PAGE = ROOT / "docs" / "alerts.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    (table,) = re.findall(rf"^\| {header} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def names(header: str) -> list[str]:
    """The names in code style in the first column of a table."""
    return [name for row in rows(header) for name in re.findall(r"`([^`]+)`", row[0])]


def test_every_rule_is_listed_with_its_severity_and_how_sure_it_is() -> None:
    assert sorted(names("rule")) == sorted(DEFAULT_RULES)
    for name, _, severity, sure in rows("rule"):
        assert re.search(r"info|warning|page", severity), name
        assert len(sure) > 5, name


def test_every_rule_has_a_runbook_which_is_what_the_server_has() -> None:
    assert sorted(runbooks()) == sorted(DEFAULT_RULES)
    packed = (ROOT / "alerts" / "coalmine_alerts" / "runbooks.md").read_text(encoding="utf-8")
    assert TEXT.endswith(f"\n{packed}")
    assert all(len(each.text) > 40 for each in runbooks().values())


def test_every_command_of_alerts_is_in_the_table() -> None:
    said = {name.split()[1] for name in names("do")}
    group = cast("Any", coalmine_command()).commands["alerts"]
    assert said == set(group.commands)


def test_the_file_that_it_shows_is_valid() -> None:
    (shown,) = [block for block in blocks(PAGE) if block.language == "yaml"]
    found = read_configuration(shown.code)
    assert {each.name for each in found.channels} == {"oncall", "feedback", "pager"}
    assert "feedback_negative" not in {each.name for each in found.rules}


def test_every_kind_of_channel_is_explained() -> None:
    channels = TEXT.split("\n## Channels\n")[1].split("\n## ")[0]
    for kind in set(KINDS) - {"slack_webhook", "pagerduty"}:
        assert f"`kind: {kind}`" in channels
    for field in AlertsSettings.model_fields:
        if field.endswith(("token", "key", "secret", "webhook_url")):
            assert f"COALMINE_ALERTS_{field.upper()}" in channels
