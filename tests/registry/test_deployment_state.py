"""How what is served may change, without any storage."""

import pytest

from coalmine_registry.deployment_state import DeploymentState, first_state, state_of
from coalmine_registry.errors import Conflict, NotFound
from coalmine_schemas.prompts import Arm, Experiment, Rule, ServeExperiment, ServeVersion

_ARMS = (Arm("treatment", "2.0.0", 0.1), Arm("control", "1.0.0", 0.9))
_EXPERIMENT = Experiment("salt", 1, _ARMS)
_RULE = Rule("enterprise", {"tier": ("enterprise",)}, ServeVersion("1.0.0"))


def _anything(_version: str) -> bool:
    return True


def _promoted(*versions: str) -> DeploymentState:
    state = first_state(versions[0])
    for version in versions[1:]:
        state = state.promoted(version)
    return state


def test_rolling_back_twice_goes_back_twice_and_never_forth() -> None:
    state = _promoted("1.0.0", "2.0.0", "3.0.0")
    once = state.rolled_back(None, {}, _anything)
    twice = once.rolled_back(None, {}, _anything)
    assert (once.version, twice.version) == ("2.0.0", "1.0.0")
    with pytest.raises(Conflict, match=r"nothing was served before 1\.0\.0"):
        twice.rolled_back(None, {}, _anything)


def test_a_rollback_leaves_behind_what_came_after() -> None:
    state = _promoted("1.0.0", "2.0.0", "3.0.0").rolled_back("1.0.0", {}, _anything).promoted("4.0.0")
    assert state.rolled_back(None, {}, _anything).version == "1.0.0"


def test_a_rollback_by_name_may_lead_to_what_was_left_behind() -> None:
    state = _promoted("1.0.0", "2.0.0").rolled_back(None, {}, _anything).rolled_back("2.0.0", {}, _anything)
    assert state.defaults == ("1.0.0", "2.0.0")


def test_promoting_the_same_version_again_does_not_hide_the_one_before() -> None:
    assert _promoted("1.0.0", "2.0.0", "2.0.0").rolled_back(None, {}, _anything).version == "1.0.0"


def test_a_rollback_passes_over_what_can_no_longer_be_served() -> None:
    state = _promoted("1.0.0", "2.0.0", "3.0.0")
    assert state.rolled_back(None, {}, lambda version: version != "2.0.0").version == "1.0.0"


def test_a_rollback_ends_experiments_and_keeps_the_default_of_before() -> None:
    state = _promoted("0.9.0", "1.0.0").with_experiment("tone", None, _EXPERIMENT)
    after = state.rolled_back(None, {"tone": "1.0.0"}, _anything)
    assert (after.default, after.experiments) == (ServeVersion("1.0.0"), {})
    assert after.defaults == ("0.9.0", "1.0.0")


def test_a_rollback_gives_rules_back_what_an_experiment_replaced() -> None:
    state = _promoted("1.0.0", "2.0.0").with_rules([_RULE]).with_experiment("tone", "enterprise", _EXPERIMENT)
    assert state.rules[0].serve == ServeExperiment("tone")
    after = state.rolled_back("1.0.0", {"tone": "1.0.0"}, _anything)
    assert after.rules == (_RULE,)
    assert after.default == ServeVersion("1.0.0")


def test_nothing_is_promoted_over_a_running_experiment() -> None:
    state = first_state("1.0.0").with_experiment("tone", None, _EXPERIMENT)
    with pytest.raises(Conflict, match="experiment tone replaces the default"):
        state.promoted("2.0.0")


def test_two_experiments_do_not_share_a_place_but_a_prompt() -> None:
    state = first_state("1.0.0").with_rules([_RULE]).with_experiment("tone", None, _EXPERIMENT)
    with pytest.raises(Conflict, match="experiment tone runs in that place"):
        state.with_experiment("length", None, _EXPERIMENT)
    both = state.with_experiment("length", "enterprise", _EXPERIMENT)
    assert set(both.experiments) == {"tone", "length"}
    with pytest.raises(NotFound, match="no rule 'public'"):
        state.with_experiment("length", "public", _EXPERIMENT)


def test_an_ended_experiment_leaves_a_version_in_every_place() -> None:
    also = Rule("public", {"tier": ("public",)}, ServeExperiment("tone"))
    state = first_state("1.0.0").with_experiment("tone", None, _EXPERIMENT).with_rules([_RULE, also])
    after = state.without_experiment("tone", "2.0.0")
    assert after.default == ServeVersion("2.0.0")
    assert after.defaults == ("1.0.0", "2.0.0")
    assert [rule.serve for rule in after.rules] == [ServeVersion("1.0.0"), ServeVersion("2.0.0")]
    assert after.experiments == {}


def test_rules_neither_invent_experiments_nor_lose_running_ones() -> None:
    state = first_state("1.0.0").with_rules([_RULE]).with_experiment("tone", "enterprise", _EXPERIMENT)
    with pytest.raises(Conflict, match="experiment tone would lose its rule"):
        state.with_rules([])
    with pytest.raises(Conflict, match="no experiment other runs here"):
        state.with_rules([*state.rules, Rule("x", {"a": ("b",)}, ServeExperiment("other"))])


def test_other_weights_keep_the_salt() -> None:
    state = first_state("1.0.0").with_experiment("tone", None, _EXPERIMENT)
    arms = (Arm("treatment", "2.0.0", 0.5), Arm("control", "1.0.0", 0.5))
    assert state.with_arms("tone", arms, 2).experiments["tone"] == Experiment("salt", 2, arms)


def test_a_state_is_read_as_it_was_written() -> None:
    state = _promoted("1.0.0", "2.0.0").with_rules([_RULE]).with_experiment("tone", None, _EXPERIMENT)
    assert state_of(state.served(7).to_json(), state.defaults) == state
