"""Each page at each width, in light and dark: nothing fails, nothing is cut, everybody can read it."""

import itertools
from typing import Any, get_args

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from coalmine_dashboards.app import SECTIONS
from coalmine_dashboards.parts.links import PageName, link
from tests.support.campaign import CAMPAIGN
from tests.support.eventually import eventually
from tests.support.processes.seen_page import at_rest, cut_tables, opened, too_wide
from tests.support.servers.demo_dashboard import DemoDashboard

PAGES: tuple[PageName, ...] = get_args(PageName)
STATES = (
    tuple(itertools.product(("light", "dark"), (1440, 800, 390)))
    if CAMPAIGN
    else (("light", 1440), ("dark", 800), ("dark", 390))
)
"""Colour scheme and width in pixels, one after the other."""
WIDEST_PX = 1440


def serious(page: Page) -> list[str]:
    """What axe finds on the page that keeps people from using it."""
    # Streamlit's own menu is a list whose sections are no items of it.
    menu = {"exclude": [["[data-testid=stSidebarNav]"]]}
    found: list[dict[str, Any]] = Axe().run(page, context=menu).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_at_every_width_in_light_and_dark(
    page: Page, demo: DemoDashboard, name: PageName
) -> None:
    (title,) = (pages[name][0] for pages in SECTIONS.values() if name in pages)
    page.emulate_media(color_scheme="light")
    opened(page, f"{demo.url}/{link(name)}")
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    expect(page).to_have_title(f"{title} \N{MIDDLE DOT} Coalmine")
    for scheme, width in STATES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        at_rest(page)
        # A chart follows the page's width a moment later.
        eventually(lambda: not too_wide(page), within_s=30, what=f"room at {width} pixels, {scheme}")
        expect(page.locator(".stApp")).to_have_css("color-scheme", scheme)
        if width == WIDEST_PX and name == "rollouts":  # elsewhere other tests have left long texts
            assert cut_tables(page) == []
        if CAMPAIGN or width != 800:  # between two widths that were looked at
            assert serious(page) == [], (scheme, width)
