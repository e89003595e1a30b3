"""Tables and charts of models: when they answered and when they end, and prompts beside models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import altair as alt

from coalmine_alerts.results.models import CalendarModel
from coalmine_consumers.results import VersionRow
from coalmine_dashboards.formatting import UNKNOWN, count, milliseconds, money, percent, quality
from coalmine_dashboards.parts.charts import Drawing
from coalmine_dashboards.parts.tables import Column, Html, Tone, dot
from coalmine_dashboards.views.markup import escape, shown
from coalmine_evals.results.models import ModelFlag

Measure = Literal["Quality", "Thumbs up", "Errors", "Cost", "Latency", "Requests"]
MEASURES: Final[dict[Measure, str]] = {
    "Quality": "mean score",
    "Thumbs up": "share of thumbs",
    "Errors": "share of requests",
    "Cost": "US dollars per request",
    "Latency": "median",
    "Requests": "calls",
}
"""What the matrix can show, with its unit."""
MOST_MODELS: Final = 8
_NAMED: Final = 3
_SOON_DAYS: Final = 30
_ROW_PX: Final = 26
_AROUND_PX: Final = 70
"""The axis."""
_FLAGS: Final[dict[str, Tone]] = {"safe": "good", "unsafe": "bad", "unknown": "notice"}


def calendar_columns(local: Callable[..., str], today: date) -> list[Column[CalendarModel]]:
    """Columns of the table of models in use."""
    return [
        Column("Model", lambda row: row.model, text=True),
        Column("Environment", lambda row: row.environment, text=True),
        Column("Ends", lambda row: ends_words(row, today), "As announced by its provider.", text=True),
        Column(
            "In its place", lambda row: row.replacement or UNKNOWN, "Proposed by the provider.", text=True
        ),
        Column("Prompts", _prompts, text=True, vital=False),
        Column("Requests, 30 days", lambda row: count(row.requests)),
        Column("First answer", lambda row: local(row.first_seen)[:10], text=True, vital=False),
        Column("Last answer", lambda row: local(row.last_seen)[:10], text=True, vital=False),
    ]


def ends_words(row: CalendarModel, today: date) -> str | Html:
    """When a model ends, and in how many days."""
    if row.ends is None:
        return "no end known"
    days = (row.ends - today).days
    when = f"in {days} days" if days > 1 else "tomorrow" if days == 1 else "today" if days == 0 else "over"
    return dot("bad" if days <= _SOON_DAYS else "notice", f"{row.ends} ({when})")


def calendar_chart(rows: Sequence[CalendarModel], now: datetime) -> Drawing:
    """Draws when each model answered, and when it ends."""
    points = [
        {
            "model": shown(f"{row.model} ({row.environment})"),
            "from": row.first_seen.timestamp() * 1000,
            "to": row.last_seen.timestamp() * 1000,
            "requests": row.requests,
        }
        for row in rows
    ]
    ends = [
        {
            "model": shown(f"{row.model} ({row.environment})"),
            "at": f"{row.ends}T00:00:00",
            "place": row.replacement or "",
        }
        for row in rows
        if row.ends is not None
    ]
    data: dict[str, list[dict[str, Any]]] = {
        "models": points,
        "ends": ends,
        "now": [{"at": now.timestamp() * 1000}],
    }
    return Drawing(_calendar_spec(len({point["model"] for point in points})), data)


@lru_cache
def _calendar_spec(models: int) -> Mapping[str, Any]:
    y = alt.Y("model:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, labelOverlap=False))
    time = alt.Axis(tickCount=7, labelOverlap=True, title=None, format="%b %d")
    answered = alt.Chart(alt.NamedData("models")).encode(y=y, x=alt.X("from:T", axis=time), x2="to:T")
    tooltip = [
        alt.Tooltip("model:N", title="Model"),
        alt.Tooltip("from:T", title="First answer", format="%Y-%m-%d"),
        alt.Tooltip("to:T", title="Last answer", format="%Y-%m-%d"),
        alt.Tooltip("requests:Q", title="Requests, 30 days", format=",d"),
    ]
    ended = alt.Chart(alt.NamedData("ends")).encode(y=y, x=alt.X("at:T"))
    today = alt.Chart(alt.NamedData("now"))
    return alt.LayerChart(
        layer=[
            answered.mark_bar(height=9, cornerRadius=3, color="#2b7fc4").encode(tooltip=tooltip),
            ended.mark_point(
                shape="cross", angle=45, size=110, filled=True, opacity=1, color="#d5384d"
            ).encode(
                tooltip=[
                    alt.Tooltip("model:N", title="Model"),
                    alt.Tooltip("at:T", title="Ends", format="%Y-%m-%d"),
                    alt.Tooltip("place:N", title="In its place"),
                ]
            ),
            today.mark_rule(strokeDash=[4, 3], color="#808080").encode(
                x=alt.X("at:T"), tooltip=[alt.Tooltip("at:T", title="Now", format="%Y-%m-%d %H:%M")]
            ),
        ],
        height=_ROW_PX * models + _AROUND_PX,
    ).to_dict()


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A version, on each model that answered for it."""

    prompt: str
    version: str
    by_model: Mapping[str, VersionRow]
    flags: Mapping[str, ModelFlag]


def matrix_rows(rows: Sequence[VersionRow], flags: Sequence[ModelFlag]) -> list[MatrixRow]:
    """Rows of the matrix: versions that answered, and those of which runs say something."""
    measured: dict[tuple[str, str], dict[str, VersionRow]] = {}
    said: dict[tuple[str, str], dict[str, ModelFlag]] = {}
    for row in rows:
        if not row.preferred:
            for model in row.models:
                measured.setdefault((row.prompt, row.version), {})[model] = row
    for flag in flags:
        said.setdefault((flag.prompt, flag.version), {})[flag.model] = flag
    keys = [*measured, *(key for key in said if key not in measured)]
    return [
        MatrixRow(*key, measured.get(key, {}), said.get(key, {}))
        for key in sorted(keys, key=lambda key: (key[0], keys.index(key)))
    ]


def models_of(rows: Sequence[MatrixRow]) -> list[str]:
    """Models of a matrix, those with the most requests first."""
    requests: dict[str, int] = {}
    for row in rows:
        for model in {*row.by_model, *row.flags}:
            measured = row.by_model.get(model)
            requests[model] = requests.get(model, 0) + (0 if measured is None else measured.requests)
    return sorted(requests, key=lambda model: (-requests[model], model))


def matrix_columns(models: Sequence[str], measure: Measure) -> list[Column[MatrixRow]]:
    """Columns of the matrix: one a model."""
    first: Column[MatrixRow] = Column("Version", lambda row: f"{row.prompt} {row.version}", text=True)
    return [first, *(_model_column(model, measure) for model in models)]


def _model_column(model: str, measure: Measure) -> Column[MatrixRow]:
    return Column(model, lambda row: _cell(row, model, measure), MEASURES[measure])


def _cell(row: MatrixRow, model: str, measure: Measure) -> str | Html:
    measured, flag = row.by_model.get(model), row.flags.get(model)
    if measured is None and flag is None:
        return ""
    text, aside = (UNKNOWN, "") if measured is None else _measured(measured, measure)
    small = f" <small>{escape(aside)}</small>" if aside else ""
    mark = "" if flag is None else f"<br>{dot(_FLAGS[flag.flag], flag.flag).markup}"
    return Html(f"{escape(text)}{small}{mark}")


def _measured(row: VersionRow, measure: Measure) -> tuple[str, str]:
    """A figure, and the number behind it."""
    match measure:
        case "Quality":
            return quality(row.quality_mean), f"of {count(row.quality_n)}" if row.quality_n else ""
        case "Thumbs up":
            thumbs = row.thumbs_up + row.thumbs_down
            return percent(row.thumbs_up_rate), f"of {count(thumbs)}" if thumbs else ""
        case "Errors":
            return percent(row.error_rate), f"of {count(row.requests)}"
        case "Cost":
            return money(row.cost_usd_per_request), f"of {count(row.priced_requests)}"
        case "Latency":
            return milliseconds(row.latency_ms_p50), f"of {count(row.requests)}"
    return count(row.requests), ""


def _prompts(row: CalendarModel) -> str:
    more = row.prompts_in_all - len(row.prompts[:_NAMED])
    return ", ".join(row.prompts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
