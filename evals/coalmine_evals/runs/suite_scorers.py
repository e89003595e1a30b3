"""The scorers of a suite, with the judges that they ask."""

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
    found: dict[str, Scorer] = {}
    for each in suite.metrics:
        scorer = scorer_of(each.scorer, each.settings)
        found[each.name] = scorer.with_prompts(prompts) if isinstance(scorer, JudgeScorer) else scorer
    return found
