"""Thresholds are written as the file reads them."""

from coalmine_alerts.configuration.read import read_configuration, rule_with
from coalmine_alerts.configuration.records import default_configuration
from coalmine_alerts.configuration.thresholds import known_rules


def test_every_threshold_of_every_rule_is_read_as_it_is_written() -> None:
    configuration = default_configuration()
    rules = {each.name: each for each in configuration.rules}
    known = known_rules(configuration)
    assert [each.name for each in known] == list(rules)
    for each in known:
        assert each.summary
        for threshold in each.thresholds:
            rule = rules[each.name]
            assert rule_with(rule, {threshold.name: threshold.value}) == rule, (each.name, threshold)


def test_what_is_configured_is_shown() -> None:
    text = "rules:\n  error_drift: {severity: page, for: 1h30m}\n  budget: {warning_share: 70%}"
    known = {each.name: each for each in known_rules(read_configuration(text))}
    drift, budget = known["error_drift"], known["budget"]
    assert (drift.severity, {each.name: each.value for each in drift.thresholds}["for"]) == ("page", "1h30m")
    assert {each.name: each.value for each in budget.thresholds}["warning_share"] == "70%"
