"""The requests of a question, laid out once in a temporary table."""

import duckdb

from coalmine_consumers.experiments import Periods, VersionSpan
from coalmine_consumers.explain.contributions import Threshold, measuring
from coalmine_consumers.explain.question import Question
from coalmine_consumers.sql import fetch_rows, statement
from coalmine_consumers.store import Stretch, narrow, widen

# On one line: it is named in a comment of the statement, too.
_SPANS_OF = (
    "(SELECT side AS version, unit AS unit_id, event_time, experiment, '' AS variant FROM explained_requests)"
)


def lay_out(cursor: duckdb.DuckDBPyConnection, question: Question) -> None:
    """Makes the cursor's own table `explained_requests`: both sides, with what each request adds.

    Costs and latencies are capped at the larger of both sides' quantiles: at side a's alone, a version that
    costs three times as much would cost no more than the cap. Values beyond a threshold are counted by side
    a's.

    Raises:
        InvalidParameter: The metric is not a property of a request.
    """
    measure = measuring(question.cells)
    query = statement("explained_requests", __package__).format(
        x=measure.x, y=measure.y, reactions=measure.reactions
    )
    a, b = question.a, question.b
    parameters: dict[str, object] = {
        "prompt": question.prompt,
        "environment": question.environment,
        "a_version": a.version,
        "a_since": a.since,
        "a_until": a.until,
        "b_version": b.version,
        "b_since": b.since,
        "b_until": b.until,
        **measure.parameters,
    }
    begins, ends = (a.since, b.since), (a.until, b.until)
    stretch = Stretch(
        since=None if None in begins else min(filter(None, begins)),
        until=None if None in ends else max(filter(None, ends)),
    )
    cursor.begin()
    try:
        narrow(cursor, "requests", stretch)
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE explained_requests AS {query}", parameters).fetchall()
        widen(cursor, "requests")
        cursor.commit()
    except BaseException:
        cursor.rollback()
        raise
    if measure.threshold is not None:
        _hold_against(cursor, measure.threshold)


def _hold_against(cursor: duckdb.DuckDBPyConnection, threshold: Threshold) -> None:
    ((value,),) = cursor.execute(
        "SELECT max(threshold) FROM ("
        "SELECT quantile_cont(y, $share::DOUBLE) AS threshold FROM explained_requests "
        "WHERE x > 0 AND (side = 0 OR $either) GROUP BY side)",
        {"share": threshold.quantile, "either": not threshold.counts_beyond},
    ).fetchall()
    if value is None:
        return
    held = "(y > $value)::DOUBLE" if threshold.counts_beyond else "least(y, $value)"
    change = f"UPDATE explained_requests SET y = {held} WHERE x > 0"  # noqa: S608 - one of the two above
    cursor.execute(change, {"value": value}).fetchall()


def keep_experiment(cursor: duckdb.DuckDBPyConnection, experiment: str) -> None:
    """Keeps the requests of one experiment only."""
    cursor.execute(
        "DELETE FROM explained_requests WHERE experiment IS DISTINCT FROM $experiment",
        {"experiment": experiment},
    ).fetchall()


def divide_time(cursor: duckdb.DuckDBPyConnection, periods: Periods) -> None:
    """Fills the column `time` of the requests laid out that add to the metric: in which period each was."""
    cursor.execute(
        f"UPDATE explained_requests SET time = {periods.expression} WHERE x > 0"  # noqa: S608 - ours
    ).fetchall()


def valued_requests(cursor: duckdb.DuckDBPyConnection) -> dict[int, int]:
    """Requests with a value of the metric, by side; a side without any is not there."""
    query = "SELECT side, count(*) FROM explained_requests WHERE x > 0 GROUP BY side"
    return dict(cursor.execute(query).fetchall())


def spans(cursor: duckdb.DuckDBPyConnection) -> dict[int, VersionSpan]:
    """When each side that has requests ran, and for how many units: 0 for side a, 1 for side b."""
    query = statement("version_spans", "coalmine_consumers.experiments").format(requests=_SPANS_OF)
    return {row["version"]: VersionSpan.of_row(row) for row in fetch_rows(cursor, query)}
