"""What a server has for a run: prompts of its registry, and scorers whose judges are among them."""

from coalmine_evals.judges.scorer import JudgeScorer
from coalmine_evals.records import Scorer
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.suites.suite import Suite
from coalmine_registry.errors import NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import PromptContent, parse_reference
from coalmine_schemas.prompts.templating import Lookup


def prompts_in(registry: Registry) -> Lookup:
    """Returns a lookup of contents by `name@version`, which raises KeyError for what is not there."""

    def content(reference: str) -> PromptContent:
        name, version = parse_reference(reference)
        try:
            return PromptContent.from_json(registry.version(name, version).content)
        except NotFound as error:
            raise KeyError(reference) from error

    return content


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
