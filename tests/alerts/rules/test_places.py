"""Changes by people, prompts without the registry, uneven experiments."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from coalmine_alerts.facts import AppTraffic, Change, Place
from coalmine_alerts.rules.places import FallbackServing, PromptChanged, SampleRatio
from coalmine_analytics.results.readout import AlphaBudget, Readout, SrmReadout
from tests.support.data.alert_facts import NOW, facts, findings, later, one

HOUR = timedelta(hours=1)


def change(number: int = 1, **given: Any) -> Change:
    values: dict[str, Any] = {
        "id": number,
        "at": NOW,
        "environment": "prod",
        "prompt": "refund",
        "action": "promote",
        "actor": "bob",
        "reason": "better tone",
        "before": "1.0.0",
        "after": "1.1.0",
        "diff": ("-old", "+new"),
    }
    return Change(**{**values, **given})


def test_the_latest_change_of_a_prompt_is_told_once_with_its_diff() -> None:
    told = one(PromptChanged()(facts(changes=[change(1), change(2)])))
    assert (told.notice, told.severity) == ("2", "info")
    assert told.story.title == "Promote: refund 1.0.0 → 1.1.0 · prod"
    assert "Reason: better tone" in told.story.summary
    assert told.story.diff == "-old\n+new"
    other = findings(PromptChanged()(facts(changes=[change(1), change(2, environment="staging")])))
    assert len(other) == 2
    assert findings(PromptChanged()(later(facts(changes=[change()]), 2 * HOUR + timedelta(seconds=1)))) == []
    assert findings(PromptChanged()(facts())) == []


@pytest.mark.parametrize(
    ("without", "requests", "early", "condition"),
    [
        (3, 299, True, True),
        (3, 300, True, False),
        (2, 2, True, False),
        (300, 300, False, False),
        (300, 300, True, True),
        (0, 0, False, None),
    ],
)
def test_an_app_without_the_registry_is_told_after_ten_minutes(
    without: int, requests: int, early: bool, condition: bool | None
) -> None:
    app = AppTraffic(
        environment="prod",
        app="billing",
        requests=requests,
        without_registry=without,
        prompts=("refund",),
        earliest=early,
    )
    assert one(FallbackServing()(facts(apps=[app]))).condition is condition


def readout(**given: Any) -> Readout:
    values: dict[str, Any] = {
        "experiment": "tone",
        "taken_at": NOW,
        "first_at": NOW - 24 * HOUR,
        "through_ingest_id": 1,
        "alpha": 0.05,
        "budget": AlphaBudget(0.03, 0.01, 0.01),
        "control": "control",
        "control_units": 100,
        "control_requests": 100,
        "control_cache_saving": None,
        "epochs": (1,),
        "epoch_since": NOW - 24 * HOUR,
        "borders": (),
        "final": False,
        "no_control_since": None,
        "begun_anew": None,
        "srm": SrmReadout(0.0001, 9.0, mismatch=True, words="60 % in treatment, planned 50 %"),
        "arms": (),
    }
    return Readout(**{**values, **given})


@pytest.mark.parametrize(
    ("srm", "condition"),
    [
        (SrmReadout(0.0001, 9.0, mismatch=True, words="uneven"), True),
        (SrmReadout(0.06, 1.0, mismatch=False, words="as planned"), False),
        (SrmReadout(None, None, mismatch=False, words="not known"), None),
    ],
)
def test_uneven_arms_are_told(srm: SrmReadout, condition: bool | None) -> None:
    known = facts(readouts=[(Place("prod", "refund"), readout(srm=srm))])
    assert one(SampleRatio()(known)).condition is condition
    assert one(SampleRatio()(known)).ended is False
    over = replace(known, readouts=[(Place("prod", "refund"), readout(stopped=True))])
    assert one(SampleRatio()(over)).ended is True
