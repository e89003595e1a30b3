"""The page of a prompt in a browser: its figures, filters, refreshes, and what happens without a server."""

import itertools
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from coalmine import Coalmine
from tests.dashboards.pages.test_links import asked
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.processes.dashboard_process import dashboard_process, link_of
from tests.support.processes.seen_page import WITHIN_MS, at_rest
from tests.support.servers.demo_dashboard import DemoDashboard

CHARTS = "[data-testid=stVegaLiteChart] .marks"
OF_FIVE_CALLS = 4
"""Charts of a prompt without thumbs and scores."""
NEVER_IN_THE_REAL_WORLD = "greet <b>loudly</b>"


def opened(page: Page, url: str, charts: int = 6) -> Page:
    page.goto(url)
    expect(page.locator(".cm-table")).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator(CHARTS)).to_have_count(charts, timeout=WITHIN_MS)
    at_rest(page)
    return page


def table(page: Page) -> dict[str, list[str]]:
    """The figures by version, as shown; read in one go, because the page may refresh at any time."""
    rows: dict[str, list[str]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.cm-table tbody tr')].map(
            row => [
                row.dataset.version,
                [...row.querySelectorAll('td')].map(cell => cell.innerText.trim()),
            ]))"""
    )
    return rows


def five_calls(home: Path, prompt: str) -> None:
    with Coalmine("support-bot", home=home) as client:
        for _ in range(5):
            with client.call(prompt, version="2.0.1", model="gpt-4.1-mini") as call:
                call.record(input_tokens=10, output_tokens=1)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def by_version(demo: DemoDashboard, **parameters: str) -> dict[str, dict[str, Any]]:
    items = asked(demo, "/v1/versions", **parameters)["items"]
    return {f"{row['prompt']} {row['version']}": row for row in items}


def test_the_page_shows_the_numbers_of_the_api_and_a_new_prompt_as_plain_text(
    page: Page, demo: DemoDashboard
) -> None:
    before = by_version(demo)
    shown = table(opened(page, f"{demo.url}/prompt?time=6h"))
    rows = by_version(demo)
    assert set(before) <= set(shown) <= set(rows), "but for prompts that other tests add meanwhile"
    for version, row in rows.items():
        if row["quality_mean"] is None:  # of other tests
            continue
        model, requests, cost, _, p50, p95, quality, thumbs, errors, _ = shown[version]
        assert model == ", ".join(row["models"])
        assert requests == f"{row['requests']:,}"
        assert float(cost.strip("$").replace(",", "")) == pytest.approx(float(row["cost_usd"]), rel=0.01)
        for text, milliseconds in ((p50, row["latency_ms_p50"]), (p95, row["latency_ms_p95"])):
            number, unit = text.split()
            assert float(number) * (1000 if unit == "s" else 1) == pytest.approx(milliseconds, rel=0.01)
        assert quality == f"{row['quality_mean']:.3f}"
        assert thumbs.startswith(f"{row['thumbs_up_rate'] * 100:.1f} %")
        assert thumbs.endswith(f"of {row['thumbs_up'] + row['thumbs_down']:,}")
        assert errors.startswith(f"{row['error_rate'] * 100:.1f} %")
    health = page.locator("[data-health=Stored] dd")
    eventually(
        lambda: health.inner_text() == f"{asked(demo, '/v1/ingest')['counts']['stored']:,}",
        what="as many stored events as the API says",
    )

    with (
        Coalmine("support-bot", home=demo.home) as client,
        client.call(NEVER_IN_THE_REAL_WORLD, version="0.1.0", model="none-such") as call,
    ):
        call.record(input_tokens=10, output_tokens=1)
    added = page.locator(".cm-table tbody tr").filter(has_text=NEVER_IN_THE_REAL_WORLD)
    expect(added).to_have_count(1, timeout=WITHIN_MS)
    assert added.locator("th b").all_inner_texts() == ["0.1.0"]
    choose(page, "Prompt", NEVER_IN_THE_REAL_WORLD)
    expect(page.locator(".cm-table tbody tr")).to_have_count(1, timeout=WITHIN_MS)


def test_a_page_that_is_not_live_can_be_studied_with_tooltips(page: Page, demo: DemoDashboard) -> None:
    opened(page, f"{demo.url}/prompt?prompt=search-answer&live=false")
    taken = page.get_by_text("As of").inner_text()
    box = page.locator("[data-testid=stVegaLiteChart]").nth(1).bounding_box()
    assert box is not None
    tips = page.locator("#vg-tooltip-element.visible")
    # Where something was deployed, or a model changed, the tooltip is another one.
    point = tips.filter(has_text=re.compile(r"From\s*20\d\d-\d\d-\d\d \d\d:\d\d"))
    for x, y in itertools.product(range(8, 18), range(1, 20)):
        page.mouse.move(box["x"] + box["width"] * x / 20, box["y"] + box["height"] * y / 20)
        page.wait_for_timeout(30)
        assert not tips.filter(has_text=re.compile("^time|label")).count(), "a tooltip that nobody wrote"
        if point.count():
            break
    expect(point).to_be_visible()
    page.wait_for_timeout(4_000)  # longer than a refresh takes to come
    assert page.get_by_text("As of").inner_text() == taken
    page.get_by_text("Live", exact=True).click()
    expect(page.get_by_text("As of")).not_to_have_text(taken, timeout=WITHIN_MS)


def test_a_filter_narrows_the_page_and_stays_in_its_address(page: Page, demo: DemoDashboard) -> None:
    opened(page, f"{demo.url}/prompt?prompt=![x](http://example.invalid/x.png)")  # which fetches nothing
    expect(page.get_by_text("No prompt is called ![x](http://example.invalid/x.png)")).to_be_visible()
    choose(page, "Prompt", "support-refund")
    expect(page.get_by_text("No prompt is called")).not_to_be_visible(timeout=WITHIN_MS)
    expect(page.locator(".cm-table tbody tr")).to_have_count(2, timeout=WITHIN_MS)
    page.get_by_text("24h", exact=True).click()
    expect(page).to_have_url(re.compile("time=24h"), timeout=WITHIN_MS)
    assert parse_qs(urlsplit(page.url).query) == {"prompt": ["support-refund"], "time": ["24h"]}
    expected = by_version(demo, prompt="support-refund")
    assert set(table(page)) == set(expected)

    opened(page, page.url)
    assert set(table(page)) == set(expected)
    assert page.get_by_role("combobox", name="Prompt").input_value() == "support-refund"


def test_a_refresh_brings_new_data_in_without_touching_the_charts_or_the_filters(
    page: Page, demo: DemoDashboard
) -> None:
    opened(page, f"{demo.url}/prompt?prompt=refreshed&time=24h")  # others compare what the demonstration left
    expect(page.get_by_text("No prompt is called refreshed")).to_be_visible()
    five_calls(demo.home, "refreshed")  # which the link has waited for
    figure = page.locator("[data-version='refreshed 2.0.1'] td").nth(1)
    expect(page.get_by_role("combobox", name="Prompt")).to_have_value("refreshed", timeout=WITHIN_MS)
    expect(page.locator(".cm-table tbody tr")).to_have_count(1, timeout=WITHIN_MS)
    expect(figure).to_have_text("5", timeout=WITHIN_MS)
    expect(page.locator(CHARTS)).to_have_count(OF_FIVE_CALLS, timeout=WITHIN_MS)
    at_rest(page)
    page.evaluate("query => document.querySelectorAll(query).forEach((chart, i) => chart.known = i)", CHARTS)
    five_calls(demo.home, "refreshed")
    expect(figure).to_have_text("10", timeout=WITHIN_MS)
    known = page.evaluate("query => [...document.querySelectorAll(query)].map(chart => chart.known)", CHARTS)
    assert known == list(range(OF_FIVE_CALLS)), "the charts were recreated, which flickers"
    assert parse_qs(urlsplit(page.url).query) == {"prompt": ["refreshed"], "time": ["24h"]}
    assert set(table(page)) == {"refreshed 2.0.1"}


@pytest.mark.parametrize("query", ["time=24h", "prompt=support-refund&time=24h"])
def test_beside_the_menu_of_a_small_screen_no_figure_of_a_version_is_out_of_sight(
    page: Page, demo: DemoDashboard, query: str
) -> None:
    page.set_viewport_size({"width": 800, "height": 900})
    opened(page, f"{demo.url}/prompt?{query}")
    missing = page.locator(".cm-table").evaluate(
        "it => it.scrollWidth - it.closest('.cm-scroll').clientWidth"
    )
    assert missing <= 0, "pixels"
    last = page.locator(".cm-table thead th:visible").last
    assert last.inner_text() == "Errors"


def test_the_page_outlives_its_server(stranger: Page, tmp_path: Path) -> None:
    five_calls(tmp_path, "support-triage")
    with ServerProcess(tmp_path) as server:
        server.wait_ready()
        eventually(lambda: server.json("/v1/ingest")["counts"]["stored"] == 5, what="everything stored")
        with dashboard_process(tmp_path) as url:
            page = stranger
            page.goto(link_of(url, tmp_path))
            opened(page, f"{url}/prompt?time=6h", OF_FIVE_CALLS)
            server.stop()
            # Without an announcement the page asks the default address, where another server may well listen.
            away = page.get_by_text(re.compile("Cannot reach the server|The server requires a token"))
            expect(away).to_be_visible(timeout=WITHIN_MS)
            assert table(page), "the last figures stay"
            with ServerProcess(tmp_path, name="again") as again:
                again.wait_ready()
                expect(away).not_to_be_visible(timeout=WITHIN_MS)
                assert table(page)
