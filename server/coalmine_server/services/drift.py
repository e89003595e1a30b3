"""Drift of the versions asked for, from the store of this process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import Field

from coalmine_analytics.results.drift import Drift, VersionDrift
from coalmine_consumers.drift import (
    ReferencePolicy,
    ServedVersion,
    VersionKey,
    most_served,
    note_day,
    prompts,
    served_versions,
)
from coalmine_consumers.explain import known_cells
from coalmine_consumers.results import DayIgnored
from coalmine_consumers.store import Reader, Store
from coalmine_schemas.paging import decode_cursor, encode_cursor
from coalmine_schemas.results import Page
from coalmine_server.errors import NotFound
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_analytics.drift import DriftPlan, Drifts


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftQuestion:
    """Which version may have drifted. Query parameters of the API."""

    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")]
    version: Annotated[
        str | None,
        Query(min_length=1, description="Only this version; by default the one with the most requests now."),
    ] = None
    environment: Annotated[
        str | None, Query(min_length=1, description="Only this environment; by default each.")
    ] = None
    metric: Annotated[str | None, Query(min_length=1, description="Only this metric.")] = None


def drift_plan(settings: Settings) -> "DriftPlan":
    """How drift is judged, as the settings say."""
    from coalmine_analytics.drift import DriftPlan  # noqa: PLC0415 - numpy and scipy
    from coalmine_server.services.plan_metrics import plans_of  # noqa: PLC0415

    own = settings.drift
    return DriftPlan(
        reference=ReferencePolicy(
            days=own.reference_days, min_requests=own.reference_requests, special_days=own.special_days
        ),
        false_alarm_days=own.false_alarm_days,
        tolerance=own.tolerance,
        overrides=plans_of(settings.readout).default.overrides,
    )


def make_drifts(store: Store, settings: Settings) -> "Drifts":
    """Drift detectors of a store, with the plan that the settings give."""
    from coalmine_analytics.drift import Drifts  # noqa: PLC0415 - numpy and scipy

    return Drifts(store, drift_plan(settings))


def drift_of(drifts: "Drifts", reader: Reader, question: DriftQuestion) -> Drift:
    """Returns drift of the version asked for, or per environment of the one with the most requests now.

    Raises:
        NotFound: No requests are recorded for that prompt, environment or version, or no such metric.
    """
    served = served_versions(reader, question.prompt)
    if not served:
        raise _nothing(f'prompt "{question.prompt}"', question.prompt, prompts(reader))
    chosen = [VersionKey(question.prompt, row.version, row.environment) for row in _chosen(served, question)]
    items = drifts.current(*chosen)
    if question.metric is not None:
        _check_metric(drifts, reader, question.prompt, question.metric)
        items = [_only(item, question.metric) for item in items]
    return Drift(prompt=question.prompt, items=tuple(items))


def drifts_of(
    drifts: "Drifts",
    reader: Reader,
    *,
    environment: str | None,
    among: Sequence[str] | None,
    limit: int,
    cursor: str | None,
) -> Page[VersionDrift]:
    """Returns drift of the version with the most requests now, of each prompt and environment.

    Args:
        drifts: Of the store.
        reader: Of the same store.
        environment: Only this one.
        among: Only of prompts that match one of these patterns; None for all.
        limit: Maximum number of versions on the page.
        cursor: Of the page before.

    Raises:
        InvalidParameter: The cursor is not one of this list.
    """
    prompt, of = ("", "") if cursor is None else decode_cursor(cursor, (str, str))
    keys = most_served(reader, limit + 1, environment=environment, among=among, after=(prompt, of))
    kept = keys[:limit]
    following = encode_cursor((kept[-1].prompt, kept[-1].environment)) if len(keys) > limit else None
    return Page(drifts.current(*kept), following)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayToIgnore:
    """A day that is to be ignored, or to count again. Body of a request."""

    prompt: Annotated[str, Field(min_length=1, max_length=500, description="Name of the prompt.")]
    environment: Annotated[
        str | None, Field(min_length=1, description="Only in this environment; by default in each.")
    ] = None
    day: Annotated[date, Field(description="The day, in UTC.")]
    ignored: Annotated[bool, Field(description="False: the day counts again.")] = True
    reason: Annotated[str, Field(min_length=1, max_length=2000, description="Why, for whoever reads it.")]


def day_ignored(store: Store, asked: DayToIgnore, subject: str) -> DayIgnored:
    """Notes that a day is ignored or counts again, by whom and why.

    Raises:
        NotFound: No requests are recorded for that prompt or environment.
    """
    served = served_versions(store.reader(), asked.prompt)
    if not served:
        raise _nothing(f'prompt "{asked.prompt}"', asked.prompt, prompts(store.reader()))
    _chosen(served, DriftQuestion(prompt=asked.prompt, environment=asked.environment))
    act = DayIgnored(
        prompt=asked.prompt,
        environment=asked.environment,
        day=asked.day,
        ignored=asked.ignored,
        reason=asked.reason,
        acted_by=subject,
        acted_at=datetime.now(UTC),
    )
    with store.transaction() as connection:
        note_day(connection, act)
    return act


def _check_metric(drifts: "Drifts", reader: Reader, prompt: str, metric: str) -> None:
    """Also while no version has a reference, and with it metrics."""
    from coalmine_analytics.metrics import metrics_in  # noqa: PLC0415 - numpy

    known = [each.name for each in metrics_in(known_cells(reader, prompt), drifts.plan.overrides)]
    if metric not in known:
        raise _nothing(f'metric "{metric}" of {prompt}', metric, known)


def _chosen(served: Sequence[ServedVersion], question: DriftQuestion) -> list[ServedVersion]:
    """Rows come with the version with the most requests first in each environment."""
    rows = list(served)
    if question.environment is not None:
        rows = [row for row in rows if row.environment == question.environment]
        if not rows:
            what = f'{question.prompt} in environment "{question.environment}"'
            raise _nothing(what, question.environment, {row.environment for row in served})
    if question.version is not None:
        found = [row for row in rows if row.version == question.version]
        if not found:
            where = f" in {question.environment}" if question.environment is not None else ""
            what = f"version {question.version} of {question.prompt}{where}"
            raise _nothing(what, question.version, {row.version for row in rows})
        return found
    first: dict[str, ServedVersion] = {}
    for row in rows:
        first.setdefault(row.environment, row)
    return list(first.values())


def _only(item: VersionDrift, metric: str) -> VersionDrift:
    """With one metric; evidence and threshold remain those among all metrics, which were looked at, too."""
    metrics = [row for row in item.metrics if row.metric == metric]
    if item.metrics and not metrics:
        raise _nothing(f'metric "{metric}" of {item.prompt}', metric, (row.metric for row in item.metrics))
    return replace(item, metrics=tuple(metrics))


def _nothing(what: str, name: str, known: Iterable[str]) -> NotFound:
    return NotFound.among(f"no requests recorded for {what}", name, known)
