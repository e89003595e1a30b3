"""Features of requests as columns of a regression, each with its wording, and those left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_analytics.arrays import BoolArray, FloatArray, IntArray
from coalmine_analytics.explain.words import named
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.explain import OTHER, Sample

LEAST_KNOWN = 0.9
"""A number that fewer requests have is not used: requests without it would be lost to all features."""
MOST_LEVELS = 10
"""Number of values of one feature that are kept apart; the others are merged."""
_ALIKE = 0.01
"""A column is left out if those before it leave less than this share of its variance: its coefficient would
be ten times less certain (a variance inflation factor of 100), and so would theirs."""

_DOUBLED = (("input_tokens", "input tokens"), ("output_tokens", "output tokens"), ("latency_ms", "latency"))
_ANSWERED = frozenset(("output_tokens", "latency_ms", "streamed"))
_FOLLOWS: dict[str, frozenset[str]] = {
    "errors": _ANSWERED,
    "refusals": _ANSWERED,
    "input_tokens": frozenset(("input_tokens",)),
    "output_tokens": frozenset(("output_tokens", "latency_ms")),
    "latency_ms": frozenset(("latency_ms", "streamed")),
    "time_to_first_token_ms": frozenset(("latency_ms", "streamed")),
}
"""Features that a measure is made of, or that follow from it: they would explain it by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature."""

    name: str
    of: str
    """Whose requests the metric is compared for: "requests with twice the input tokens"."""
    against: str
    """The comparison: "than those with tier=free"; empty for a number."""
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Rows and columns of a regression."""

    columns: tuple[Column, ...]
    rows: BoolArray
    """The requests of the sample that are in it; the columns hold only these."""
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SideNames:
    """Names of the two sides."""

    a: str
    b: str
    of_versions: bool


def design(sample: Sample, cells: str, sides: SideNames, units: IntArray) -> Design:
    """Features of a sample of requests.

    Numbers enter as logarithms to the base 2, so a coefficient speaks of twice as much. Everything else
    enters against the most common value. A value that fewer than `MIN_UNITS` units have, or lack, describes
    only those units and is left out, as are constant columns and columns that the others already determine.

    Args:
        sample: Of requests.
        cells: The metric, as experiment cells name it.
        sides: Names of the sides.
        units: Index of each row's unit, shape (R,).
    """
    left_out: list[str] = []
    rows = np.ones(sample.rows.num_rows, bool)
    numbers = []
    follows = _FOLLOWS.get(cells.partition(".")[0], frozenset())
    for column, words in _DOUBLED:
        known = np.asarray(pc.is_valid(sample.rows[column]).to_numpy())
        if column in follows:
            left_out.append(f"{words}: part of what is measured, or follows from it")
        elif known.mean() < LEAST_KNOWN:
            left_out.append(f"{words}: known of {known.mean():.0%} of the requests only")
        else:
            rows &= known
            numbers.append((column, words))
    table = sample.rows.filter(pa.array(rows))
    # What is served and asked comes first: where a number says the same, it is the number that is left out.
    found = list(_levels(table, sample.segments, sides, units[rows], streamed="streamed" not in follows))
    found += [_doubled(table, *number) for number in numbers]
    return _different(found, rows, units[rows], left_out)


def _doubled(table: pa.Table, column: str, words: str) -> Column:
    values = np.log2(np.maximum(table[column].to_numpy().astype(np.float64), 1.0))
    return Column(words, f"requests with twice the {words}", "", values)


def _levels(
    table: pa.Table, segments: Sequence[str], sides: SideNames, units: IntArray, *, streamed: bool
) -> Iterator[Column]:
    side = table["side"].to_numpy()
    if sides.of_versions:
        yield Column(
            f"version={sides.b}", f"requests of version {sides.b}", f"than those of {sides.a}", side == 1.0
        )
    else:
        yield from _against_most_common("version", table["version"], units)
        yield Column("time=after", "requests of the time after", "than those before", side == 1.0)
    yield from _against_most_common("model", table["model"], units)
    yield from _against_most_common("app", table["app"], units)
    for at, key in enumerate(segments):
        yield from _against_most_common(key, table[f"segment_{at}"], units)
    if streamed:
        values = table["streamed"].to_numpy().astype(np.float64)
        yield Column("streamed", "requests whose answer was streamed", "than others", values)
    yield from _against_most_common("resolution", table["resolution"], units)
    hours = (table["hour"].to_numpy() // 6).astype(np.int64)
    parts = pa.array(["00-06 UTC", "06-12 UTC", "12-18 UTC", "18-24 UTC"]).take(pa.array(hours))
    yield from _against_most_common("hour", pa.chunked_array([parts]), units)


def _against_most_common(name: str, column: pa.ChunkedArray, units: IntArray) -> Iterator[Column]:
    """A column for each value but the most common one; values of few units are one."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values: list[str] = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy().astype(np.int64)
    if len(values) < 2:
        return
    pairs = np.unique(codes * (units.max() + 1) + units)
    having = np.bincount(pairs // (units.max() + 1), minlength=len(values))
    count = np.bincount(codes, minlength=len(values))
    order = sorted(range(len(values)), key=lambda at: (-count[at], values[at]))
    named_ones = [at for at in order if having[at] >= MIN_UNITS][:MOST_LEVELS]
    reference = order[0]
    against = f"than those with {named(name, values[reference])}"
    for at in named_ones:
        if at != reference:
            label = named(name, values[at])
            yield Column(label, f"requests with {label}", against, (codes == at).astype(np.float64))
    rest = [at for at in order if at not in named_ones and at != reference]
    if rest:
        label = named(name, values[rest[0]] if len(rest) == 1 else OTHER)
        yield Column(label, f"requests with {label}", against, np.isin(codes, rest).astype(np.float64))


def _different(found: Sequence[Column], rows: BoolArray, units: IntArray, left_out: list[str]) -> Design:
    """Without the columns that are constant, of few units, or said by those before."""
    usable = []
    for column in found:
        values = column.values.astype(np.float64)
        if not len(values) or values.min() == values.max():
            left_out.append(f"{column.name}: the same in every request")
        elif (few := _fewest_units(values, units)) < MIN_UNITS:
            left_out.append(f"{column.name}: only {few} units have it, or do not; {MIN_UNITS} are needed")
        else:
            usable.append(Column(column.name, column.of, column.against, values))
    kept: list[int] = []
    if usable:
        matrix = np.stack([column.values for column in usable])
        with np.errstate(divide="ignore", invalid="ignore"):
            gram = np.asarray(np.corrcoef(matrix)).reshape(len(usable), len(usable))
        for at, column in enumerate(usable):
            shared = gram[kept, at]
            said = float(shared @ np.linalg.solve(gram[np.ix_(kept, kept)], shared)) if kept else 0.0
            if 1.0 - said < _ALIKE:
                left_out.append(f"{column.name}: {_saying_it(usable, gram, kept, at)} says nearly the same")
            else:
                kept.append(at)
    return Design(tuple(usable[at] for at in kept), rows, tuple(left_out))


def _fewest_units(values: FloatArray, units: IntArray) -> int:
    """Of a column of zeros and ones: units with it, or without it, whichever are fewer."""
    if not np.isin(values, (0.0, 1.0)).all():
        return len(np.unique(units))
    return min(len(np.unique(units[values == side])) for side in (0.0, 1.0))


def _saying_it(columns: Sequence[Column], gram: FloatArray, kept: Sequence[int], at: int) -> str:
    closest = max(kept, key=lambda other: abs(gram[other, at]))
    if 1.0 - np.square(gram[closest, at]) < _ALIKE:
        return columns[closest].name
    return "what is in it already, taken together,"
