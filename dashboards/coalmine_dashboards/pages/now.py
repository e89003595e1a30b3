"""What needs a person first; what serves, rolls out and regresses; spend and ingest."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.results.spending import Spending
from coalmine_consumers.results import IngestStatus, QuantityRow, VersionRow
from coalmine_dashboards.api import ApiClient, Refused, if_allowed
from coalmine_dashboards.formatting import UNKNOWN, ago, count, milliseconds, money, percent, quality
from coalmine_dashboards.parts.advice import advise
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.links import anchor, anchor_to, link
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import Column, Html, dot, table
from coalmine_dashboards.parts.viewer import BY_VIEWER, client, local, told
from coalmine_dashboards.ranges import range_named
from coalmine_dashboards.views.costs import spending_items
from coalmine_dashboards.views.health import HealthItem, health_items
from coalmine_dashboards.views.markup import escape, health_strip, plain
from coalmine_dashboards.views.now import Need, Served, Urgency, needs, needs_somebody, served
from coalmine_dashboards.views.problems import nothing_yet
from coalmine_evals.results.review import ReviewQueue
from coalmine_registry.records import Promotion, PromptSummary
from coalmine_rollouts.records import UNDER_WAY, Rollout, RolloutStatus

_MOST_ALERTS: Final = 100
_MOST_ROLLOUTS: Final = 20
"""Whose standing is read; each costs a question."""
_AT_ONCE: Final = 4
"""Questions that the server is asked together."""
_EVERY_S: Final = 5.0
_SLOWLY: Final = "20s"
_DOTS: Final[Mapping[Urgency, tuple[str, str]]] = {
    "page": ("bad", "now"),
    "warning": ("notice", "today"),
    "waits": ("good", "waits"),
}


@dataclass(frozen=True, slots=True)
class _Slow:
    """What need not be asked for at every refresh: a day's sums, and what people do."""

    queues: list[ReviewQueue]
    prompts: list[PromptSummary]
    spending: Spending
    lately: dict[str, list[VersionRow]]
    """Of the last 24 hours, by environment."""
    today: list[VersionRow]


@dataclass(frozen=True, slots=True)
class _Seen:
    at: datetime
    alerts: list[Alert]
    promotions: list[Promotion]
    rollouts: list[RolloutStatus]
    under_way: int
    """Rollouts, of which some may not be looked at."""
    ingest: IngestStatus | None
    """None: not for a viewer of some prompts."""
    slow: _Slow


def show() -> None:
    """Draw the page."""
    live("now", lambda: _fetch(client()), _draw, every_s=_EVERY_S)


def _fetch(asked: ApiClient) -> _Seen:
    now = datetime.now(UTC)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        alerts = pool.submit(lambda: asked.first("/v1/alerts", Alert, _MOST_ALERTS, state="firing"))
        promotions = pool.submit(lambda: asked.items("/v1/promotions", Promotion, status="pending"))
        ingest = pool.submit(if_allowed, asked.ingest)
        slow = _slowly(asked)
        running = asked.items("/v1/rollouts", Rollout, state=sorted(UNDER_WAY))
        rollouts = pool.map(
            lambda each: asked.read(f"/v1/rollouts/{each.id}/status", RolloutStatus),
            running[:_MOST_ROLLOUTS],
        )
        return _Seen(
            now,
            alerts.result(),
            promotions.result(),
            list(rollouts),
            len(running),
            ingest.result(),
            slow,
        )


@st.cache_data(ttl=_SLOWLY, max_entries=100, show_spinner=False, hash_funcs=BY_VIEWER)
def _slowly(asked: ApiClient) -> _Slow:
    now = datetime.now(UTC)
    since = range_named("24h").since(now)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        lately = pool.submit(_lately, asked, since)
        today = pool.submit(lambda: asked.items("/v1/versions", VersionRow, since=_midnight(now)))
        queues = pool.submit(if_allowed, lambda: asked.read("/v1/reviews", list[ReviewQueue]))
        prompts = pool.submit(lambda: asked.items("/v1/prompts", PromptSummary))
        spending = pool.submit(lambda: asked.read("/v1/spending", Spending))
        return _Slow(
            queues=queues.result() or [],
            prompts=prompts.result(),
            spending=spending.result(),
            lately=lately.result(),
            today=today.result(),
        )


def _lately(asked: ApiClient, since: datetime | None) -> dict[str, list[VersionRow]]:
    """Versions by environment, in one question; in one for each environment where that were too many rows."""
    found: dict[str, list[VersionRow]] = {}
    try:
        for row in asked.items("/v1/versions", QuantityRow, by="environment", since=since):
            known = {each.name: getattr(row, each.name) for each in fields(VersionRow)}
            found.setdefault(row.environment or "", []).append(VersionRow(**known))
    except Refused:
        return {
            each: asked.items("/v1/versions", VersionRow, environment=each, since=since)
            for each in asked.facets().environments
        }
    return found


def _midnight(now: datetime) -> datetime:
    """Days are UTC, as those of budgets."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _draw(seen: _Seen) -> bool:
    st.html(health_strip(_today(seen), "Today"))
    st.html(health_strip(spending_items(seen.slow.spending), "Spending"))
    if seen.ingest is not None:
        st.html(health_strip(health_items(seen.ingest, seen.at)))
    if not seen.slow.prompts and not any(seen.slow.lately.values()):
        advise(nothing_yet())
        return False
    waiting = needs(seen.alerts, seen.rollouts, seen.promotions, seen.slow.queues, seen.ingest)
    st.subheader("Needs a person", anchor=False)
    if waiting:
        _needs(waiting, seen.at)
    else:
        st.html(f"<p>{dot('good', 'Nothing waits for anybody.').markup}</p>")
    if (more := seen.under_way - len(seen.rollouts)) > 0:
        all_of_them = link("rollouts", state="under way")
        st.caption(f"{more} more rollouts are under way and not looked at here: [Rollouts]({all_of_them}).")
    rows = served(seen.slow.prompts, seen.slow.lately, seen.rollouts, seen.alerts)
    st.subheader("Serving, last 24 hours", anchor=False)
    _served(rows, seen.at)
    st.caption(plain(f"As of {local(seen.at, seconds=True)}."))
    return True


def _today(seen: _Seen) -> list[HealthItem]:
    requests = sum(row.requests for row in seen.slow.today)
    errors = sum(row.errors for row in seen.slow.today)
    unpriced = requests - sum(row.priced_requests for row in seen.slow.today)
    firing = sum(map(needs_somebody, seen.alerts))
    held = len(seen.alerts) - firing
    return [
        HealthItem(
            "Alerts",
            f"{firing}{'+' if len(seen.alerts) >= _MOST_ALERTS else ''} firing",
            "notice" if firing else "good",
            f"{held} more are for information, looked after, or silenced.",
        ),
        HealthItem("Rolling out", count(seen.under_way), "plain", "Rollouts that are not over."),
        HealthItem("Requests today", count(requests), "plain", "Calls since midnight UTC."),
        HealthItem("Without a cost", count(unpriced), "plain", "Calls since midnight UTC of unknown cost."),
        HealthItem(
            "Errors today",
            percent(errors / requests if requests else None),
            "plain",
            f"{count(errors)} calls failed since midnight UTC.",
        ),
    ]


def _needs(waiting: list[Need], now: datetime) -> None:
    table(
        waiting,
        [
            Column(
                "What",
                lambda row: Html(anchor_to(row.address, escape(row.what))),
                text=True,
                wraps=True,
            ),
            Column("Urgency", lambda row: dot(*_DOTS[row.urgency]), text=True),  # type: ignore[arg-type]
            Column("Since", lambda row: "" if row.since is None else ago(row.since, now), text=True),
            Column("Detail", lambda row: told(row.detail), text=True, wraps=True, vital=False),
        ],
        "What needs a person",
    )
    downloads(waiting, "needs-a-person")


def _served(rows: list[Served], now: datetime) -> None:
    table(
        rows,
        [
            Column(
                "Prompt",
                lambda row: Html(
                    anchor(row.prompt, "prompt", prompt=row.prompt, environment=row.environment, time="24h")
                ),
                text=True,
            ),
            Column(
                "State",
                lambda row: Html(anchor_to(row.address, dot(row.tone, row.state).markup)),
                text=True,
            ),
            Column("Environment", lambda row: row.environment, text=True),
            Column("Version", lambda row: row.version, "Served by default.", text=True),
            Column("Requests", lambda row: count(row.requests), "Calls of all versions, last 24 hours."),
            _figure("Cost / request", lambda row: money(row.cost_usd_per_request), vital=False),
            _figure("Latency p95", lambda row: milliseconds(row.latency_ms_p95), vital=False),
            _figure("Quality", lambda row: quality(row.quality_mean), vital=False),
            _figure("Errors", lambda row: percent(row.error_rate)),
            _figure("Last call", lambda row: ago(row.last_event_time, now), vital=False),
        ],
        "What is served",
    )
    downloads(rows, "served")


def _figure(title: str, cell: Callable[[VersionRow], str], *, vital: bool = True) -> Column[Served]:
    """A column of what the version served by default did."""

    def of_served(row: Served) -> str:
        return UNKNOWN if row.measured is None else cell(row.measured)

    return Column(title, of_served, "Of the version served by default, last 24 hours.", vital=vital)
