from collections.abc import Callable

import pytest

from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.distributions import Lognormal
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.incidents import Effect, Incident
from coalmine_simulator.profiles import (
    Arm,
    FeedbackProfile,
    JudgeProfile,
    LeadsTo,
    PromptProfile,
    Release,
    VersionProfile,
)


def version(**changes: object) -> VersionProfile:
    given: dict[str, object] = {
        "version": "1.0.0",
        "model": "gpt-4o-mini",
        "provider": "openai",
        "quality": 0.8,
        "input_tokens": Lognormal(100, 0.2),
        "output_tokens": Lognormal(50, 0.2),
        "latency_ms": Lognormal(500, 0.2),
    }
    return VersionProfile(**(given | changes))  # type: ignore[arg-type]


def prompt(**changes: object) -> PromptProfile:
    given: dict[str, object] = {
        "name": "greet",
        "app": "bot",
        "versions": (version(),),
        "releases": (Release(0.0, (Arm("control", "1.0.0"),)),),
    }
    return PromptProfile(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "key"),
    [
        (lambda: version(quality=1.0), "quality"),
        (lambda: version(error_rate=1.1), "error_rate"),
        (lambda: version(refusal_rate=-0.1), "refusal_rate"),
        (lambda: version(cached_share=2.0), "cached_share"),
        (lambda: version(first_token_share=0.0), "first_token_share"),
        (lambda: version(quality_spread=0.6), "quality_spread"),
        (lambda: version(version=""), "version"),
        (lambda: FeedbackProfile(thumb_rate=3.0), "thumb_rate"),
        (lambda: JudgeProfile(share=-1.0), "share"),
        (lambda: JudgeProfile(noise=-1.0), "noise"),
        (lambda: LeadsTo("greet", 1.5), "probability"),
        (lambda: Arm("control", "1.0.0", -1.0), "weight"),
        (lambda: Release(0.0, ()), "arms"),
        (lambda: Release(0.0, (Arm("a", "1", 0.0),)), "arms"),
        (lambda: Release(0.0, (Arm("a", "1"), Arm("b", "2"))), "arms"),
        (lambda: Release(0.0, (Arm("a", "1"),), experiment="x"), "allocation_epoch"),
        (lambda: prompt(name=""), "name"),
        (lambda: prompt(weight=-1.0), "weight"),
        (lambda: prompt(versions=(version(), version())), "versions"),
        (lambda: prompt(releases=()), "releases"),
        (lambda: prompt(releases=(Release(5.0, (Arm("control", "1.0.0"),)),)), "releases"),
        (lambda: prompt(releases=(Release(0.0, (Arm("control", "9.9.9"),)),)), "version"),
        (lambda: Effect(error_rate=2.0), "error_rate"),
        (lambda: Effect(latency_factor=0.0), "latency_factor"),
        (lambda: Incident("late", 10.0, Effect(), 5.0), "ends_at_s"),
        (lambda: SimulationConfig(prompts=()), "prompts"),
        (lambda: SimulationConfig(prompts=(prompt(), prompt())), "prompts"),
        (lambda: SimulationConfig(prompts=(prompt(weight=0.0),)), "prompts"),
        (lambda: SimulationConfig(prompts=(prompt(leads_to=LeadsTo("absent", 0.5)),)), "leads_to.prompt"),
        (lambda: SimulationConfig(prompts=(prompt(leads_to=LeadsTo("greet", 0.5)),)), "leads_to.prompt"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(build: Callable[[], object], key: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        build()
    assert caught.value.key == key


def test_a_prompt_knows_its_versions_profiles() -> None:
    other = version(version="2.0.0", quality=0.5)
    assert prompt(versions=(version(), other)).profile("2.0.0") is other


def test_another_rate_changes_nothing_else() -> None:
    config = SimulationConfig(prompts=(prompt(),))
    faster = config.with_rate(50.0)
    assert faster.traffic.requests_per_s == 50.0
    assert faster.with_rate(config.traffic.requests_per_s) == config
