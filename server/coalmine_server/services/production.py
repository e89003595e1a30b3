"""What is scored and reviewed of production: as the file says it, with what works on it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from coalmine_evals.continuous import storage as scoring
from coalmine_evals.continuous.estimate import quality_of
from coalmine_evals.continuous.outage import is_down
from coalmine_evals.continuous.paid import Priced
from coalmine_evals.continuous.service import NO_TEXTS, Continuous, RolloutNeed
from coalmine_evals.judges.find import in_registry
from coalmine_evals.production_file import FILE, ProductionPlan, read_production_file
from coalmine_evals.providers.open import OpenModels
from coalmine_evals.records import Scorer
from coalmine_evals.results.production import ProductionReport, ProductionScoring
from coalmine_evals.review.fill import fill
from coalmine_evals.review.queue import Reviews
from coalmine_evals.runs.engine import bound
from coalmine_evals.runs.suite_scorers import with_judges
from coalmine_rollouts import storage
from coalmine_rollouts.inputs import CONTROL, TREATMENT
from coalmine_rollouts.records import SERVING
from coalmine_schemas.errors import CoalmineError, InvalidParameter
from coalmine_schemas.prompts import PromptContent
from coalmine_server.errors import ConfigurationError
from coalmine_server.services.wiring import price_table
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_server.services.owned_store import OwnedStore

EXAMPLE: Final = "see docs/evaluations.md"


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
        settings = self._owned.settings
        prices = price_table(settings)
        models = OpenModels(evaluations.access(), prices)
        asked = models if self.plan.continuous.budget_nano_usd is None else Priced(models, prices)
        return Continuous(
            evaluations.database,
            self._owned.store.reader(),
            self.plan.continuous,
            bound(with_judges(scorers_of(self.plan), self._prompt), asked),
            needs=self._needs,
            clock=evaluations.clock,
            keep_days=None if settings.retention.raw_days == "forever" else settings.retention.raw_days,
            close=models.close,
        )

    @cached_property
    def reviews(self) -> Reviews:
        """The queues of people."""
        evaluations = self._owned.evaluations
        return Reviews(
            evaluations.database, self._owned.store.reader(), self.plan.review, clock=evaluations.clock
        )

    def fill_queues(self) -> int:
        """Puts what was stored lately into the queues. Returns how many items came in."""
        evaluations = self._owned.evaluations
        reader = self._owned.store.reader()
        return fill(evaluations.database, reader, self.plan.review, evaluations.clock())

    def missing_scores(self, environment: str, prompt: str) -> Mapping[str, str]:
        """Returns why scores of a prompt fail to come, by metric."""
        if not self.plan.continuous.scores:
            return {}
        return self.continuous.missing(environment, prompt)

    def report(
        self,
        prompt: str | None,
        environment: str | None,
        metric: str | None,
        *,
        since: datetime | None,
        until: datetime | None,
        days: int,
    ) -> ProductionReport:
        """How scoring in production goes, and what it says of one prompt, if one is named.

        Args:
            prompt: None: only how scoring goes.
            environment: None: all of them.
            metric: None: all of them.
            since: When requests began, at the earliest.
            until: Before then; now if None.
            days: How far back requests count if `since` is None.
        """
        plan, now = self.plan.continuous, self._owned.evaluations.clock()
        end = until or now
        begin = since or end - timedelta(days=days)
        scorers = {each.metric: each.scorer for each in plan.scores}

        def read(connection: Any) -> ProductionReport:  # noqa: ANN401 - of SQLAlchemy
            states = scoring.states_of(connection, environment, prompt)
            quality = (
                ()
                if prompt is None
                else quality_of(
                    connection, prompt=prompt, environment=environment, metric=metric, since=begin, until=end
                )
            )
            return ProductionReport(
                texts_missing=NO_TEXTS if any(each.cause == NO_TEXTS for each in states) else None,
                budget_usd=None if plan.budget_nano_usd is None else plan.budget_nano_usd / 1e9,
                spent_usd=scoring.spent_nano_usd(connection, now) / 1e9,
                scoring=tuple(
                    ProductionScoring(
                        environment=each.environment,
                        prompt=each.prompt,
                        metric=each.metric,
                        scorer=scorers[each.metric],
                        rate=each.rate,
                        raised_for=each.raised_for,
                        scored_at=each.scored_at,
                        missed=each.missed,
                        cause=each.cause,
                        down=is_down(each, now, plan.deadline_s),
                    )
                    for each in states
                    if each.metric in scorers and metric in (None, each.metric)
                ),
                quality=tuple(quality),
            )

        return self._owned.evaluations.database.read(read)

    def _prompt(self, reference: str) -> PromptContent:
        # Asked for with each judge: a collector without a registry knows only those that ship.
        return in_registry(self._owned.known_registry)(reference)

    def _needs(self) -> list[RolloutNeed]:
        registry = self._owned.registry
        if registry is None:
            return []
        rows = registry.read(lambda tx: storage.live_rows(tx, self._owned.evaluations.clock()))
        found = []
        for rollout in (row.rollout for row in rows):
            if rollout.state in SERVING:
                plan = rollout.plan
                need = RolloutNeed(
                    rollout=rollout.id,
                    environment=rollout.environment,
                    prompt=rollout.prompt,
                    metrics=frozenset((*plan.metrics, *plan.goals)),
                    arms=(TREATMENT, CONTROL),
                    min_units=plan.stages[min(rollout.stage, plan.last)].min_units,
                )
                found.append(need)
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
        raise ConfigurationError(f"{file} is not valid:\n{error}", EXAMPLE) from error


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
            raise ConfigurationError(f"{FILE}: continuous.scores.{each.metric}: {error}", EXAMPLE) from error
    return made


def check_production(settings: Settings) -> None:
    """Refuses what production could not be scored with, before a server starts.

    Raises:
        ConfigurationError: The file is not valid.
    """
    scorers_of(production_plan(settings))
