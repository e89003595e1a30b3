"""The page of evaluations, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator

import pytest

from tests.support.data.eval_answers import eval_handlers
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, html

PAGE = "evaluations"


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    with DashboardApi(eval_handlers()) as found:
        yield found


def test_runs_judges_and_the_servers_own_runs_are_listed(open_page: Open) -> None:
    page = open_page()
    shown = html(page)
    assert "run=ev-1" in shown
    assert "support-refund 1.1.0" in shown
    assert "0.76 to 0.88" in shown
    assert "$0.000410 ($0.000820)" in shown
    assert "the budget of the day is spent" in shown
    assert any(r"\$1\.25 of \$5\.00" in each.value for each in page.caption)
    assert any("1 passed, 1 failed" in each.value for each in page.caption)


def test_a_run_shows_intervals_cases_that_matter_and_one_of_them_side_by_side(open_page: Open) -> None:
    page = open_page(run="ev-1")
    shown = html(page)
    assert "\N{MINUS SIGN}0.088 to \N{MINUS SIGN}0.044" in shown
    assert "must pass, and did not" in shown
    assert "flaky" in shown
    assert "<img" not in shown
    assert page.error[0].value.startswith("**fail**: Worse")
    assert page.selectbox(key="case-chosen").value == "refund-017"
    texts = [each.value for each in page.code]
    assert "Which order is it?" in texts
    assert any(
        "reason: it does not ask for the order" in each.value.replace("\\", "") for each in page.caption
    )


def test_a_case_and_a_run_beside_it_are_part_of_the_address(open_page: Open, api: DashboardApi) -> None:
    page = open_page(run="ev-1", case="refund-044", b="ev-2")
    assert page.selectbox(key="case-chosen").value == "refund-044"
    assert page.text_input(key="beside").value == "ev-2"
    assert ("/v1/eval-runs/ev-1/compare", {"baseline": "ev-2"}) in api.asked
    page.selectbox(key="case-chosen").set_value("refund-017").run()
    assert page.query_params["case"] == "refund-017"
    assert "Which order is it?" in [each.value for each in page.code]


def test_a_run_that_is_not_there_is_said_and_the_others_are_listed(open_page: Open) -> None:
    page = open_page(run="gone")
    assert any("The server says no" in each.value for each in page.warning)
    assert "run=ev-1" in html(page)


def test_readers_see_neither_texts_nor_controls(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/whoami"] = lambda _parameters: {"subject": "bob", "role": "reader", "environment": None}
    page = open_page(run="ev-1")
    assert not page.exception
    assert not page.code
    assert not [each for each in page.button if each.key == "rerun-ask"]
    assert not [path for path, _ in api.asked if "answers" in path or "cases" in path]


def test_who_may_approve_asks_for_runs_with_another_model(open_page: Open) -> None:
    page = open_page()
    assert page.button(key="rerun-ask").disabled
    page.text_input(key="rerun").set_value("gpt-5-mini").run()
    page.button(key="rerun-ask").click().run()
    assert "with gpt-5-mini" in page.markdown[-1].value.replace("\\", "")
    assert page.button(key="rerun-ask-sure").label == "Run"


def test_without_runs_it_says_how_to_make_one(open_page: Open, api: DashboardApi) -> None:
    for path in ("/v1/eval-runs", "/v1/eval-reruns"):
        api.handlers[path] = lambda _parameters: {"items": [], "next_cursor": None}
    for path in ("/v1/judges/calibrations", "/v1/judges/canaries"):
        api.handlers[path] = lambda _parameters: []
    page = open_page()
    assert "No runs yet" in page.info[0].value
    assert "coalmine evals run" in html(page)
