"""Measures of sets of requests, combined from rollups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, get_args

import pyarrow as pa

from coalmine_consumers.aggregation.histograms import LOG_GAMMA, ZERO_BUCKET
from coalmine_consumers.queries.cover import BEGINNING, END, KeptFrom, Piece, ceiling, floor
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.histograms import Histogram, HistogramKey, names_of, of_entries
from coalmine_consumers.queries.histograms import histograms as added_histograms
from coalmine_consumers.queries.version_order import by_prompt_and_version
from coalmine_consumers.results import MeasuredMetric
from coalmine_consumers.sql import Source, as_rows, statement
from coalmine_schemas.errors import InvalidParameter

NANO = Decimal(10) ** 9

Name = tuple[str, str]
"""Prompt, version."""
KEYS: Final = ("prompt", "version")
"""What tells groups apart, where nothing else is asked for."""
PREFERRED_KEY: Final = "variant IS NOT DISTINCT FROM 'preferred' AS preferred"
"""Tells requests whose users preferred the version from the others."""
SEEN: Final = """
    , list_sort(list_distinct(list(environment))) AS environments
    , list_sort(list_distinct(list(model))) AS models
    , coalesce(list_sort(list_distinct(list(variant) FILTER (variant IS NOT NULL))), []) AS variants
    , min(first_event_time) AS first_event_time
    , max(last_event_time) AS last_event_time
"""
"""Aggregates of `totals.sql` that take as long as all others together, so only where they are shown.

list_distinct: a DISTINCT within each group takes half as long again.
"""
_QUANTILES: Final = (0.5, 0.95)
METRICS: Final[Sequence[MeasuredMetric]] = get_args(MeasuredMetric)
"""Metrics whose quantiles belong to the measures."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a query: its row of totals, and everything else measured of it."""

    totals: Mapping[str, Any]
    measures: Mapping[str, Any]
    """Fields of `results.Measures`."""


def kept_from(source: Source) -> KeptFrom:
    """Returns the time from which each resolution is complete."""
    rows = source.table(
        "SELECT resolution, max(kept_from) AS kept_from FROM rollup_kept_from GROUP BY resolution"
    )
    return {row["resolution"]: row["kept_from"] for row in rows.to_pylist()}


def matching_versions(
    source: Source,
    filters: Filters,
    pieces: Sequence[Piece],
    *,
    from_prompt: str | None = None,
    enough: int | None = None,
) -> list[Name]:
    """Returns the versions that had requests, by prompt and by precedence of the version.

    Args:
        source: Where to look.
        filters: Which requests count; their period is `pieces`.
        pieces: Disjoint periods.
        from_prompt: Only this prompt and those after it.
        enough: Versions of prompts after it, after which no further prompt is begun.
    """
    if not pieces:
        return []
    parameters = {
        **filters.parameters(),
        "pieces": piece_rows(pieces),
        "from_prompt": from_prompt,
        "enough": enough,
    }
    rows = source.rows(statement("matching_versions", __package__), parameters)
    return sorted(((row["prompt"], row["version"]) for row in rows), key=by_prompt_and_version)


def versions_of_days(source: Source, filters: Filters, enough: int | None = None) -> list[Name]:
    """Returns the versions that had requests on the days of a period: those of the period, and maybe more.

    Takes a fraction of the time of `matching_versions`, for what is asked next of these versions anyway.

    Args:
        source: Where to look.
        filters: Which requests count.
        enough: Versions, of which no more are returned.
    """
    parameters = {
        **filters.parameters(),
        "since": BEGINNING if filters.since is None else floor(filters.since, "day"),
        "until": END if filters.until is None else ceiling(filters.until, "day"),
        "enough": enough,
    }
    rows = source.rows(statement("versions_of_days", __package__), parameters)
    return sorted(((row["prompt"], row["version"]) for row in rows), key=by_prompt_and_version)


def measured_groups(
    source: Source,
    filters: Filters,
    pieces: Sequence[Piece],
    names: Sequence[Name],
    *,
    bucket_s: int | None,
    keys: Sequence[str] = KEYS,
    metrics: Sequence[str] = METRICS,
    seen: bool = True,
) -> dict[tuple[Any, ...], Group]:
    """Returns everything measured of some versions and, given a length, by bucket of time.

    Further `keys` tell requests of a version apart; see `measured`.
    """
    if not names:
        return {}
    parameters = rollup_parameters(filters, pieces, names, bucket_s)
    return measured(source, parameters, keys, metrics=metrics, seen=seen)


def measured(
    source: Source,
    parameters: Mapping[str, Any],
    keys: Sequence[str],
    *,
    calls: str | None = None,
    most: int | None = None,
    metrics: Sequence[str] = METRICS,
    seen: bool = True,
) -> dict[tuple[Any, ...], Group]:
    """Returns everything measured of the groups that some columns tell apart: the bucket of time, then these.

    Args:
        source: Where to look.
        parameters: Of the statement `totals`, or, of raw calls, of `chosen_calls`.
        keys: Names of the columns; one that is not there as it is, as `expression AS name`.
        calls: A query of raw calls to count; None: rollups are added up.
        most: Groups that may be found.
        metrics: Of `METRICS`, those whose quantiles are found, where rollups are added up.
        seen: False to leave `SEEN` out of their totals.

    Raises:
        InvalidParameter: There are more.
    """
    named = names_of(keys)
    first = _text("totals", keys, calls, seen=SEEN if seen else "")
    if most is not None:
        first = f"SELECT * FROM ({first}) LIMIT {most + 1}"  # noqa: S608 - a number
    totals = source.rows(first, parameters)
    if most is not None and len(totals) > most:
        raise InvalidParameter(f"more than {most:,} groups: name a prompt, or fewer or other dimensions")
    quality = source.table(_text("named_means", keys, calls), {**parameters, "name": "quality"})
    if calls is None:
        found = added_histograms(source, parameters, keys, metrics)
    else:
        wanted = {"log_gamma": LOG_GAMMA, "zero_bucket": ZERO_BUCKET}
        found = of_entries(source.table(_text("histograms", keys, calls), {**parameters, **wanted}), named)
    return _groups(totals, quality, found.quantiles(_QUANTILES), named)


def _text(name: str, keys: Sequence[str], calls: str | None = None, *, seen: str = SEEN) -> str:
    """A statement over rollups, or over calls, by keys."""
    if calls is None:
        return statement(name, __package__).format(keys=", ".join(keys), seen=seen)
    return statement(f"{name}_of_calls", __package__).format(keys=", ".join(keys), calls=calls)


def _groups(
    totals: Sequence[Mapping[str, Any]],
    quality: pa.Table,
    quantiles: Mapping[Any, Sequence[float | None]],
    named: Sequence[str],
) -> dict[tuple[Any, ...], Group]:
    means = {_key(row, named): (row["mean"], row["n"]) for row in as_rows(quality)}
    groups: dict[tuple[Any, ...], Group] = {}
    for row in totals:
        key = _key(row, named)
        mean, n = means.get(key, (None, 0))
        measures = {**_from_totals(row), "quality_mean": mean, "quality_n": n}
        for metric in METRICS:
            p50, p95 = quantiles.get((*key, metric), (None, None))
            measures |= {f"{metric}_p50": p50, f"{metric}_p95": p95}
        groups[key] = Group(row, measures)
    return groups


def histograms(
    source: Source, filters: Filters, pieces: Sequence[Piece], names: Sequence[Name], metrics: Sequence[str]
) -> dict[HistogramKey, Histogram]:
    """Returns histograms of some versions that have values, by version and metric."""
    if not names:
        return {}
    parameters = rollup_parameters(filters, pieces, names, None)
    return dict(added_histograms(source, parameters, KEYS, metrics).each())


def rollup_parameters(
    filters: Filters, pieces: Sequence[Piece], names: Sequence[Name], bucket_s: int | None
) -> dict[str, Any]:
    """Parameters of the statements that add up rollups."""
    return {
        "environment": filters.environment,
        "app": filters.app,
        "model": filters.model,
        "preferred": filters.preferred,
        "pieces": piece_rows(pieces),
        "versions": [{"prompt": prompt, "version": version} for prompt, version in names],
        "bucket_s": bucket_s,
    }


def _from_totals(row: Mapping[str, Any]) -> dict[str, Any]:
    requests, errors = int(row["requests"]), int(row["errors"])
    up, down = int(row["thumbs_up"]), int(row["thumbs_down"])
    cost_known = int(row["cost_known"])
    cost = Decimal(int(row["cost_nano_usd"])) / NANO
    return {
        "requests": requests,
        "errors": errors,
        "error_rate": _ratio(errors, requests),
        "input_tokens": _known(row, "input_tokens"),
        "output_tokens": _known(row, "output_tokens"),
        "cached_input_tokens": _known(row, "cached_input_tokens"),
        "cost_usd": float(cost) if cost_known else None,
        "cost_nano_usd": int(row["cost_nano_usd"]) if cost_known else None,
        "cost_usd_per_request": float(cost / cost_known) if cost_known else None,
        "priced_requests": cost_known,
        "latency_ms_mean": row["latency_ms_mean"],
        "feedback": int(row["feedback"]),
        "thumbs_up": up,
        "thumbs_down": down,
        "thumbs_up_rate": _ratio(up, up + down),
    }


def _known(row: Mapping[str, Any], name: str) -> int | None:
    return int(row[name]) if row[f"{name}_known"] else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _key(row: Mapping[str, Any], named: Sequence[str]) -> tuple[Any, ...]:
    return (row["bucket"], *(row[name] for name in named))


def piece_rows(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Periods as SQL parameters."""
    return [{"resolution": piece.resolution, "since": piece.since, "until": piece.until} for piece in pieces]
