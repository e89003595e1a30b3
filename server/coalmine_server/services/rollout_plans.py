"""Plans of rollouts: which one is meant, and whether it can end with the traffic there is."""

from typing import TYPE_CHECKING, Any, Final

from coalmine_analytics.results.plan_check import PlanCheck
from coalmine_rollouts.plan import (
    DEFAULT_ENVIRONMENT,
    DEFAULT_TEMPLATE,
    RolloutPlan,
    plan_of_metadata,
    read_plan,
    template,
)
from coalmine_server.services.compare import PlanQuestion, plan_checked
from coalmine_server.services.owned_store import OwnedStore

if TYPE_CHECKING:  # SQLAlchemy, which a question about measures does not need
    from coalmine_registry.registry import Registry

DAYS_OF_TRAFFIC: Final = 14


def chosen_plan(
    registry: "Registry", prompt: str, version: str, asked: str | dict[str, Any] | None
) -> RolloutPlan:
    """Returns the plan asked for, else that in the metadata of the version, else the standard one.

    Raises:
        InvalidParameter: It is not valid.
        NotFound: There is no such version.
    """
    if asked is not None:
        return read_plan(asked, "plan")
    metadata = registry.version(prompt, version).content.get("metadata") or {}
    return plan_of_metadata(metadata) or template(DEFAULT_TEMPLATE)


def environment_of(plan: RolloutPlan, asked: str | None) -> str:
    """Returns where it runs: what was asked for, else what the plan says, else prod."""
    return asked or plan.environment or DEFAULT_ENVIRONMENT


def checked_rollout(owned: OwnedStore, prompt: str, environment: str, plan: RolloutPlan) -> PlanCheck:
    """Forecasts from the prompt's own traffic whether a rollout of an equal version would ever complete.

    Raises:
        InvalidParameter: The plan names a metric that cannot be judged.
        NotFound: The prompt had no requests there.
    """
    stages = [(stage.weight, stage.min_time_s / 3_600, stage.min_units) for stage in plan.stages]
    longest_h = plan.max_duration_s / 3_600
    question = PlanQuestion(prompt, environment, stages, plan.experiment_plan(), DAYS_OF_TRAFFIC, longest_h)
    return plan_checked(owned, question)
