"""Measures of sets of requests, combined from rollups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from coalmine_consumers.queries.cover import KeptFrom, Piece
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.histograms import Histogram, HistogramKey
from coalmine_consumers.queries.histograms import histograms as added_histograms
from coalmine_consumers.queries.version_order import by_prompt_and_version
from coalmine_consumers.sql import Source, statement

NANO = Decimal(10) ** 9

Name = tuple[str, str]
"""Prompt, version."""
Key = tuple[datetime | None, str, str]
"""Bucket (None where time is not told apart), prompt, version."""


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


def measured_groups(
    source: Source, filters: Filters, pieces: Sequence[Piece], names: Sequence[Name], *, bucket_s: int | None
) -> dict[Key, Group]:
    """Returns everything measured of some versions and, given a length, by bucket of time."""
    if not names:
        return {}
    parameters = _parameters(filters, pieces, names, bucket_s)
    totals = source.rows(statement("totals", __package__), parameters)
    quality = source.table(statement("named_means", __package__), {**parameters, "name": "quality"})
    means = {_key(row): (row["mean"], row["n"]) for row in quality.to_pylist()}
    metrics = ("latency_ms", "time_to_first_token_ms")
    found = added_histograms(source, parameters, names, metrics, bucket_s=bucket_s).quantiles((0.5, 0.95))
    groups: dict[Key, Group] = {}
    for row in totals:
        key = _key(row)
        mean, n = means.get(key, (None, 0))
        measures = {**_from_totals(row), "quality_mean": mean, "quality_n": n}
        for metric in metrics:
            p50, p95 = found.get((*key, metric), (None, None))
            measures |= {f"{metric}_p50": p50, f"{metric}_p95": p95}
        groups[key] = Group(row, measures)
    return groups


def histograms(
    source: Source, filters: Filters, pieces: Sequence[Piece], names: Sequence[Name], metrics: Sequence[str]
) -> dict[HistogramKey, Histogram]:
    """Returns histograms of some versions that have values, by version and metric."""
    if not names:
        return {}
    parameters = _parameters(filters, pieces, names, None)
    return dict(added_histograms(source, parameters, names, metrics, bucket_s=None).each())


def _parameters(
    filters: Filters, pieces: Sequence[Piece], names: Sequence[Name], bucket_s: int | None
) -> dict[str, Any]:
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


def _key(row: Mapping[str, Any]) -> Key:
    return (row["bucket"], row["prompt"], row["version"])


def piece_rows(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """Periods as SQL parameters."""
    return [{"resolution": piece.resolution, "since": piece.since, "until": piece.until} for piece in pieces]
