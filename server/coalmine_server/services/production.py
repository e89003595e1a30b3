"""What is scored and reviewed of production: as the file says it, with what works on it."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from coalmine_evals.continuous.service import Continuous, RolloutNeed
from coalmine_evals.production_file import ProductionPlan, read_production_file
from coalmine_evals.records import Scorer
from coalmine_rollouts import storage
from coalmine_rollouts.inputs import CONTROL, TREATMENT
from coalmine_rollouts.records import SERVING
from coalmine_schemas.errors import CoalmineError, InvalidParameter
from coalmine_server.errors import ConfigurationError
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_server.services.owned_store import OwnedStore

EXAMPLE: Final = "docs/evaluations.md"


class Production:
    """Continuous evaluation and review of one process; each part is made when it is first asked for."""

    def __init__(self, owned: "OwnedStore") -> None:
        self._owned = owned

    @cached_property
    def plan(self) -> ProductionPlan:
        """What the file says.

        Raises:
            ConfigurationError: It is not valid.
        """
        return production_plan(self._owned.settings)

    @cached_property
    def continuous(self) -> Continuous:
        """Scores production requests."""
        evaluations = self._owned.evaluations
        return Continuous(
            evaluations.database,
            self._owned.store.reader(),
            self.plan.continuous,
            scorers_of(self.plan),
            needs=self._needs,
            clock=evaluations.clock,
        )

    def missing_scores(self, environment: str, prompt: str) -> Mapping[str, str]:
        """Returns why scores of a prompt fail to come, by metric."""
        if not self.plan.continuous.scores:
            return {}
        return self.continuous.missing(environment, prompt)

    def _needs(self) -> list[RolloutNeed]:
        registry = self._owned.registry
        if registry is None:
            return []
        rows = registry.read(lambda tx: storage.live_rows(tx, self._owned.evaluations.clock()))
        found = []
        for row in rows:
            rollout = row.rollout
            if rollout.state in SERVING:
                plan = rollout.plan
                stage = plan.stages[min(rollout.stage, plan.last)]
                found.append(
                    RolloutNeed(
                        rollout.id,
                        rollout.environment,
                        rollout.prompt,
                        frozenset((*plan.metrics, *plan.goals)),
                        (TREATMENT, CONTROL),
                        stage.min_units,
                    )
                )
        return found


def production_plan(settings: Settings) -> ProductionPlan:
    """Reads what is scored and reviewed of production; nothing is, without a file.

    Raises:
        ConfigurationError: The file is not valid; names each mistake with its place and remedy.
    """
    file = settings.production_file
    if file is None:
        return ProductionPlan()
    try:
        return read_production_file(file)
    except InvalidParameter as error:
        raise ConfigurationError(f"{file} is not valid:\n{error}", f"see {EXAMPLE}") from error


def scorers_of(plan: ProductionPlan) -> dict[str, Scorer]:
    """Makes the scorers of a plan, by metric.

    Raises:
        ConfigurationError: There is no such scorer, its settings are not valid, or a package is missing.
    """
    from coalmine_evals.scorers.registry import scorer_of  # noqa: PLC0415 - imports what scorers need

    made = {}
    for each in plan.continuous.scores:
        try:
            made[each.metric] = scorer_of(each.scorer, each.settings)
        except CoalmineError as error:
            raise ConfigurationError(f"continuous.scores.{each.metric}: {error}", f"see {EXAMPLE}") from error
    return made


def check_production(settings: Settings) -> None:
    """Refuses what production could not be scored with, before a server starts.

    Raises:
        ConfigurationError: The file is not valid.
    """
    scorers_of(production_plan(settings))
