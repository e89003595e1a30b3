"""Everything raw requests say about a change, read in one go."""

from dataclasses import dataclass

import duckdb

from coalmine_consumers.experiments import Periods, VersionSpan, side_by_side
from coalmine_consumers.explain.dimensions import APP, MODEL, TIME, VERSION, Size, segment_dimensions
from coalmine_consumers.explain.question import Question
from coalmine_consumers.explain.requests import divide_time, keep_experiment, lay_out, spans, valued_requests
from coalmine_consumers.explain.sample import MOST_SAMPLED, Sample, sample
from coalmine_consumers.explain.selection import choose
from coalmine_consumers.explain.sums import (
    MixCells,
    ValueSums,
    mix_cells,
    mix_counter,
    plain_sums,
    value_sums,
)

_LEAST_PER_PERIOD = 100
"""Requests of the smaller side that a period of time has, on average, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Evidence to explain a change with."""

    question: Question
    spans: tuple[VersionSpan, VersionSpan]
    """When each side ran: a before b."""
    cells: MixCells
    values: ValueSums
    sample: Sample
    left_out: tuple[str, ...]
    """Values that were not examined one by one, as sentences."""
    experiment: str | None
    """The experiment whose requests these are: both versions were arms of it. None: all requests."""
    not_told_apart: tuple[str, ...]
    """Segments that the mix of traffic does not tell apart, as sentences."""


@dataclass(frozen=True, slots=True)
class NoEvidence:
    """One side has nothing to compare."""

    of_b: bool
    """Which side: b, else a."""
    has_requests: bool
    """True if it has requests, but none with a value of the metric."""


def evidence(
    cursor: duckdb.DuckDBPyConnection, question: Question, *, most_sampled: int = MOST_SAMPLED
) -> Evidence | NoEvidence:
    """Reads the raw requests there still are.

    Args:
        cursor: Of the store, for this alone: it gets a table of its own.
        question: Which requests, and which metric.
        most_sampled: About how many requests a regression may have.

    Raises:
        InvalidParameter: The metric is not a property of a request, or a wanted segment does not exist.
    """
    lay_out(cursor, question)
    when, valued = spans(cursor), valued_requests(cursor)
    for side in (0, 1):
        if side not in valued:
            return NoEvidence(of_b=side == 1, has_requests=side in when)
    experiment = side_by_side(when[0], when[1]) if question.of_versions else None
    if experiment is not None:
        keep_experiment(cursor, experiment)
        when, valued = spans(cursor), valued_requests(cursor)
    size = Size(when[0].units, when[1].units, min(valued.values()))
    periods = (
        Periods.of(when[0], when[1], size.requests // _LEAST_PER_PERIOD) if question.of_versions else None
    )
    if periods is not None:
        divide_time(cursor, periods)
    plain = plain_sums(cursor)
    segments, left_out = segment_dimensions(cursor)
    names = (APP, MODEL) if question.of_versions else (APP, MODEL, VERSION)
    count = mix_counter(cursor, plain, of_versions=question.of_versions)
    time = [each for each in (plain.dimension(TIME),) if each.different > 1]
    choice = choose(
        [*segments, *map(plain.dimension, names)], question.segments, left_out, size, count, always=time
    )
    return Evidence(
        question,
        (when[0], when[1]),
        mix_cells(cursor, plain, choice.traffic, of_versions=question.of_versions),
        value_sums(cursor, plain, choice.tested),
        sample(cursor, [each for each in choice.tested if each.is_segment], most_sampled),
        choice.left_out,
        experiment,
        choice.traffic_words,
    )
