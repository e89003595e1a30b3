"""Tables and charts of the page of costs. Amounts come from the server; only positions are computed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import sqrt
from typing import Any, Final, TypedDict

import altair as alt

from coalmine_alerts.results.spending import Spending, Standing
from coalmine_analytics.results.savings import Saving
from coalmine_consumers.results import CostDimension, CostPoint, CostRow, Costs, Step
from coalmine_dashboards.formatting import TIME_LABEL, UNKNOWN, count, money, percent
from coalmine_dashboards.palette import Mode, style_of
from coalmine_dashboards.parts.charts import Drawing, Told, tooltip
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, dot
from coalmine_dashboards.steps import length_of
from coalmine_dashboards.views.health import HealthItem, Tone
from coalmine_dashboards.views.markup import escape, shown
from coalmine_dashboards.views.panels import milliseconds_of, step_in_words

DIMENSIONS: Final[Mapping[CostDimension, str]] = {
    "prompt": "Prompt",
    "version": "Version",
    "model": "Model",
    "app": "App",
    "environment": "Environment",
    "segment": "Segment",
    "user": "User",
}
"""What costs can be told apart by, and its name."""


def groups_words(costs: Costs) -> str:
    """Counts the groups: `3 prompts`, `5 values of plan`."""
    if costs.by == "segment":
        return f"{count(costs.groups)} values of {costs.segment}"
    return f"{count(costs.groups)} {costs.by}{'' if costs.groups == 1 else 's'}"


_Z95: Final = 1.96
_HEIGHT_PX: Final = 230
_BARS: Final = "bars"
_DAYS: Final = "days"
_OTHERS: Final = "#80808055"
_LEAST_CALLS: Final = 30
"""Fewer give no interval that holds."""
_DAY: Final = timedelta(days=1)

GroupKey = tuple[str | None, str | None]
"""Prompt and name."""


class Bar(TypedDict):
    """One group in one bucket of time, as drawn. Times are milliseconds since 1970 UTC."""

    time: float
    until: float
    name: str
    usd: float
    bottom: float
    top: float
    requests: int


def colours_of(costs: Costs, mode: Mode) -> dict[GroupKey, str]:
    """Returns the colour of each group that the chart tells apart: by name, so that ranks may change."""
    keys = {(point.prompt, point.name) for point in costs.series if not point.others}
    ordered = sorted(keys, key=lambda key: (key[0] or "", key[1] or ""))
    return {key: style_of(place, mode).colour for place, key in enumerate(ordered)}


def label_of(prompt: str | None, name: str | None) -> str:
    """Returns the name of a group."""
    if name is None:
        return "(none)"
    return shown(name) if prompt is None else f"{shown(prompt)} {shown(name)}"


def bars(costs: Costs) -> list[Bar]:
    """Returns the bars of the chart, those of a bucket upon each other in the order of the table."""
    order = {(row.prompt, row.name): place for place, row in enumerate(costs.items)}
    length = length_of(costs.step)
    heights: dict[datetime, float] = {}
    found = []
    for point in sorted(costs.series, key=lambda point: _place(point, order)):
        bottom = heights.get(point.bucket_start, 0.0)
        heights[point.bucket_start] = top = bottom + point.cost_usd
        found.append(
            Bar(
                time=milliseconds_of(point.bucket_start),
                until=milliseconds_of(point.bucket_start + length),
                name=_name(point, costs),
                usd=point.cost_usd,
                bottom=bottom,
                top=top,
                requests=point.requests,
            )
        )
    return found


def _place(point: CostPoint, order: Mapping[GroupKey, int]) -> int:
    return len(order) if point.others else order.get((point.prompt, point.name), len(order))


def _name(point: CostPoint, costs: Costs) -> str:
    if point.others:
        apart = len({(each.prompt, each.name) for each in costs.series if not each.others})
        return f"{costs.groups - apart} others"
    return label_of(point.prompt, point.name)


def costs_chart(costs: Costs, mode: Mode) -> Drawing:
    """Returns the chart of spending over time, by group."""
    drawn = bars(costs)
    colours = {label_of(*key): colour for key, colour in colours_of(costs, mode).items()}
    others = {bar["name"]: _OTHERS for bar in drawn if bar["name"] not in colours}
    return Drawing(_costs_spec(tuple((colours | others).items()), costs.by, costs.step), {_BARS: drawn})


@lru_cache
def _costs_spec(colours: tuple[tuple[str, str], ...], by: CostDimension, step: Step) -> Mapping[str, Any]:
    scale = alt.Scale(domain=[name for name, _ in colours], range=[colour for _, colour in colours])
    drawing = (
        alt.Chart(alt.NamedData(_BARS))
        .mark_rect(strokeWidth=0.5, stroke="#80808080")
        .encode(
            x=alt.X(
                "time:T",
                title=None,
                scale=alt.Scale(nice=False),
                axis=alt.Axis(tickCount=8, labelExpr=TIME_LABEL, labelOverlap=True, grid=False),
            ),
            x2="until:T",
            y=alt.Y(
                "bottom:Q",
                title=f"US dollars per {step_in_words(step)}",
                axis=alt.Axis(format="$.6~f", tickCount=4, titleFontWeight="normal"),
            ),
            y2="top:Q",
            color=alt.Color("name:N", scale=scale, legend=None),
            tooltip=tooltip(
                [
                    Told(DIMENSIONS[by], "name"),
                    Told("From", "time", moment="%Y-%m-%d %H:%M"),
                    Told("Cost", "usd", "$.3~r"),
                    Told("Requests", "requests", ",d"),
                ]
            ),
        )
    )
    return alt.LayerChart(layer=[drawing], height=_HEIGHT_PX).to_dict()


def cost_columns(costs: Costs, mode: Mode, view: Mapping[str, str | None]) -> list[Column[CostRow]]:
    """Returns the columns of the table of groups.

    Args:
        costs: What is shown.
        mode: Colour mode of the page.
        view: Parameters of the view's address that links keep.
    """
    colours = colours_of(costs, mode)

    def name(row: CostRow) -> Html:
        colour = colours.get((row.prompt, row.name))
        swatch = f'<span class="cm-swatch" style="background:{colour or "transparent"}"></span>'
        text = label_of(row.prompt, row.name)
        if costs.by == "prompt":
            return Html(swatch + anchor(text, "prompt", **{**view, "prompt": row.name}))
        if costs.by == "version":
            return Html(
                swatch + anchor(text, "prompt", **{**view, "prompt": row.prompt, "versions": row.name})
            )
        return Html(swatch + escape(text))

    return [
        Column(DIMENSIONS[costs.by], name, text=True),
        Column("Cost, USD", lambda row: money(row.cost_usd), "A sum over the calls whose cost is known."),
        Column("Share", lambda row: _share(row, costs.cost_usd), "Of all spending in this view."),
        Column(
            "Cost / request, USD",
            lambda row: Html(
                f"{escape(money(row.cost_usd_per_request))} <small>{escape(halfwidth(row))}</small>"
            ),
            "A mean over the priced calls, with its 95 % interval, as if calls were independent.",
        ),
        Column("Requests", lambda row: count(row.requests), "Number of calls."),
        Column("Priced", _priced, "Share of the calls whose cost is known.", vital=False),
        Column(
            "Tokens in",
            lambda row: _tokens(row.input_tokens_per_request),
            "Per call, cached ones included.",
            vital=False,
        ),
        Column(
            "Cached",
            lambda row: percent(_ratio(row.cached_input_tokens_per_request, row.input_tokens_per_request), 0),
            "Share of the tokens sent that the provider had in its cache.",
            vital=False,
        ),
        Column("Tokens out", lambda row: _tokens(row.output_tokens_per_request), "Per call.", vital=False),
        Column(
            "Errors", lambda row: percent(row.errors / row.requests), "Share of failed calls.", vital=False
        ),
    ]


def halfwidth(row: CostRow) -> str:
    """Returns what the mean cost of a call is sure to: `± $0.0001`; empty where that is not known."""
    if row.cost_usd_per_request_sd is None or row.priced_requests < _LEAST_CALLS:
        return ""
    half = Decimal(f"{_Z95 * row.cost_usd_per_request_sd / sqrt(row.priced_requests):.2g}")
    return f"± ${half:f}"


def _share(row: CostRow, whole: float | None) -> Html:
    share = _ratio(row.cost_usd, whole)
    if share is None:
        return Html(UNKNOWN)
    return Html(
        f'<span class="cm-meter" aria-hidden="true"><span style="width:{share:.1%}"></span></span> '
        f"{escape(percent(share))}"
    )


def _priced(row: CostRow) -> str:
    return percent(row.priced_requests / row.requests, 0)


def _tokens(number: float | None) -> str:
    return UNKNOWN if number is None else f"{number:,.0f}"


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def spending_items(found: Spending) -> list[HealthItem]:
    """Returns the figures at the top of the page: today, this month, and budgets that will not last."""
    late = [each for each in found.budgets if each.passes_on is not None]
    tone: Tone = "bad" if any(_is_passed(each) for each in late) else "notice" if late else "good"
    names = ", ".join(f"{each.name} on {each.passes_on}" for each in late)
    return [
        HealthItem("Today (UTC)", spent(found.today), "plain", f"Since midnight UTC. {_KNOWN}"),
        HealthItem("Today, forecast", forecast(found.today), "plain", _FORECAST),
        HealthItem(
            "This month",
            spent(found.month),
            "plain",
            f"Since the first of the month, UTC. {_KNOWN}",
        ),
        HealthItem("This month, forecast", forecast(found.month), "plain", _FORECAST),
        HealthItem(
            "Budgets",
            f"{len(late)} of {len(found.budgets)} will not last" if late else _holding(len(found.budgets)),
            tone if found.budgets else "plain",
            f"Passed: {names}." if late else "See below.",
        ),
    ]


def _holding(budgets: int) -> str:
    return f"{budgets} hold{'s' if budgets == 1 else ''}" if budgets else "none set"


_KNOWN: Final = "Calls whose cost is not known are not in it."
_FORECAST: Final = (
    "At the end of it, by weekday and the level of the last week, with an 80 % interval; needs seven days."
)


def spent(each: Standing) -> str:
    """Returns what is spent; `unknown` where there were calls and the cost of none is known."""
    return "unknown" if _is_unknown(each) else money(each.spent_usd)


def _is_unknown(each: Standing) -> bool:
    return each.unpriced_requests > 0 and each.spent_usd == 0


def forecast(each: Standing) -> str:
    """Returns a forecast with its interval: `$930 ($880 to $980)`."""
    if each.forecast_usd is None:
        return "after 7 days"
    return (
        f"{money(each.forecast_usd)} ({money(each.forecast_lower_usd)} to {money(each.forecast_upper_usd)})"
    )


def budget_columns() -> list[Column[Standing]]:
    """Returns the columns of the table of budgets."""
    return [
        Column("Budget", lambda row: row.name or "", text=True),
        Column("On", _about, "What counts into it.", text=True),
        Column(
            "Period", lambda row: f"{row.period} from {row.since}", "Days are UTC.", text=True, vital=False
        ),
        Column("Budget, USD", lambda row: money(row.budget_usd)),
        Column("Spent", _spent, f"Of the budget. {_KNOWN}"),
        Column("Forecast, USD", forecast, _FORECAST),
        Column("State", _state, text=True),
        Column("Owner", lambda row: row.owner or UNKNOWN, text=True, vital=False),
    ]


def _about(row: Standing) -> str:
    return (
        ", ".join(each for each in (row.prompt, row.app, row.environment) if each is not None) or "everything"
    )


def _spent(row: Standing) -> Html:
    if _is_unknown(row):
        return Html(spent(row))
    share = row.spent_usd / (row.budget_usd or 1.0)
    return Html(
        f'<span class="cm-meter" aria-hidden="true"><span style="width:{min(share, 1.0):.1%}"></span></span> '
        f"{escape(spent(row))}, {escape(percent(share, 0))}"
    )


def _state(row: Standing) -> Html:
    if _is_passed(row):
        cap = "; it is a hard cap" if row.hard_cap else ""
        return dot("bad", f"passed on {row.passes_on}{cap}")
    if row.passes_on is not None:
        return dot("notice", f"will be passed on {row.passes_on}")
    if row.forecast_usd is None:
        return dot("good", "not passed; no forecast yet")
    if row.forecast_upper_usd is not None and row.forecast_upper_usd > (row.budget_usd or 0.0):
        return dot("notice", "lasts, but not surely")
    return dot("good", "lasts")


def _is_passed(row: Standing) -> bool:
    return row.budget_usd is not None and row.spent_usd >= row.budget_usd


def days_chart(found: Spending, mode: Mode) -> Drawing:
    """Returns the chart of all spending by day, of this month and the one before."""
    today = found.today.since
    rows = [
        {"time": _midnight(each.day), "until": _midnight(each.day + _DAY), "usd": each.usd, "zero": 0.0}
        | {"day": f"{each.day}", "today": each.day == today}
        for each in found.days
    ]
    first = min(found.days[0].day, today - 29 * _DAY)
    return Drawing(_days_spec(first, today, mode), {_DAYS: rows})


@lru_cache
def _days_spec(first: date, today: date, mode: Mode) -> Mapping[str, Any]:
    drawing = (
        alt.Chart(alt.NamedData(_DAYS))
        .mark_rect(color=style_of(0, mode).colour, stroke="#80808080", strokeWidth=0.5)
        .encode(
            x=alt.X(
                "time:T",
                title=None,
                scale=alt.Scale(type="utc", domain=[_midnight(first), _midnight(today + _DAY)]),
                axis=alt.Axis(grid=False, tickCount=10, format="%b %d"),
            ),
            x2="until:T",
            y=alt.Y(
                "zero:Q",
                title="US dollars per day",
                axis=alt.Axis(format="$.6~f", tickCount=3, titleFontWeight="normal"),
            ),
            y2="usd:Q",
            opacity=alt.condition("datum.today", alt.value(0.45), alt.value(1)),
            tooltip=[alt.Tooltip("day:N", title="Day"), alt.Tooltip("usd:Q", title="Cost", format="$,.2f")],
        )
    )
    return alt.LayerChart(layer=[drawing], height=150).to_dict()


def _midnight(day: date) -> float:
    return milliseconds_of(datetime(day.year, day.month, day.day, tzinfo=UTC))


def saving_columns(view: Mapping[str, str | None]) -> list[Column[Saving]]:
    """Returns the columns of the table of changes.

    Args:
        view: Parameters of the view's address that links keep.
    """

    def change(row: Saving) -> Html:
        text = f"{row.prompt} {row.version} \N{RIGHTWARDS ARROW} {row.to}"
        if row.change == "model":
            return Html(escape(text))
        return Html(anchor(text, "explain", **{**view, "prompt": row.prompt, "a": row.version, "b": row.to}))

    return [
        Column("Change", change, "A link leads to what explains the difference.", text=True, wraps=True),
        Column("Would have saved, USD", _saved, "In this period; negative: it would have cost more."),
        Column("Of its cost", lambda row: _signed_percent(_ratio(row.saved_usd, row.cost_usd))),
        Column("Verdict", verdict, text=True),
        Column("Cost / request", lambda row: money(row.cost_usd_per_request), "US dollars.", vital=False),
        Column(
            "After", lambda row: money(row.to_cost_usd_per_request), "US dollars per request.", vital=False
        ),
        Column("Requests", _requests, "Of this version, and of the other.", vital=False),
        Column("By", lambda row: _BASIS[row.basis], text=True, vital=False),
    ]


_BASIS: Final = {
    "measured": "what it cost itself",
    "price_list": "its list price, same tokens",
    "own_prices": "your own price, same tokens",
}


def verdict(row: Saving) -> Html:
    """Says whether a change saves."""
    if row.saved_lower_usd is None or row.saved_upper_usd is None:
        return dot("good", "cheaper") if row.saved_usd > 0 else dot("notice", "dearer")
    if row.saved_lower_usd <= 0 <= row.saved_upper_usd:
        return Html("cannot be told apart")
    return dot("good", "cheaper") if row.saved_usd > 0 else dot("notice", "dearer")


def _saved(row: Saving) -> Html:
    between = ""
    if row.saved_lower_usd is not None and row.saved_upper_usd is not None:
        between = f"{signed(row.saved_lower_usd)} to {signed(row.saved_upper_usd)}"
    return Html(f"{escape(signed(row.saved_usd))} <small>{escape(between)}</small>")


def signed(usd: float) -> str:
    """Returns an amount with its sign: `+$1.20`, `-$0.034`."""
    return f"{'-' if usd < 0 else '+'}{money(abs(usd))}"


def _signed_percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share * 100:+.0f} %"


def _requests(row: Saving) -> str:
    return (
        count(row.requests) if row.to_requests is None else f"{count(row.requests)}, {count(row.to_requests)}"
    )
