"""From events to rollup rows at every resolution: pure, and the same for a batch as for a rebuild."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.additive import ExactSums, Moments, count_rows
from coalmine_consumers.aggregation.measures import Histograms, Measured, NamedMoments, Totals, spans
from coalmine_consumers.aggregation.named_values import NamedValues
from coalmine_consumers.aggregation.references import DELAYS
from coalmine_consumers.aggregation.resolutions import levels
from coalmine_consumers.arrays import IntArray, Known, is_known, is_one_of, known, microseconds

REFUSALS = ("content_filter", "refusal")
"""Finish reasons that mean the model refused to answer."""

_COUNTED = ("input_tokens", "cached_input_tokens", "output_tokens")
_OF_WORDS = ("feedback", "thumbs_up", "thumbs_down", "corrections", "rating_n", "rating_m2")
_HISTOGRAMS = ("latency_ms", "time_to_first_token_ms", "cost_nano_usd", "cost_uncached_nano_usd")


@dataclass(frozen=True, slots=True, eq=False)
class RollupRows:
    """Rows to append, by table; None where there are none."""

    rollups: pa.Table | None = None
    rollup_histograms: pa.Table | None = None
    rollup_metrics: pa.Table | None = None


def rollup_requests(rows: pa.Table) -> RollupRows:
    """Rolls up requests.

    Args:
        rows: Columns of a request, and `model` (see `rows.py`).
    """
    if not rows.num_rows:
        return RollupRows()
    named = NamedValues.of_maps(rows["metrics"])

    def finest(of_row: IntArray, groups: int) -> list[Measured]:
        return [
            _request_totals(rows, of_row, groups),
            *(Histograms.of(metric, of_row, known(rows[metric])) for metric in _HISTOGRAMS),
            NamedMoments.of(named.names, of_row[named.row], named.name, named.values),
        ]

    totals, *histograms, metrics = _at_every_resolution(rows, finest)
    return RollupRows(totals, pa.concat_tables(histograms), metrics)


def rollup_feedback(rows: pa.Table) -> RollupRows:
    """Rolls up last words on requests that are known.

    Args:
        rows: `thumbs`, `rating`, `has_correction`, the request's `event_time` and series, and `takes_back`:
            true where the word was counted and counts no more; and `said_at`, the times of new events in it.
    """
    back = rows["takes_back"]
    parts, delays = [], None
    if added := _roll_up_words(rows.filter(pc.invert(back))):
        totals, delays = added
        parts.append(totals)
    if taken := _roll_up_words(rows.filter(back)):
        # Moments merge with a negative count as they do with a positive one; the mean stays what it is.
        parts.append(negated(taken[0], _OF_WORDS))
    return RollupRows(rollups=pa.concat_tables(parts) if parts else None, rollup_histograms=delays)


def negated(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The same rows, with some of their numbers negative: they take back what was added before."""
    for name in columns:
        rows = rows.set_column(rows.column_names.index(name), name, pc.negate(rows[name]))
    return rows


def _roll_up_words(rows: pa.Table) -> list[pa.Table]:
    if not rows.num_rows:
        return []

    def finest(of_row: IntArray, groups: int) -> list[Measured]:
        rating = known(rows["rating"])
        counts = {
            "feedback": count_rows(of_row, groups),
            "thumbs_up": count_rows(of_row, groups, is_one_of(rows["thumbs"], ("up",))),
            "thumbs_down": count_rows(of_row, groups, is_one_of(rows["thumbs"], ("down",))),
            "corrections": count_rows(of_row, groups, rows["has_correction"].to_numpy()),
        }
        said_at = rows["said_at"]
        of_event = pc.list_parent_indices(said_at).to_numpy().astype(np.int64)
        delays = _delays(rows, pc.list_flatten(said_at), of_event)
        return [
            Totals(counts, {}, {"rating": Moments.of(rating.of(of_row), groups, rating.floats)}, None),
            Histograms.of(DELAYS["feedback"], of_row, delays),
        ]

    return _at_every_resolution(rows, finest)


def rollup_scores(rows: pa.Table) -> RollupRows:
    """Rolls up scores whose request is known.

    Args:
        rows: `name`, `value`, `said_at` of the score, and the request's `event_time` and series;
            `is_outcome`: true for late outcomes, whose delay is not that of scores; `takes_back`: true where
            it was counted and counts for this request no more.
    """
    back = rows["takes_back"] if rows.num_rows else None
    parts, delays = [], None
    if added := _roll_up_scores(rows if back is None else rows.filter(pc.invert(back))):
        metrics, delays = added
        parts.append(metrics)
    if taken := _roll_up_scores(rows if back is None else rows.filter(back)):
        parts.append(negated(taken[0], ("n", "m2")))
    return RollupRows(rollup_metrics=pa.concat_tables(parts) if parts else None, rollup_histograms=delays)


def _roll_up_scores(rows: pa.Table) -> list[pa.Table]:
    if not rows.num_rows:
        return []
    named = NamedValues.of_columns(rows["name"], rows["value"])
    of_calls = np.flatnonzero(pc.invert(rows["is_outcome"]).to_numpy())

    def finest(of_row: IntArray, groups: int) -> list[Measured]:
        delays = _delays(rows, rows["said_at"].take(pa.array(of_calls)), of_calls)
        return [
            NamedMoments.of(named.names, of_row[named.row], named.name, named.values),
            Histograms.of(DELAYS["scores"], of_row, delays),
        ]

    return _at_every_resolution(rows, finest)


def _delays(rows: pa.Table, said_at: pa.ChunkedArray, of_event: IntArray) -> Known:
    """How long after its request each event came, in ms; clocks that disagree make no negative delays."""
    delay_us = microseconds(said_at) - microseconds(rows["event_time"])[of_event]
    return Known(of_event, np.maximum(delay_us, 0) / 1000.0, None)


def _at_every_resolution(rows: pa.Table, finest: Callable[[IntArray, int], list[Measured]]) -> list[pa.Table]:
    measured: list[Measured] | None = None
    tables: list[list[pa.Table]] = []
    for level in levels(rows):
        if measured is None:
            measured = finest(level.finer, level.count)
        else:
            measured = [each.folded(level.finer, level.count) for each in measured]
        tables.append([each.table(level.keys) for each in measured])
    return [pa.concat_tables(same, promote_options="permissive") for same in zip(*tables, strict=True)]


def _request_totals(rows: pa.Table, of_row: IntArray, groups: int) -> Totals:
    everything = count_rows(of_row, groups)
    counts = {
        "requests": everything,
        "errors": count_rows(of_row, groups, is_known(rows["error_type"])),
        "refusals": count_rows(of_row, groups, is_one_of(rows["finish_reason"], REFUSALS)),
    }
    sums = {}
    for name in _COUNTED:
        values = known(rows[name])
        counts[f"{name}_known"] = count_rows(values.of(of_row), groups)
        sums[name] = ExactSums.of(values.of(of_row), groups, _exact(values.integers))
    cost = known(rows["cost_nano_usd"])
    sums["cost_nano_usd"] = ExactSums.of(cost.of(of_row), groups, _exact(cost.integers))
    moments = {"cost": Moments.of(cost.of(of_row), groups, cost.floats)}
    for prefix, name in (("latency", "latency_ms"), ("ttft", "time_to_first_token_ms")):
        values = known(rows[name])
        moments[prefix] = Moments.of(values.of(of_row), groups, values.floats)
    times = microseconds(rows["event_time"])
    return Totals(counts, sums, moments, spans(of_row, groups, times, times))


def _exact(integers: IntArray | None) -> IntArray:
    if integers is None:
        raise TypeError("money and tokens are whole numbers")
    return integers
