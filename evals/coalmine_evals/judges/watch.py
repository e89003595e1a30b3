"""Scores canary sets once a day."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from coalmine_evals.judges.canary import CanaryDay
from coalmine_evals.judges.measure import JudgeScorers, Measured, measure
from coalmine_evals.judges.pairs import LlmJudgePairs
from coalmine_evals.judges.scorer import LlmJudge
from coalmine_evals.judges.storage import CanarySet, canary_days, canary_sets, put_canary_day
from coalmine_evals.providers.open import OpenModels
from coalmine_evals.providers.provider import Models
from coalmine_evals.runs.stopping import stopped_by
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import CoalmineError, InvalidParameter
from coalmine_schemas.prompts.json_values import JsonValue
from coalmine_schemas.prompts.templating import Lookup


def due(database: Database, now: datetime) -> list[CanarySet]:
    """Returns the sets that nobody has scored on this day (UTC)."""
    day = now.astimezone(UTC).date().isoformat()
    return [
        each
        for each in canary_sets(database)
        if all(known.day != day for known in canary_days(database, each.scorer))
    ]


async def score_due(
    database: Database, models: OpenModels, *, now: datetime, prompts: Lookup, stop: threading.Event
) -> list[str]:
    """Scores every set that is due, as the server does.

    Args:
        database: Of evaluations.
        models: Who answers; closed at the end.
        now: The time.
        prompts: Where judges are found; see `find_judge`.
        stop: Ends it early.

    Returns:
        Why sets could not be scored, a sentence each.
    """
    said = []
    try:
        async with stopped_by(stop, models.halt):
            for canary in due(database, now):
                if stop.is_set():
                    break
                try:
                    await score_canary(database, canary, models, now=now, prompts=prompts)
                except CoalmineError as error:
                    said.append(f"{canary.scorer}: {error}")
    finally:
        await models.close()
    return said


async def score_canary(
    database: Database, canary: CanarySet, models: Models, *, now: datetime, prompts: Lookup | None = None
) -> CanaryDay:
    """Scores a set, and keeps what the judge says as that of this day.

    Args:
        database: Of evaluations.
        canary: The set.
        models: Who answers; not from a cache: yesterday's answers tell nothing of today.
        now: The time.
        prompts: Where the judge is found; see `find_judge`.

    Raises:
        InvalidParameter: The judge is gone or is another one, or has no verdict on most answers today.
        ProviderRefused: Nothing will be answered until something is changed.
    """
    scorer = _scorer(canary, models, prompts)
    if scorer.name != canary.scorer:
        raise InvalidParameter(
            f"the canary set is of {canary.scorer}, and its judge is {scorer.name} now: make a new set"
        )
    day = day_of(await measure(scorer, canary.answers), now)
    if sum(value is not None for value in day.scores.values()) * 2 <= len(day.scores):
        raise InvalidParameter(
            f"{canary.scorer} has no verdict on most of its canary answers: nothing is kept of this day"
        )
    put_canary_day(database, canary.scorer, day)
    return day


def day_of(measured: Sequence[Measured], now: datetime) -> CanaryDay:
    """Returns what a judge said as that of a day."""
    models = {model for each in measured for model in _models(each.score.details.get("response_models"))}
    for each in measured:
        for order in ("candidate_first", "baseline_first"):
            details = each.score.details.get(order)
            if isinstance(details, dict):
                models |= set(_models(details.get("response_models")))
    return CanaryDay(
        now.astimezone(UTC).date().isoformat(),
        {each.labelled.case.id: each.score.value for each in measured},
        tuple(sorted(models)),
    )


def _models(found: JsonValue) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list | tuple) else []


def _scorer(canary: CanarySet, models: Models, prompts: Lookup | None) -> JudgeScorers:
    pair = bool(canary.answers) and len(canary.answers[0].answers) == 2
    scorer: JudgeScorers = (LlmJudgePairs if pair else LlmJudge).of(canary.settings)
    if prompts is not None:
        scorer = scorer.with_prompts(prompts)
    return scorer.with_models(models)
