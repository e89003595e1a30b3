"""Calls and what people said of them, as words and HTML. Every text is escaped by `markup.escape`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape as html_escape
from typing import Final

from coalmine_consumers.results import CallContext, CallFeedback, CallPlace, FeedbackRow, StoredCall
from coalmine_dashboards.formatting import UNKNOWN, count, milliseconds, money, percent
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, dot
from coalmine_dashboards.views.markup import escape
from coalmine_schemas.safe_text import printable

Moment = Callable[[datetime | None], str]
"""Writes a moment in the viewer's time zone."""

_SHORT: Final = 100
_HIGH: Final = 0.95
_NANO: Final = 1e9
_MEASURES: Final = {
    "latency_ms": ("Latency", milliseconds, "slower"),
    "time_to_first_token_ms": ("First token", milliseconds, "slower"),
    "cost_nano_usd": ("Cost", lambda nano: money(nano / _NANO), "dearer"),
    "output_tokens": ("Length (tokens)", lambda tokens: f"{tokens:,.0f}", "longer"),
}
_SOURCES: Final = {
    "live": "The client had it from the registry.",
    "cached": "The client had it in memory.",
    "disk": "The client had it from its cache on disk: it could not reach the registry.",
    "fallback": "The client served the version shipped with the service: it had nothing else.",
    "fixed": "The service names the version in its own code: no deployment decides.",
    "unknown": "The client does not say where it had the version from.",
}


def opinion(thumbs: str | None, rating: float | None, corrected: bool) -> str:
    """What somebody gave, in words: `thumb down, rating 2, correction`."""
    words = [
        *([f"thumb {thumbs}"] if thumbs else []),
        *([f"rating {rating:g}"] if rating is not None else []),
        *(["correction"] if corrected else []),
    ]
    return ", ".join(words) or "comment"


def short(text: str | None, length: int = _SHORT) -> str:
    """The beginning of a text, on one line."""
    words = " ".join((text or "").split())
    return words if len(words) <= length else f"{words[: length - 1].rstrip()}…"


def inbox_columns(
    moment: Moment, query: dict[str, str | None], chosen: str | None
) -> list[Column[FeedbackRow]]:
    """Columns of the inbox.

    Args:
        moment: Writes times.
        query: Filters in the page's address: links keep them.
        chosen: Request that is shown whole.
    """

    def given(row: FeedbackRow) -> Html:
        here = "▸ " if row.request_id == chosen else ""
        return Html(here + anchor(moment(row.event_time), "requests", **{**query, "request": row.request_id}))

    def said(row: FeedbackRow) -> Html:
        words = opinion(row.thumbs, row.rating, row.correction is not None)
        return dot("bad" if row.negative else "good", words)

    def text(row: FeedbackRow) -> str:
        return short(row.comment or row.correction) or (UNKNOWN if row.private else "for admins")

    return [
        Column("Given", given, "When the feedback was given, in your time zone", text=True),
        Column("Feedback", said, "A later thumb or rating of the same person replaces theirs", text=True),
        Column("In words", text, "Comment, else the correction", text=True, wraps=True),
        Column("Prompt", lambda row: f"{row.prompt} {row.version}", "And the version served", text=True),
        Column("Model", lambda row: row.model, "That answered", text=True, vital=False),
        Column("Environment", lambda row: row.environment, text=True, vital=False),
        Column("Latency", lambda row: milliseconds(row.latency_ms), "Of the request"),
        Column(
            "Cost (USD)",
            lambda row: UNKNOWN if row.cost_nano_usd is None else money(row.cost_nano_usd / _NANO),
            "Of the request",
            vital=False,
        ),
        Column("Length (tokens)", lambda row: count(row.output_tokens), "Output tokens", vital=False),
    ]


def place_columns() -> list[Column[CallPlace]]:
    """Columns of how usual a call was."""
    return [
        Column("Measure", lambda row: _MEASURES[row.metric][0], text=True),
        Column("This request", lambda row: _MEASURES[row.metric][1](row.value)),
        Column("Percentile", _percentile, "Share of the version's requests that are below; as large: half"),
        Column("Median", lambda row: _MEASURES[row.metric][1](row.median), "Of the version's requests"),
        Column("of", lambda row: count(row.n), "Requests it is compared with", vital=False),
    ]


def unusual(places: Sequence[CallPlace]) -> list[str]:
    """What stands out, in sentences."""
    return [
        f"{_MEASURES[each.metric][2].capitalize()} than {percent(each.percentile, 0)} of the requests of "
        "this version."
        for each in places
        if each.percentile >= _HIGH
    ]


def why_served(call: StoredCall, context: CallContext, moment: Moment) -> list[str]:
    """Why this version was served, in sentences."""
    by = context.served_by
    words = []
    if call.experiment is not None:
        share = "" if by is None or by.weight is None else f", which had {percent(by.weight)} of units"
        rule = "" if by is None or by.rule is None else f' Its units were those of the rule "{by.rule}".'
        words.append(
            f"Experiment {call.experiment}, epoch {call.allocation_epoch}, put its unit into the arm "
            f'"{call.variant}"{share}.{rule}'
        )
    elif by is not None:
        words.append(f"It was the default of {call.environment}.")
    elif call.resolution != "fixed":
        words.append("No change of the deployment that is known here serves it as the default.")
    words.append(_SOURCES.get(call.resolution, call.resolution))
    if by is not None:
        why = "" if by.reason is None else f": {by.reason}"
        words.append(
            f"Revision {by.revision} ({by.action.replace('_', ' ')} by {by.changed_by}, "
            f"{moment(by.event_time)}){why}."
        )
        if by.newer:
            changes = "1 change" if by.newer == 1 else f"{by.newer} changes"
            words.append(f"The client had not heard of {changes} since.")
    return words


def said_html(entries: Sequence[CallFeedback], private: bool, moment: Moment) -> str:
    """Everything said of a call, as a list."""
    rows = []
    for each in entries:
        words = opinion(each.thumbs, each.rating, each.correction is not None)
        texts = "".join(
            f'<blockquote class="cm-text"><small>{title}</small>{block(text)}</blockquote>'
            for title, text in (("Comment", each.comment), ("Correction", each.correction))
            if text
        )
        who = "" if each.unit_id is None else f" by {escape(each.unit_id)}"
        rows.append(f"<li><b>{escape(words)}</b>{who}, {escape(moment(each.event_time))}{texts}</li>")
    note = "" if private else "<p>Comments and corrections are shown to admins.</p>"
    return f'<ul class="cm-said" aria-label="Feedback">{"".join(rows)}</ul>{note}'


def text_html(title: str, text: str) -> str:
    """A text of a call with its lines, which scrolls."""
    return (
        f'<section class="cm-text" tabindex="0" role="region" aria-label="{escape(title)}">'
        f"<small>{escape(title)}</small>{block(text)}</section>"
    )


def block(text: str) -> str:
    """HTML of a text with its lines."""
    return f"<pre>{html_escape(printable(text))}</pre>"


def facts(call: StoredCall) -> list[tuple[str, str]]:
    """What else is known of a call: names and values."""
    found: dict[str, object] = {
        "App": call.app,
        "Model": call.response_model or call.request_model,
        "Tokens in": count(call.input_tokens),
        "Of which cached": call.cached_input_tokens,
        "Outcome": call.outcome,
        "Finish reason": call.finish_reason,
        "Error": call.error_type,
        "Segments": ", ".join(f"{name}={value}" for name, value in call.segments.items()),
        "Metrics": ", ".join(f"{name}={value:g}" for name, value in call.metrics.items()),
        "Scores": ", ".join(f"{each.name} {each.value:.3g} ({each.source})" for each in call.scores),
        "Unit": call.unit_id,
        "Trace": call.trace_id,
        "Continues": call.parent_request_id,
    }
    return [(name, str(value)) for name, value in found.items() if value not in (None, "")]


def _percentile(row: CallPlace) -> Html:
    share = round(row.percentile * 100)
    high = " cm-high" if row.percentile >= _HIGH else ""
    return Html(
        f'<span class="cm-bar{high}" aria-hidden="true"><span style="width:{share}%"></span></span>'
        f"{share:d} %"
    )
