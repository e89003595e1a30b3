"""Tables and charts of the page of wins. All figures come from the server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import altair as alt

from coalmine_alerts.results.digest import Outcome, Shipped, ShippedEffect
from coalmine_alerts.results.wins import Gain, Wins
from coalmine_analytics.results.catalogue import MetricRow
from coalmine_analytics.results.verdicts import Direction
from coalmine_dashboards.formatting import TIME_LABEL, UNKNOWN, count, difference, lasting, percent
from coalmine_dashboards.palette import DASHES, Mode, style_of
from coalmine_dashboards.parts.charts import Drawing
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Tone, dot
from coalmine_dashboards.views.health import HealthItem
from coalmine_dashboards.views.markup import escape, shown
from coalmine_dashboards.views.panels import milliseconds_of

MOST_LINES: Final = 7
_POINTS: Final = "points"
_TIME_AXIS: Final = alt.Axis(tickCount=8, labelExpr=TIME_LABEL, labelOverlap=True, grid=False)
_TONES: Final[dict[Outcome, Tone]] = {"better": "good", "not worse": "good", "rolled back": "bad"}
_ROLES: Final = ("must_prove", "must_not_harm", "signal", "shown")
_MOST_EFFECTS: Final = 4


def wins_items(found: Wins) -> list[HealthItem]:
    """Returns the figures at the top of the page."""
    tried = found.reached_everybody + found.rolled_back
    between = ""
    if found.rolled_back_lower is not None and found.rolled_back_upper is not None:
        between = f" ({percent(found.rolled_back_lower, 0)} to {percent(found.rolled_back_upper, 0)})"
    better = sum(each.outcome == "better" for each in found.shipped)
    return [
        HealthItem("Reached everybody", count(found.reached_everybody), "plain", "Rollouts that completed."),
        HealthItem(
            "Shown to be better", count(better), "plain", "In a metric that matters, and worse in none."
        ),
        HealthItem(
            "Rolled back",
            f"{count(found.rolled_back)} of {count(tried)}" if tried else "0",
            "plain",
            "Taken back because of harm, of those that completed or were taken back.",
        ),
        HealthItem(
            "Share rolled back",
            f"{percent(found.rolled_back_share, 0)}{between}",
            "plain",
            "With its 95 % interval.",
        ),
        HealthItem(
            "Lead time, median",
            length(found.median_lead_time_s),
            "plain",
            "From the registration of a version to everybody.",
        ),
        HealthItem(
            "Time to roll back, median",
            length(found.median_rollback_s),
            "plain",
            "From the first user of a harmful version to the last.",
        ),
    ]


def length(seconds: float | None) -> str:
    """Returns a length of time; a dash where it is not known."""
    return UNKNOWN if seconds is None else lasting(seconds)


def gain_words(gain: Gain) -> str:
    """Returns a cumulative change with its interval: `+3.1 % (+1.0 to +5.2)`."""
    return f"{_change(gain.change)} {_unit(relative=gain.relative)}{_between(gain.lower, gain.upper)}"


def _unit(*, relative: bool) -> str:
    return "%" if relative else "points"


def _between(lower: float | None, upper: float | None) -> str:
    return "" if lower is None or upper is None else f" ({_change(lower)} to {_change(upper)})"


def _change(value: float) -> str:
    sign = "+" if value >= 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(value) * 100:.2g}" if abs(value) < 0.995 else f"{sign}{abs(value) * 100:,.0f}"


def verdict(gain: Gain, directions: Mapping[str, Direction]) -> Html:
    """Says whether a cumulative change is beyond chance, and which way.

    Args:
        gain: The change.
        directions: Which way is better, by metric.
    """
    if gain.lower is None or gain.upper is None:
        return Html("no interval")
    if gain.lower <= 0 <= gain.upper:
        return Html("cannot be told from none")
    went: Direction = "higher" if gain.change > 0 else "lower"
    match directions.get(gain.metric, "unknown"):
        case "unknown":
            return Html(went)
        case wanted:
            return dot("good", "better") if wanted == went else dot("bad", "worse")


def latest(gains: Sequence[Gain], metrics: Sequence[str]) -> list[Gain]:
    """Returns how each metric of each prompt stands after the last version: what is beyond chance first.

    Args:
        gains: Oldest first.
        metrics: All, what matters most first.
    """
    place = {name: at for at, name in enumerate(metrics)}
    last: dict[tuple[str, str, str], Gain] = {}
    for each in gains:
        last[each.environment, each.prompt, each.metric] = each

    def order(each: Gain) -> tuple[bool, int, float, str]:
        return _is_open(each), place.get(each.metric, len(place)), -abs(each.change), each.prompt

    return sorted(last.values(), key=order)


def by_weight(rows: Sequence[MetricRow]) -> list[str]:
    """Returns the names of metrics: quality and people's own first, then by what depends on them."""
    first = ("quality", "thumbs_up_rate", "cost_per_request")

    def order(row: MetricRow) -> tuple[int, bool, int, str]:
        name = row.metric
        return (
            first.index(name) if name in first else len(first),
            row.built_in,
            _ROLES.index(row.role),
            name,
        )

    return [row.metric for row in sorted(rows, key=order)]


def _is_open(gain: Gain) -> bool:
    return gain.lower is None or gain.upper is None or gain.lower <= 0 <= gain.upper


def series_of(gain: Gain) -> str:
    """Returns the name of a line."""
    return f"{shown(gain.prompt)} {shown(gain.metric)} ({shown(gain.environment)})"


def gain_columns(directions: Mapping[str, Direction]) -> list[Column[Gain]]:
    """Returns the columns of the table of cumulative changes.

    Args:
        directions: Which way is better, by metric.
    """
    return [
        Column(
            "Prompt",
            lambda row: Html(
                anchor(row.prompt, "prompt", prompt=row.prompt, environment=row.environment, time="all")
            ),
            text=True,
        ),
        Column("Environment", lambda row: row.environment, text=True, vital=False),
        Column("Metric", lambda row: f"{row.metric}, {row.unit}" if row.unit else row.metric, text=True),
        Column(
            "All versions together",
            gain_words,
            "Against before the first of them, with its interval: relative, or points of a share.",
        ),
        Column("Verdict", lambda row: verdict(row, directions), text=True),
        Column("Versions", lambda row: count(row.versions), "That reached everybody."),
        Column("Up to", lambda row: row.version, text=True, vital=False),
    ]


def gains_chart(
    gains: Sequence[Gain], chosen: Sequence[str], mode: Mode, ends: tuple[datetime, datetime]
) -> Drawing:
    """Returns the chart of cumulative changes: a step with each version, and the interval around it.

    Args:
        gains: Of the same kind: all relative, or none.
        chosen: Names of lines, from `series_of`.
        mode: Of the page.
        ends: Where lines begin, at no change, and where they end.
    """
    points: list[dict[str, Any]] = []
    for name in chosen:
        points.append(
            {"time": milliseconds_of(ends[0]), "series": name, "change": 0.0, "lower": 0.0, "upper": 0.0}
        )
        points += [
            {
                "time": milliseconds_of(each.at),
                "series": name,
                "change": each.change,
                "lower": each.lower,
                "upper": each.upper,
                "words": gain_words(each),
                "version": shown(each.version),
            }
            for each in gains
            if series_of(each) == name
        ]
        points.append({**points[-1], "time": milliseconds_of(ends[1]), "version": None})
    relative = all(each.relative for each in gains)
    return Drawing(_gains_spec(tuple(chosen), mode, relative=relative), {_POINTS: points})


@lru_cache
def _gains_spec(chosen: tuple[str, ...], mode: Mode, *, relative: bool) -> Mapping[str, Any]:
    styles = [style_of(place, mode) for place in range(len(chosen))]
    base = alt.Chart(alt.NamedData(_POINTS)).encode(
        x=alt.X(
            "time:T",
            title=None,
            axis=alt.Axis(tickCount=8, labelExpr=TIME_LABEL, labelOverlap=True, grid=False),
        ),
        color=alt.Color(
            "series:N",
            title=None,
            scale=alt.Scale(domain=list(chosen), range=[each.colour for each in styles]),
            legend=alt.Legend(
                orient="bottom", columns=1, labelLimit=400, symbolOpacity=1, symbolType="stroke"
            ),
        ),
    )
    title = "change, relative" if relative else "difference, points"
    y = alt.Y("change:Q", title=title, axis=alt.Axis(format="+.1~%", tickCount=5))
    dashes = [list(DASHES[place % len(DASHES)]) for place in range(len(chosen))]
    return alt.LayerChart(
        layer=[
            base.mark_rule(strokeWidth=1.5, opacity=0.6)
            .transform_filter("isValid(datum.version)")
            .encode(y=alt.Y("lower:Q", title=title), y2="upper:Q"),
            base.mark_line(interpolate="step-after", strokeWidth=2).encode(
                y=y,
                strokeDash=alt.StrokeDash(
                    "series:N", scale=alt.Scale(domain=list(chosen), range=dashes), legend=None
                ),
            ),
            base.mark_point(filled=True, size=45, opacity=1)
            .transform_filter("isValid(datum.version)")
            .encode(
                y=y,
                tooltip=[
                    alt.Tooltip("series:N", title="Metric"),
                    alt.Tooltip("version:N", title="Version"),
                    alt.Tooltip("time:T", title="Reached everybody", format="%Y-%m-%d %H:%M"),
                    alt.Tooltip("words:N", title="All versions together"),
                ],
            ),
        ],
        height=260,
    ).to_dict()


def shipped_columns(local: Any) -> list[Column[Shipped]]:  # noqa: ANN401 - `viewer.local`
    """Returns the columns of the table of rollouts that ended.

    Args:
        local: Writes a moment in the viewer's time zone.
    """
    return [
        Column(
            "Rollout",
            lambda row: Html(
                anchor(
                    f"{row.prompt} {row.before} \N{RIGHTWARDS ARROW} {row.version}",
                    "rollouts",
                    rollout=row.rollout,
                )
            ),
            text=True,
        ),
        Column("Environment", lambda row: row.environment, text=True, vital=False),
        Column("Outcome", _outcome, text=True),
        Column(
            "What it did",
            lambda row: Html("<br>".join(map(effect_words, first_effects(row))) or UNKNOWN),
            "Against the version before, with the interval of the rollout's last look.",
            text=True,
            wraps=True,
        ),
        Column("Ended", lambda row: local(row.ended_at), text=True, vital=False),
        Column(
            "Lead time", lambda row: length(row.lead_time_s), "From registration to everybody.", vital=False
        ),
        Column("Out for", lambda row: length(row.out_s), "From its first user to the end.", vital=False),
        Column(
            "Met by",
            lambda row: percent(row.exposed_share),
            "Share of the units that met a version that was taken back.",
            vital=False,
        ),
    ]


def _outcome(row: Shipped) -> Html:
    return dot(_TONES.get(row.outcome, "notice"), row.outcome)


def first_effects(row: Shipped) -> list[ShippedEffect]:
    """Returns what was measured of a version: what is shown first, then what matters most."""
    measured = [each for each in row.effects if each.effect is not None]
    measured.sort(key=lambda each: (each.verdict not in ("better", "worse"), _ROLES.index(each.role)))
    return measured[:_MOST_EFFECTS]


def effect_words(each: ShippedEffect) -> str:
    """Returns an effect as markup, relative to the version before: `quality +5 % (+2.5 to +7.5), better`."""
    relative = each.unit != "share"
    of = abs(each.control_value or 0.0) if relative else 1.0
    name, said = escape(each.metric), escape(each.verdict)
    if not of or each.effect is None:
        return f"{name} <b>{escape(difference(each.effect, each.unit))}</b>, {said}"
    lower, upper = (None if end is None else end / of for end in (each.lower, each.upper))
    change = f"{_change(each.effect / of)} {_unit(relative=relative)}"
    return f"{name} <b>{escape(change)}</b>{escape(_between(lower, upper))}, {said}"
