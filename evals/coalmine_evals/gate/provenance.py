"""When answers were made, and by which models: a pair of answers from different months is hardly one."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from coalmine_evals.records import Output

_OLD: Final = timedelta(days=7)
"""Answers that are further apart than this may be of a model that its provider has changed in between."""


def provenance_warnings(
    candidate: Sequence[Output], baseline: Sequence[Output], remedy: str
) -> Iterator[str]:
    """What to know before believing a comparison of these answers.

    Args:
        candidate: All answers of the candidate.
        baseline: All of the baseline.
        remedy: What to do about old ones, e.g. `run both again with --fresh`.
    """
    sides: Mapping[str, Sequence[Output]] = {"candidate": candidate, "baseline": baseline}
    times = {
        side: [each.answered_at for each in outputs if each.answered_at is not None]
        for side, outputs in sides.items()
    }
    if all(times.values()):
        first, last = min(map(min, times.values())), max(map(max, times.values()))
        if last - first > _OLD:
            ages = "; ".join(f"{side} {_span(each)}" for side, each in times.items())
            yield (
                f"answers are up to {(last - first).days} days apart ({ages}), in which the provider may "
                f"have changed the model: {remedy}"
            )
    models = {
        side: {each.response_model for each in outputs if each.response_model}
        for side, outputs in sides.items()
    }
    for side, names in models.items():
        if len(names) > 1:
            yield f"several models answered for the {side}: {', '.join(sorted(names))}"
    if all(models.values()) and models["candidate"] != models["baseline"]:
        yield (
            f"different models answered: {', '.join(sorted(models['candidate']))} for the candidate, "
            f"{', '.join(sorted(models['baseline']))} for the baseline"
        )


def _span(times: Sequence[datetime]) -> str:
    first, last = min(times).date(), max(times).date()
    return f"{first}" if first == last else f"{first} to {last}"
