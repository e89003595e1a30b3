import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_simulator.incidents import NO_EFFECT, Effect, Incident, Target, effect_at

CALL = {"prompt": "greet", "version": "1.0.0", "model": "gpt-4o-mini", "provider": "openai"}


def test_an_incident_reaches_calls_between_its_two_moments() -> None:
    outage = Incident("outage", 10.0, Effect(error_rate=0.5), 20.0)
    rates = [effect_at((outage,), at_s, **CALL).error_rate for at_s in (9.9, 10.0, 19.9, 20.0)]
    assert rates == [0.0, 0.5, 0.5, 0.0]


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        (Target(), True),
        (Target(provider="openai"), True),
        (Target(provider="anthropic"), False),
        (Target(prompt="greet", version="1.0.0"), True),
        (Target(prompt="greet", version="2.0.0"), False),
        (Target(model="gpt-4o"), False),
    ],
)
def test_an_incident_reaches_only_its_target(target: Target, reached: bool) -> None:
    slow = Incident("slow", 0.0, Effect(latency_factor=3.0), target=target)
    assert (effect_at((slow,), 1.0, **CALL) != NO_EFFECT) is reached


def test_incidents_at_the_same_time_combine() -> None:
    incidents = (
        Incident("a", 0.0, Effect(error_rate=0.5, latency_factor=2.0, quality_shift=-0.1)),
        Incident("b", 0.0, Effect(error_rate=0.5, error_type="timeout", latency_factor=1.5)),
    )
    both = effect_at(incidents, 1.0, **CALL)
    assert both == Effect(error_rate=0.75, error_type="timeout", latency_factor=3.0, quality_shift=-0.1)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 10), st.floats(-1, 1))
def test_no_effect_changes_nothing_on_either_side(
    error: float, refusal: float, factor: float, shift: float
) -> None:
    effect = Effect(error_rate=error, refusal_rate=refusal, latency_factor=factor, quality_shift=shift)
    for combined in (effect.then(NO_EFFECT), NO_EFFECT.then(effect)):
        assert combined.error_rate == pytest.approx(error)
        assert combined.refusal_rate == pytest.approx(refusal)
        assert (combined.latency_factor, combined.quality_shift) == (factor, shift)
