"""Scorers with the judges that they ask."""

from collections.abc import Mapping

from coalmine_evals.judges.scorer import JudgeScorer
from coalmine_evals.records import Scorer
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.suites.suite import Suite
from coalmine_schemas.prompts.templating import Lookup


def scorers_of(suite: Suite, prompts: Lookup) -> dict[str, Scorer]:
    """Returns the scorers of a suite by metric; judges come from these prompts, or with the package.

    Raises:
        InvalidParameter: A scorer or a judge is not known, or its settings are not valid.
    """
    return with_judges({each.name: scorer_of(each.scorer, each.settings) for each in suite.metrics}, prompts)


def with_judges(scorers: Mapping[str, Scorer], prompts: Lookup) -> dict[str, Scorer]:
    """Returns scorers, by metric, whose judges come from these prompts, or with the package."""
    return {
        name: scorer.with_prompts(prompts) if isinstance(scorer, JudgeScorer) else scorer
        for name, scorer in scorers.items()
    }
