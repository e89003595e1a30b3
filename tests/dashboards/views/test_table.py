from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

from coalmine_consumers.results import VersionRow
from coalmine_dashboards.palette import style_of
from coalmine_dashboards.views.health import HealthItem
from coalmine_dashboards.views.markup import health_strip, stylesheet, versions_table
from coalmine_dashboards.views.panels import label_of
from coalmine_dashboards.views.table import COLUMNS, TableRow, table_rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = VersionRow(
    prompt="greet",
    version="1.0.0",
    requests=12_345,
    errors=12,
    error_rate=12 / 12_345,
    input_tokens=1,
    output_tokens=1,
    cached_input_tokens=None,
    cost_usd=3.21,
    cost_nano_usd=3_210_000_000,
    cost_usd_per_request=0.00026,
    priced_requests=12_345,
    latency_ms_mean=None,
    time_to_first_token_ms_p50=None,
    time_to_first_token_ms_p95=None,
    latency_ms_p50=850.0,
    latency_ms_p95=2100.0,
    quality_mean=0.8014,
    quality_n=12_345,
    feedback=100,
    thumbs_up=86,
    thumbs_down=14,
    thumbs_up_rate=0.86,
    environments=["prod", "staging"],
    models=["gpt-4o-mini"],
    variants=[],
    preferred=False,
    first_event_time=NOW - timedelta(hours=2),
    last_event_time=NOW - timedelta(seconds=5),
)
UNKNOWN = VersionRow(
    prompt="greet",
    version="0.9.0",
    requests=1,
    errors=0,
    error_rate=0.0,
    input_tokens=None,
    output_tokens=None,
    cached_input_tokens=None,
    cost_usd=None,
    cost_nano_usd=None,
    cost_usd_per_request=None,
    priced_requests=0,
    latency_ms_mean=None,
    time_to_first_token_ms_p50=None,
    time_to_first_token_ms_p95=None,
    latency_ms_p50=None,
    latency_ms_p95=None,
    quality_mean=None,
    quality_n=0,
    feedback=0,
    thumbs_up=0,
    thumbs_down=0,
    thumbs_up_rate=None,
    environments=[],
    models=[],
    variants=[],
    preferred=False,
    first_event_time=None,
    last_event_time=None,
)


def cells(row: VersionRow) -> list[tuple[str, str | None]]:
    [shown] = table_rows([row], {(row.prompt, row.version): 0}, "light", NOW)
    assert len(shown.cells) == len(COLUMNS)
    return [(cell.text, cell.aside) for cell in shown.cells]


def test_every_figure_of_a_version_is_in_its_column() -> None:
    assert dict(zip([column.title for column in COLUMNS], cells(ROW), strict=True)) == {
        "Requests": ("12,345", None),
        "Cost": ("$3.21", None),
        "Cost / request": ("$0.000260", None),
        "Latency p50": ("850 ms", None),
        "Latency p95": ("2.10 s", None),
        "Quality": ("0.801", None),
        "Thumbs up": ("86.0 %", "of 100"),
        "Errors": ("0.1 %", "12"),
        "Last call": ("5 s ago", None),
    }


def test_a_mean_cost_says_of_how_many_calls_where_not_all_have_one() -> None:
    assert cells(replace(ROW, priced_requests=2_000))[2] == ("$0.000260", "of 2,000")


def test_an_unknown_value_is_a_dash() -> None:
    dash = "\N{EN DASH}"
    assert cells(UNKNOWN) == [
        ("1", None),
        (dash, None),
        (dash, None),
        (dash, None),
        (dash, None),
        (dash, None),
        (dash, ""),
        ("0.0 %", ""),
        ("never", None),
    ]


def test_a_version_has_its_own_colour_of_the_page() -> None:
    for mode in ("light", "dark"):
        [row] = table_rows([ROW], {("greet", "1.0.0"): 4}, mode, NOW)
        assert row.swatch == style_of(4, mode).colour
        [dashed] = table_rows([ROW], {("greet", "1.0.0"): 11}, mode, NOW)
        assert dashed.swatch == style_of(11, mode).swatch != row.swatch


def test_all_external_text_is_escaped() -> None:
    nasty = "<img src=x onerror=\"alert('1')\">&amp;"
    row = TableRow(
        prompt=nasty,
        version=nasty,
        models=nasty,
        swatch="#000000",
        cells=table_rows([ROW], {("greet", "1.0.0"): 0}, "light", NOW)[0].cells,
        explanation=nasty,
    )
    item = HealthItem(nasty, nasty, "good", nasty)
    for html in (versions_table([row]), health_strip([item])):
        assert "<img" not in html
        assert '"alert' not in html
        assert nasty in unescape(html)


def test_what_nobody_would_see_in_a_name_is_written_out() -> None:
    row = replace(ROW, prompt="greet\u200b", version="1.0.0\u202e", models=["gpt\ufeff"])
    html = versions_table(table_rows([row], {("greet\u200b", "1.0.0\u202e"): 0}, "light", NOW))
    assert all(name in html for name in ("greet\\u200b", "1.0.0\\u202e", "gpt\\ufeff"))
    assert html.isprintable()
    assert label_of((row.prompt, row.version), with_prompt=True) == "greet\\u200b 1.0.0\\u202e"


def test_what_is_bad_says_so_without_hovering() -> None:
    items = [HealthItem("Lag", "7", "good", "fine"), HealthItem("Gaps", "2", "bad", "look here & there")]
    assert "<b>Gaps</b> look here &amp; there</p>" in health_strip(items)
    assert "cm-note" not in health_strip(items[:1])


def test_the_stylesheet_has_every_class_that_is_used() -> None:
    css = stylesheet()
    html = versions_table(table_rows([ROW], {("greet", "1.0.0"): 0}, "light", NOW)) + health_strip(
        [HealthItem("a", "b", tone, "c") for tone in ("good", "notice", "bad", "plain")]
    )
    used = {name for part in html.split('class="')[1:] for name in part.split('"')[0].split()}
    assert used
    for name in used:
        assert f".{name}" in css, name
