"""Everything raw requests say about a change, read in one go."""

from dataclasses import dataclass

import duckdb

from coalmine_consumers.experiments import VersionSpan
from coalmine_consumers.explain.dimensions import APP, MODEL, VERSION, Size, segment_dimensions
from coalmine_consumers.explain.question import Question
from coalmine_consumers.explain.requests import lay_out, spans
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
    when = spans(cursor)
    plain = plain_sums(cursor)
    sides = set(plain.table["side"].to_pylist())
    for side in (0, 1):
        if side not in sides:
            return NoEvidence(of_b=side == 1, has_requests=side in when)
    segments, left_out = segment_dimensions(cursor)
    names = (APP, MODEL) if question.of_versions else (APP, MODEL, VERSION)
    count = mix_counter(cursor, plain, of_versions=question.of_versions)
    size = Size(when[0].units, when[1].units, plain.fewest_requests())
    choice = choose([*segments, *map(plain.dimension, names)], question.segments, left_out, size, count)
    return Evidence(
        question,
        (when[0], when[1]),
        mix_cells(cursor, plain, choice.traffic, of_versions=question.of_versions),
        value_sums(cursor, plain, choice.tested),
        sample(cursor, [each for each in choice.tested if each.is_segment], most_sampled),
        choice.left_out,
        choice.traffic_words,
    )
