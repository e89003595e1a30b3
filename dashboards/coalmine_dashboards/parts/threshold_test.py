"""What another threshold would have sent: a rule over the past, with several values of a setting."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from coalmine_alerts.results.replay import Replay, ReplayedFiring
from coalmine_alerts.results.rules import KnownRule
from coalmine_dashboards.api import ApiError
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.parts.charts import draw_chart
from coalmine_dashboards.parts.choice import one_of_few
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.filters import one_of
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, told
from coalmine_dashboards.views.alerts import (
    REPLAY_COLUMNS,
    firing_columns,
    replayed_spans,
    settings_words,
    spans_chart,
)
from coalmine_dashboards.views.markup import plain
from coalmine_dashboards.views.problems import advice_for

_PERIODS: Final = {"1d": 1, "7d": 7, "14d": 14, "30d": 30}
_TAKES_S: Final = 300.0
_MOST_VALUES: Final = 4
_MOST_FIRINGS: Final = 100


@dataclass(frozen=True, slots=True)
class _Tried:
    threshold: str
    value: str
    messages: int
    times_fired: int
    share_firing: float


def draw_threshold_test(rules_of_server: Callable[[], list[KnownRule]]) -> None:
    """Draw the form, and what came of it."""
    try:
        rules = rules_of_server()
    except ApiError as error:
        advise(advice_for(error))
        return
    by_name = {rule.name: rule for rule in rules}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = one_of("rule", "Rule", list(by_name))
        if name is None:
            return
        thresholds = {each.name: each.value for each in by_name[name].thresholds}
        threshold = one_of("threshold", "Threshold", list(thresholds))
        if threshold is None:
            return
        values = st.text_input(
            "Values to try",
            key="values",
            bind="query-params",
            placeholder=f"{thresholds[threshold]}, ...",
            help=f"As alerts.yaml would have them, with commas between; at most {_MOST_VALUES}.",
            width=240,
        )
        period = one_of_few("period", "period", "Over the last", list(_PERIODS), "1d")
        pressed = st.button("Try on the past", key="try-threshold", icon=":material/history:")
    st.caption(f"{plain(by_name[name].summary)}. Configured: {threshold} {plain(thresholds[threshold])}.")
    asked = (name, threshold, values, period)
    if pressed:
        _try(asked)
    kept = st.session_state.get("tried")
    if kept is not None and kept[0] == asked:
        _draw(kept[1], threshold)


def values_of(text: str) -> list[str]:
    """Values with commas between them; brackets keep theirs."""
    found = re.split(r",(?![^\[{]*[\]}])", text or "")
    return list(dict.fromkeys(each.strip() for each in found if each.strip()))


def _try(asked: tuple[str, str, str, str]) -> None:
    name, threshold, values, period = asked
    tried = values_of(values)[:_MOST_VALUES]
    body = {
        "rule": name,
        "since": datetime.now(UTC) - timedelta(days=_PERIODS[period]),
        "variants": [{}, *({threshold: value} for value in tried)],
    }
    try:
        with st.spinner("Evaluating the rule over the past ..."):
            found: list[Replay] = client().send(
                "POST", "/v1/alerts/test", list[Replay], body, timeout_s=_TAKES_S
            )
    except ApiError as error:
        advise(advice_for(error))
        return
    st.session_state["tried"] = (asked, found)


def _draw(replays: list[Replay], threshold: str) -> None:
    table(replays, REPLAY_COLUMNS, "What each value would have sent")
    first = replays[0]
    spans = replayed_spans(replays)
    if spans:
        lines = [settings_words(each.settings) for each in replays]
        chart = spans_chart(spans, (first.since, first.until), lines)
        draw_chart(chart, "replay-chart")
        rows: list[tuple[Replay, ReplayedFiring]] = [
            (replay, firing) for replay in replays for firing in replay.firings
        ]
        with st.expander(f"What would have fired ({len(rows)})"):
            table(rows[:_MOST_FIRINGS], firing_columns(local, told), "What would have fired")
    else:
        st.caption("None of them would have fired.")
    st.caption(plain(f"{first.evaluations:,} evaluations each. {'; '.join(first.notes)}."))
    downloads(
        [
            _Tried(
                threshold,
                each.settings.get(threshold, "as configured"),
                each.messages,
                len(each.firings),
                each.share_firing,
            )
            for each in replays
        ],
        "thresholds",
    )
