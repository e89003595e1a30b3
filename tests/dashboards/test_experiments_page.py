"""The page of experiments, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from coalmine_analytics.results.readout import SrmReadout
from coalmine_consumers.results import ExperimentRow, Facets
from coalmine_dashboards.pages import experiments
from coalmine_dashboards.parts.downloads import flat
from coalmine_registry.records import Caller
from coalmine_registry.roles import Role
from coalmine_schemas.results import Page
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, html
from tests.support.doubles.rollout_answers import (
    BEGAN,
    NAME,
    a_rollout,
    a_status,
    an_experiment,
    dumped,
    handlers_of,
    looks,
)

PAGE = "experiments"
HOSTILE = "<img src=x onerror=alert(1)>"
STOPPED = replace(
    an_experiment(),
    name="refund-tone",
    status="stopped",
    stopped_at=BEGAN,
    stopped_by="eve",
    kept="treatment",
)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    handlers = handlers_of(a_status(a_rollout()))
    seen = [ExperimentRow(NAME, 4_321, [1], ["control", "treatment"]), ExperimentRow(HOSTILE, 7, [0], ["a"])]
    handlers["/v1/experiments"] = lambda _query: dumped(Page([an_experiment(), STOPPED], None))
    handlers["/v1/readouts"] = lambda _query: dumped(Page(seen, None))
    handlers["/v1/facets"] = lambda _query: dumped(
        Facets(["support-refund"], {}, ["prod"], [], True, BEGAN, BEGAN)
    )
    handlers["/v1/whoami"] = lambda _query: dumped(Caller("dana", Role.READER, None))
    with DashboardApi(handlers) as found:
        yield found


def test_the_list_has_those_of_the_registry_and_those_that_only_events_tell_of(
    open_page: Open, api: DashboardApi
) -> None:
    shown = html(open_page())
    for words in (f"experiment={NAME}", "4,321", "stopped, kept treatment", "not in this registry"):
        assert words in shown
    assert HOSTILE not in shown
    assert "not in this registry" not in html(open_page(prompt="support-refund"))
    assert ("/v1/experiments", "support-refund") in [(path, query.get("prompt")) for path, query in api.asked]


def test_the_download_has_what_the_list_shows(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Sequence[Any]] = {}
    monkeypatch.setattr(experiments, "downloads", lambda rows, name: given.update({name: rows}))
    open_page()
    rows = {row["name"]: row for row in flat(given["experiments"])}
    assert set(rows) == {NAME, "refund-tone", HOSTILE}
    assert (rows[NAME]["requests"], rows[HOSTILE]["requests"]) == (4_321, 7)
    assert rows["refund-tone"]["status"] == "stopped"


def test_an_empty_list_says_how_to_begin(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/experiments"] = api.handlers["/v1/readouts"] = lambda _query: dumped(Page([], None))
    assert "coalmine experiment start" in html(open_page())


def test_one_view_compares_an_arm_with_control(open_page: Open) -> None:
    page = open_page(experiment=NAME)
    shown = html(page)
    for name in ("Arms beside control", "Metrics of the treatment", "Allocation epochs", "Segments"):
        assert f'aria-label="{name}' in shown
    assert "treatment (below)" in shown
    assert f"./rollouts?rollout={NAME}" in shown
    assert len(page.get("vega_lite_chart")) == 5
    assert "Arms with requests beside control: treatment" in (
        open_page(experiment=NAME, arm="warm").info[0].value.replace("\\", "")
    )


def test_each_arm_has_its_own_view(open_page: Open, api: DashboardApi) -> None:
    first = looks()[-1].arms[0]
    two = replace(looks()[-1], arms=(first, replace(first, arm="warm", units=77, words="hold: warm is new")))
    api.handlers[f"/v1/experiments/{NAME}/readout"] = lambda _query: dumped(two)
    page = open_page(experiment=NAME, arm="warm")
    assert f"experiment={NAME}&amp;arm=treatment" in html(page)
    assert "warm is new" in page.markdown[1].value
    assert "No metric has enough units in both arms yet" in "".join(each.value for each in page.caption)


def test_uneven_arms_are_said_and_an_unknown_name_too(open_page: Open, api: DashboardApi) -> None:
    uneven = replace(looks()[-1], srm=SrmReadout(1e-9, 20.0, True, "units arrive unevenly"))
    api.handlers[f"/v1/experiments/{NAME}/readout"] = lambda _query: dumped(uneven)
    assert "units arrive unevenly" in open_page(experiment=NAME).warning[0].value
    unknown = open_page(experiment="unknown")
    assert "does not know it, and no event" in unknown.markdown[0].value.replace("\\", "")
    assert "no experiment unknown" in unknown.warning[0].value
