"""Tables as a browser lays them out: long names take no room from the figures beside them."""

from playwright.sync_api import Page

from coalmine_dashboards.parts.tables import Column, table_html
from coalmine_dashboards.views.markup import stylesheet

_LONG = "customer-support-refund-assistant-for-enterprise-accounts-with-multi-language-fallback-2026"
_COLUMNS: list[Column[str]] = [
    Column("Prompt", lambda row: row, text=True),
    *(Column(f"Figure {number}", lambda _row: "$0.0000123") for number in range(6)),
]


def test_a_long_name_pushes_no_figure_out_of_sight_and_a_short_one_is_not_broken(stranger: Page) -> None:
    rows = [_LONG, _LONG.replace("-", "x"), "2026-12-01 04:30:12 CET"]
    stranger.set_content(stylesheet() + table_html(rows, _COLUMNS, "Prompts"))
    stranger.set_viewport_size({"width": 900, "height": 900})
    region = stranger.get_by_role("region", name="Prompts")
    wide, seen = region.evaluate("region => [region.scrollWidth, region.clientWidth]")
    assert wide <= seen
    long, _unbroken, short = (each.bounding_box() for each in stranger.locator("tbody tr").all())
    assert long is not None
    assert short is not None
    assert 1.4 * short["height"] < long["height"]
