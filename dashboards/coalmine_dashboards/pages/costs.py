"""What is spent on which prompt, version, model, app and segment, and what a change would save."""

from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from coalmine_alerts.results.spending import Spending
from coalmine_analytics.results.savings import Savings
from coalmine_consumers.results import CostDimension, Costs, Facets
from coalmine_dashboards.api import ApiClient
from coalmine_dashboards.formatting import count, money, percent
from coalmine_dashboards.parts.advice import advise, nothing
from coalmine_dashboards.parts.ahead import ahead
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.early import Question
from coalmine_dashboards.parts.filters import (
    FACETS,
    Chosen,
    choose_all_time,
    chosen_in,
    filters,
    known_facets,
    nothing_recorded,
    selected,
)
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, viewers_mode
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.views.costs import (
    DIMENSIONS,
    budget_columns,
    cost_columns,
    costs_chart,
    days_chart,
    groups_words,
    saving_columns,
    spending_items,
)
from coalmine_dashboards.views.markup import health_strip, plain, shown
from coalmine_dashboards.views.problems import nothing_in_range

_EVERY_S: Final = 10.0
_SLOWLY_S: Final = 60.0
"""Raw rows are read, or nothing changes sooner."""
_MOST_ROWS: Final = 50
_MOST_SAVINGS: Final = 15
_DEFAULT_TIME: Final = "7d"
_DEFAULT_BY: Final[CostDimension] = "prompt"
_BUDGET: Final = """# alerts.yaml
budgets:
  support:
    usd: 2000
    period: month
    prompt: support-refund"""


def first_questions(query: Mapping[str, str]) -> dict[Hashable, Question[Any]]:
    """What the page of an address will ask first, by name."""
    chosen, by = chosen_in(query, _DEFAULT_TIME), query.get("by", _DEFAULT_BY)
    first: dict[Hashable, Question[Any]] = {
        FACETS: ApiClient.facets,
        chosen.named("spending"): lambda asked: _spending(asked, chosen),
    }
    dimension: CostDimension | None = next((each for each in DIMENSIONS if each == by), None)
    if dimension not in (None, "segment"):
        first[chosen.named("costs", dimension)] = lambda asked: _costs(asked, chosen, dimension)
    if "to_model" not in query:
        first[chosen.named("savings")] = lambda asked: _savings(asked, chosen, [])
    return first


def show() -> None:
    """Draw the page."""
    facets = known_facets()
    if facets is not None and not facets.prompts:
        nothing_recorded()
        return
    chosen = Chosen(None, None, None, range_named(_DEFAULT_TIME), live=True)
    if facets is not None:
        chosen = filters(facets, default_time=_DEFAULT_TIME)
    slowly_s = chosen.refreshed(_SLOWLY_S)
    # What is chosen stands first, so that all questions can be asked at once.
    strip, where, budgets, saved = (st.container() for _ in range(4))
    with where:
        by = _choose_dimension()
    with saved:
        models = _choose_models(facets)
    spending = ahead(lambda asked: _spending(asked, chosen), parts=2, name=chosen.named("spending"))
    costs = None
    if by != "segment":
        costs = ahead(lambda asked: _costs(asked, chosen, by), name=chosen.named("costs", by))
    savings = ahead(lambda asked: _savings(asked, chosen, models), name=chosen.named("savings", *models))
    asked = _filters(chosen)
    with strip:
        live("spending", spending, _draw_strip, asked=asked, every_s=slowly_s)
    with where:
        live(
            "costs",
            costs or (lambda: _costs(client(), chosen, by, _segment())),
            lambda found: _draw_costs(found, facets, chosen),
            asked=(*asked, by),
            every_s=chosen.refreshed(_SLOWLY_S if by in ("segment", "user") else _EVERY_S),
        )
    with budgets:
        st.subheader("Budgets", anchor=False)
        live("budgets", spending, _draw_budgets, asked=asked, every_s=slowly_s)
    with saved:
        live(
            "savings",
            savings,
            lambda found: _draw_savings(found, chosen),
            asked=(*asked, tuple(models)),
            every_s=slowly_s,
        )


def _filters(chosen: Chosen) -> tuple[str | None, ...]:
    return chosen.prompt, chosen.environment, chosen.model, chosen.time_range.key


def _view(chosen: Chosen) -> dict[str, str | None]:
    return {"environment": chosen.environment, "model": chosen.model, "time": chosen.time_range.key}


def _spending(asked: ApiClient, chosen: Chosen) -> Spending:
    return asked.read("/v1/spending", Spending, prompt=chosen.prompt, environment=chosen.environment)


def _draw_strip(found: Spending) -> None:
    st.html(health_strip(spending_items(found), "Spending"))


def _choose_dimension() -> CostDimension:
    st.subheader("Where it goes", anchor=False)
    return one_of_few("by", "dimension of costs", "By", list(DIMENSIONS), _DEFAULT_BY)


def _segment() -> str | None:
    """Which is told apart, as the widget or, at first, the address says."""
    return st.session_state.get("segment") or st.query_params.get("segment")


def _costs(asked: ApiClient, chosen: Chosen, by: CostDimension, segment: str | None = None) -> Costs:
    return asked.read(
        "/v1/costs",
        Costs,
        **_question(chosen),
        by=by,
        segment=segment,
        limit=_MOST_ROWS,
    )


def _question(chosen: Chosen) -> dict[str, object]:
    return {
        "prompt": chosen.prompt,
        "environment": chosen.environment,
        "model": chosen.model,
        "since": chosen.time_range.since(datetime.now(UTC)),
    }


def _draw_costs(found: Costs, facets: Facets | None, chosen: Chosen) -> bool:
    if found.by == "segment" and found.segment_keys:
        _choose_segment(found)
    if not found.items:
        if facets is not None:
            advise(nothing_in_range(facets, chosen.words()))
        if chosen.time_range.length is not None and st.button("Show all time", on_click=choose_all_time):
            st.rerun()
        return False
    if found.by == "segment" and found.segment is None:
        nothing(
            "No call has a segment",
            "Give calls segments, and their costs are told apart here:",
            'cm.call("support-refund", segments={"plan": "pro"})',
        )
        return False
    mode = viewers_mode()
    unpriced = found.requests - found.priced_requests
    said = [f"{money(found.cost_usd)} for {count(found.requests)} calls, {groups_words(found)}"]
    if found.cost_usd is None:
        said = [f"None of the {count(found.requests)} calls, {groups_words(found)}, has a known cost"]
    elif unpriced:
        share = percent(unpriced / found.requests)
        said.append(f"{count(unpriced)} calls ({share}) have no known cost and are not in it")
    if found.by in ("segment", "user"):
        said.append(f"raw rows are read for seven days at most: from {local(found.since)}")
    if any(point.others for point in found.series):
        said.append("pale in the chart: all others together")
    if found.by == "user" and any((row.name or "").startswith("#") for row in found.items):
        said.append("admins see who they are")
    st.caption(plain("; ".join(said) + "."))
    if found.cost_usd is not None:
        draw_chart(costs_chart(found, mode), f"costs-{_filters(chosen)}-{found.by}-{found.segment}")
        downloads(found.series, f"costs-by-{found.by}-over-time")
    table(found.items, cost_columns(found, mode, _view(chosen)), f"Costs by {found.by}")
    if found.groups > len(found.items):
        st.caption(f"The {len(found.items)} that cost most of {count(found.groups)}.")
    downloads(found.items, f"costs-by-{found.by}")
    return True


def _choose_segment(found: Costs) -> None:
    if found.segment not in found.segment_keys:
        st.warning(f"No call has the segment {plain(found.segment or '')}: choose another.")
    first = found.segment if found.segment in found.segment_keys else None
    selected("segment", "Segment", found.segment_keys, first)


def _draw_budgets(found: Spending) -> None:
    if found.budgets:
        table(found.budgets, budget_columns(), "Budgets")
        downloads(found.budgets, "budgets")
    else:
        nothing(
            "No budget is set",
            "Name an amount, and alerts tell when half, most or all of it is spent, and when it "
            "will not last. Write it into alerts.yaml in Coalmine's home; docs/alerts.md says more.",
            _BUDGET,
        )
    if found.days:
        st.markdown(
            "**All spending by day** :gray[:small[this month and the one before; today so far is paler]]"
        )
        draw_chart(days_chart(found, viewers_mode()), "days")
        downloads(found.days, "spending-by-day")


def _choose_models(facets: Facets | None) -> list[str]:
    st.subheader("What a change would have saved", anchor=False)
    st.caption(
        "The calls of this period, had another version or model answered them: versions at what they cost "
        "themselves, models at their price for the same tokens. What it does to quality, an evaluation or a "
        "rollout tells."
    )
    chosen: list[str] = st.multiselect(
        "Also price these models",
        [] if facets is None else facets.models,
        accept_new_options=True,
        max_selections=20,
        format_func=shown,
        key="to_model",
        bind="query-params",
        placeholder="Any model, e.g. gpt-4o-mini",
    )
    return chosen


def _savings(asked: ApiClient, chosen: Chosen, models: list[str]) -> Savings:
    return asked.read("/v1/savings", Savings, **_question(chosen), to_model=models or None)


def _draw_savings(found: Savings, chosen: Chosen) -> bool:
    if found.unpriced:
        names = ", ".join(found.unpriced)
        st.caption(f"No price is known of {plain(names)}: add it to pricing.toml (docs/costs.md).")
    if not found.items:
        nothing(
            "Nothing to compare yet",
            "A version needs 100 calls with a known cost, and another version or model beside it.",
        )
        return False
    table(
        found.items[:_MOST_SAVINGS],
        saving_columns(_view(chosen) | {"model": None}),
        "What a change would have saved",
    )
    if len(found.items) > _MOST_SAVINGS:
        st.caption(f"The first {_MOST_SAVINGS} of {len(found.items)}; the download has all.")
    downloads(found.items, "savings")
    return True
