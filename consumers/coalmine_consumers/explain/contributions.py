"""What each request adds to a metric, in SQL: the same as in experiment cells (see `aggregation.cells`)."""

from dataclasses import dataclass, field

from coalmine_consumers.aggregation.cells import BUILT_IN, CAPPED, TAILS, VALUES
from coalmine_consumers.aggregation.references import CAP_QUANTILE, TAIL_QUANTILE
from coalmine_consumers.aggregation.rollup import REFUSALS
from coalmine_consumers.sql import Source, quote_identifier, statement
from coalmine_schemas.errors import InvalidParameter

_NO_REACTIONS = "SELECT NULL::UUID AS request_id WHERE false"
_NAMED = "list_filter(metrics, lambda entry: entry.key = $name)[1].value"

_FEEDBACK = {
    "feedback": ("1", "coalesce(reaction.feedback, 0)"),
    "corrections": ("1", "coalesce(reaction.corrections, 0)"),
    "thumbs_up": ("coalesce(reaction.thumbs, 0)", "coalesce(reaction.thumbs_up, 0)"),
    "rating": ("coalesce(reaction.ratings, 0)", "coalesce(reaction.rating_total, 0)"),
}
_REQUEST = {
    "errors": ("1", "error_type IS NOT NULL"),
    "refusals": ("1", "coalesce(list_contains($refusals, finish_reason), false)"),
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A quantile that values are compared with."""

    quantile: float
    counts_beyond: bool
    """True: values above side a's are counted. False: values are capped at the larger of both sides'."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """How to read a metric off raw rows."""

    x: str
    """Expression over a request and what was said of it: what it adds to the denominator."""
    y: str
    """Likewise, to the numerator."""
    reactions: str = _NO_REACTIONS
    """Query of what was said of requests."""
    parameters: dict[str, object] = field(default_factory=dict)
    threshold: Threshold | None = None


def measuring(cells: str) -> Measuring:
    """How to read a metric.

    Args:
        cells: Its name in experiment cells.

    Raises:
        InvalidParameter: It is the number of requests, which is not a property of a request.
    """
    if cells == "requests":
        raise InvalidParameter(
            "requests per unit is not a property of a request, so no mix of requests explains it"
        )
    if cells in _REQUEST:
        x, y = _REQUEST[cells]
        return Measuring(x, y, parameters={"refusals": list(REFUSALS)} if cells == "refusals" else {})
    if cells in _FEEDBACK:
        return Measuring(*_FEEDBACK[cells], statement("feedback_reactions", __package__))
    measure, _, form = cells.partition(".")
    if cells in BUILT_IN and measure in VALUES:
        column = quote_identifier(measure)
        return Measuring(
            f"{column} IS NOT NULL", f"coalesce({column}, 0)", threshold=_threshold(measure, form)
        )
    name = cells.removeprefix("custom.") if cells.removeprefix("custom.") in BUILT_IN else cells
    return Measuring(
        f"({_NAMED} IS NOT NULL)::INTEGER + coalesce(reaction.valued, 0)",
        f"coalesce({_NAMED}, 0) + coalesce(reaction.total, 0)",
        statement("score_reactions", __package__),
        {"name": name},
    )


def _threshold(measure: str, form: str) -> Threshold | None:
    match form:
        case "capped" if measure in CAPPED:
            return Threshold(CAP_QUANTILE, counts_beyond=False)
        case "over_cap" if measure in CAPPED:
            return Threshold(CAP_QUANTILE, counts_beyond=True)
        case "over_p95" if measure in TAILS:
            return Threshold(TAIL_QUANTILE, counts_beyond=True)
        case _:
            return None


def known_cells(source: Source, prompt: str) -> list[str]:
    """Returns the metrics that requests of a prompt can have, as experiment cells name them."""
    query = "SELECT DISTINCT name FROM rollup_metrics WHERE prompt = $prompt"
    names = [row["name"] for row in source.rows(query, {"prompt": prompt})]
    return sorted(BUILT_IN | {f"custom.{name}" if name in BUILT_IN else name for name in names})
