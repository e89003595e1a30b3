"""Services whose prompts come from a registry: what happens in them is what the registry does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.incidents import Effect, Incident, Target
from coalmine_simulator.services import (
    code_review,
    refund_stable,
    search_answer,
    search_challenger,
    search_stable,
    serve_only,
    support_refund,
    support_triage,
)
from coalmine_simulator.users import Population

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["registry_scenario", "rollout_scenario"]

DEFAULT_USERS = 1000
_DEMO_USERS = 60_000
"""So many that what a rollout finds is not luck: most hardly ever come."""
_WORSE, _DEARER = 0.92, 1.2


def registry_scenario(
    prompts: Sequence[str], environment: str = "prod", users: int = DEFAULT_USERS
) -> SimulationConfig:
    """Users of prompts whose versions a registry serves.

    All versions behave alike; give a simulation as a file to have them differ.

    Args:
        prompts: Names of the prompts.
        environment: Where the service runs.
        users: How many users it has.

    Raises:
        InvalidConfig: No prompt is named, one is named twice, or there are no users.
    """
    if not prompts:
        raise InvalidConfig("prompts", list(prompts), "the name of at least one prompt")
    stable = refund_stable()
    profile = support_refund(serve_only(stable.version), stable, weight=1.0)
    return SimulationConfig(
        prompts=tuple(replace(profile, name=name, environment=environment) for name in prompts),
        population=Population(users=users),
    )


def rollout_scenario(story_s: float) -> SimulationConfig:
    """The services of the demonstration: a registry decides which of two versions of two prompts they use.

    4.0.0 of `search-answer` is cheaper, faster and slightly better than 3.1.0; 1.4.0 of `support-refund` has
    8 % less quality than 1.3.0 and costs 20 % more. One provider has slow minutes, in both arms.

    Args:
        story_s: Length of the story, whose slow minutes come early.
    """
    stable = refund_stable()
    dearer = replace(
        stable,
        version="1.4.0",
        quality=_WORSE * stable.quality,
        input_tokens=replace(stable.input_tokens, median=_DEARER * stable.input_tokens.median),
        output_tokens=replace(stable.output_tokens, median=_DEARER * stable.output_tokens.median),
    )
    search = search_stable()
    slow = Incident(
        "slow minutes",
        0.12 * story_s,
        Effect(latency_factor=1.8),
        0.15 * story_s,
        Target(provider=search.provider),
    )
    return SimulationConfig(
        prompts=(
            support_refund(serve_only(stable.version), stable, dearer),
            support_triage(),
            search_answer(serve_only(search.version), search, search_challenger()),
            code_review(),
        ),
        population=Population(users=_DEMO_USERS),
        incidents=(slow,),
    )
