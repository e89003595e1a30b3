"""The built-in scenarios: the same services, with a different story each.

A story has a length. Its turns stand at fixed shares of that length, so the same story can be told
in twenty seconds or in a week; after its end everything stays as it last was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.incidents import Effect, Incident, Target
from coalmine_simulator.profiles import Arm, Release
from coalmine_simulator.services import (
    code_review,
    refund_regression,
    refund_stable,
    search_answer,
    search_challenger,
    search_stable,
    serve_only,
    support_refund,
    support_triage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SCENARIOS", "scenario"]

_STABLE, _REGRESSION = "1.3.0", "1.4.0"
_SEARCH_STABLE, _SEARCH_CHALLENGER = "3.1.0", "4.0.0"


def scenario(name: str, story_s: float = 6 * 3600.0) -> SimulationConfig:
    """A built-in scenario, its story told in `story_s` simulated seconds.

    Raises:
        InvalidConfig: The scenario is unknown, or the story has no length.
    """
    build = SCENARIOS.get(name)
    if build is None:
        raise InvalidConfig("scenario", name, f"one of {', '.join(SCENARIOS)}")
    if not story_s > 0:
        raise InvalidConfig("story_s", story_s, "a number of seconds above 0")
    return build(story_s)


def _steady(story_s: float) -> SimulationConfig:
    """Nothing happens. The refund prompt runs an A/A experiment: two arms, one version, no difference."""
    same_twice = (
        Release(
            0.0,
            (Arm("treatment", _STABLE, 0.5), Arm("control", _STABLE, 0.5)),
            experiment="refund-a-a",
            allocation_epoch=1,
        ),
    )
    return SimulationConfig(
        prompts=(
            support_refund(same_twice, refund_stable()),
            support_triage(),
            search_answer(serve_only(_SEARCH_STABLE), search_stable()),
            code_review(),
        )
    )


def _bad_canary(story_s: float) -> SimulationConfig:
    """A rewrite of the refund prompt is ramped 5, 25, 50 % and taken back at 85 % of the story."""
    releases = _canary(
        "refund-1.4", _REGRESSION, _STABLE, ((0.25, 0.05), (0.45, 0.25), (0.65, 0.50)), story_s
    )
    back = Release(0.85 * story_s, (Arm("control", _STABLE),))
    return SimulationConfig(
        prompts=(
            support_refund((*releases, back), refund_stable(), refund_regression()),
            support_triage(),
            search_answer(serve_only(_SEARCH_STABLE), search_stable()),
        )
    )


def _incident(story_s: float) -> SimulationConfig:
    """An outage, slow hours, a model that drifts, and a bad version that nobody announced."""
    at = _turns(story_s)
    incidents = (
        Incident(
            "provider outage",
            at(0.20),
            Effect(error_rate=0.55, error_type="server_error", latency_factor=1.6),
            at(0.27),
            Target(provider="openai"),
        ),
        Incident("slow hours", at(0.40), Effect(latency_factor=2.2), at(0.52), Target(provider="anthropic")),
        Incident(
            "model drift",
            at(0.65),
            Effect(quality_shift=-0.10, output_tokens_factor=1.35, response_model="gpt-4.1-2025-04-14"),
            target=Target(model="gpt-4.1"),
        ),
    )
    silent = (
        Release(0.0, (Arm("control", _STABLE),)),
        Release(at(0.75), (Arm("control", _REGRESSION),)),
    )
    return SimulationConfig(
        prompts=(
            support_refund(silent, refund_stable(), refund_regression()),
            support_triage(),
            search_answer(serve_only(_SEARCH_STABLE), search_stable()),
            code_review(),
        ),
        incidents=incidents,
    )


def _demo(story_s: float) -> SimulationConfig:
    """A good canary goes all the way, a bad one is taken back, and one provider has slow minutes."""
    good = _canary(
        "search-4.0",
        _SEARCH_CHALLENGER,
        _SEARCH_STABLE,
        ((0.15, 0.10), (0.30, 0.25), (0.50, 0.50)),
        story_s,
    )
    done = Release(0.75 * story_s, (Arm("control", _SEARCH_CHALLENGER),))
    bad = _canary("refund-1.4", _REGRESSION, _STABLE, ((0.35, 0.10), (0.50, 0.25), (0.62, 0.50)), story_s)
    back = Release(0.88 * story_s, (Arm("control", _STABLE),))
    at = _turns(story_s)
    slow = Incident(
        "slow minutes", at(0.22), Effect(latency_factor=1.8), at(0.27), Target(provider="anthropic")
    )
    return SimulationConfig(
        prompts=(
            support_refund((*bad, back), refund_stable(), refund_regression()),
            support_triage(),
            search_answer((*good, done), search_stable(), search_challenger()),
            code_review(),
        ),
        incidents=(slow,),
    )


SCENARIOS: dict[str, Callable[[float], SimulationConfig]] = {
    "steady": _steady,
    "bad-canary": _bad_canary,
    "incident": _incident,
    "demo": _demo,
}
"""Every built-in scenario by name; each takes the length of its story in simulated seconds."""


def _turns(story_s: float) -> Callable[[float], float]:
    def at(share: float) -> float:
        return share * story_s

    return at


def _canary(
    experiment: str, treatment: str, control: str, stages: Sequence[tuple[float, float]], story_s: float
) -> tuple[Release, ...]:
    """Everyone on control, then treatment at the given shares of units from the given shares of the story."""
    ramp = tuple(
        Release(
            share_of_story * story_s,
            (Arm("treatment", treatment, weight), Arm("control", control, 1 - weight)),
            experiment=experiment,
            allocation_epoch=epoch,
        )
        for epoch, (share_of_story, weight) in enumerate(stages, start=1)
    )
    return (Release(0.0, (Arm("control", control),)), *ramp)
