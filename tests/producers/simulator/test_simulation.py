"""The simulation as a whole: order, sameness, references, and the truth of each scenario."""

import math
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_simulator.actions import Action, FeedbackAction, RequestAction, ScoreAction
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.scenarios import SCENARIOS, scenario
from coalmine_simulator.simulation import Simulation
from coalmine_simulator.truth import VersionTruth, truth_of
from tests.support.campaign import size

STORY_S = 5400.0


@cache
def actions(name: str) -> list[Action]:
    return list(Simulation(scenario(name, STORY_S), 1).until(STORY_S))


def requests(found: list[Action]) -> list[RequestAction]:
    return [action for action in found if isinstance(action, RequestAction)]


@settings(max_examples=size(8, 20), deadline=None)
@given(st.sampled_from(sorted(SCENARIOS)), st.integers(0, 2**63))
def test_the_same_seed_gives_the_same_actions_in_order_of_time(name: str, seed: int) -> None:
    config = scenario(name, 600.0)
    first = list(islice(Simulation(config, seed), 200))
    assert first == list(islice(Simulation(config, seed), 200))
    assert [action.at_s for action in first] == sorted(action.at_s for action in first)


def test_iterating_again_begins_again() -> None:
    simulation = Simulation(scenario("steady"), 1)
    assert list(islice(simulation, 50)) == list(islice(simulation, 50))


def test_other_seeds_give_other_actions() -> None:
    config = scenario("steady")
    assert list(islice(Simulation(config, 1), 50)) != list(islice(Simulation(config, 2), 50))


def test_until_gives_what_is_sent_before_a_moment() -> None:
    found = list(Simulation(scenario("steady"), 1).until(120.0))
    assert found == list(islice(Simulation(scenario("steady"), 1), len(found)))
    assert found[-1].at_s < 120.0


def test_everything_refers_to_an_earlier_call_and_is_counted_in_it() -> None:
    followups: Counter[int] = Counter()
    promised: dict[int, int] = {}
    ended: dict[int, float] = {}
    for action in actions("demo"):
        refers_to = action.parent if isinstance(action, RequestAction) else action.request
        if refers_to is not None:
            followups[refers_to] += 1
            assert ended[refers_to] <= action.at_s
        if isinstance(action, RequestAction):
            assert action.number not in ended
            ended[action.number] = action.at_s
            promised[action.number] = action.followups
            assert action.at_s == pytest.approx(action.started_at_s + action.latency_ms / 1000)
    assert all(count <= promised[number] for number, count in followups.items())
    # What is still missing at the end had simply not come yet.
    assert sum(promised.values()) - followups.total() < 0.02 * sum(promised.values())


def test_feedback_comes_late_and_some_of_it_very_late() -> None:
    found = actions("demo")
    ended = {action.number: action.at_s for action in requests(found)}
    delays = sorted(a.at_s - ended[a.request] for a in found if isinstance(a, FeedbackAction))
    assert delays[0] > 0
    assert delays[len(delays) // 2] == pytest.approx(50, rel=0.25)
    assert delays[-1] > 1000


def test_calls_that_lead_to_others_share_trace_session_and_user_with_them() -> None:
    found = requests(actions("steady"))
    by_number = {action.number: action for action in found}
    children = [action for action in found if action.parent is not None]
    assert {child.prompt for child in children} == {"support-refund"}
    for child in children:
        parent = by_number[child.parent or 0]
        assert parent.prompt == "support-triage"
        assert child.started_at_s > parent.at_s
        for name in ("trace_id", "session_id", "unit_id", "segments"):
            assert getattr(child, name) == getattr(parent, name)
    triaged = [action for action in found if action.prompt == "support-triage" and action.error_type is None]
    expected = 0.4 * len(triaged)
    assert len(children) == pytest.approx(expected, abs=5 * math.sqrt(0.6 * expected) + 2)


def test_sessions_have_the_stated_number_of_calls_by_one_user_each_in_its_own_trace() -> None:
    sessions: defaultdict[str, list[RequestAction]] = defaultdict(list)
    for action in requests(actions("steady")):
        if action.parent is None:
            sessions[action.session_id].append(action)
    for calls in sessions.values():
        assert len({(call.unit_id, call.app) for call in calls}) == 1
        assert len({call.trace_id for call in calls}) == len(calls)
    sizes = [len(calls) for calls in sessions.values()]
    # Geometric with mean 2.5: standard deviation sqrt(1 - 0.4)/0.4; sessions cut at the end cost a little.
    bound = 5 * math.sqrt(0.6) / 0.4 / math.sqrt(len(sizes)) + 0.02
    assert sum(sizes) / len(sizes) == pytest.approx(2.5, abs=bound)


def test_a_unit_stays_in_its_arm_within_an_allocation() -> None:
    arms: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
    moved_back = 0
    seen_in_treatment: set[tuple[str, str]] = set()
    for call in requests(actions("demo")):
        if call.experiment is None or call.allocation_epoch is None or call.variant is None:
            continue
        arms[call.experiment, call.allocation_epoch, call.unit_id].add(call.variant)
        if call.variant == "treatment":
            seen_in_treatment.add((call.experiment, call.unit_id))
        elif (call.experiment, call.unit_id) in seen_in_treatment:
            moved_back += 1
    assert all(len(variants) == 1 for variants in arms.values())
    assert moved_back == 0
    assert {epoch for _, epoch, _ in arms} == {1, 2, 3}


def test_calls_outside_experiments_carry_no_arm() -> None:
    for call in requests(actions("bad-canary")):
        inside = call.experiment is not None
        assert (call.variant is not None, call.allocation_epoch is not None) == (inside, inside)


def test_one_prompt_s_versions_leave_the_other_prompts_alone() -> None:
    config = scenario("steady")
    refund = config.prompt("support-refund")
    worse = replace(refund, versions=(replace(refund.versions[0], quality=0.3),))
    changed = replace(config, prompts=(worse, *config.prompts[1:]))

    def of_search(simulation: Simulation) -> list[tuple[float, float | None]]:
        return [
            (call.latency_ms, call.quality)
            for call in requests(list(simulation.until(1800.0)))
            if call.prompt == "search-answer"
        ]

    assert of_search(Simulation(config, 5)) == of_search(Simulation(changed, 5))


def found_truth(name: str) -> dict[tuple[str, str], VersionTruth]:
    return truth_of(actions(name))


def test_the_traffic_is_as_much_as_configured() -> None:
    config = scenario("steady", STORY_S)
    begun = sum(call.parent is None for call in requests(actions("steady")))
    expected = config.traffic.expected_requests(STORY_S)
    # Sessions come in clumps (variance of a geometric count), and those under way at the end are cut.
    assert begun == pytest.approx(expected, abs=5 * math.sqrt(expected * 4) + 0.01 * expected)


def test_steady_measures_what_its_profiles_say() -> None:
    truths = found_truth("steady")
    for prompt in scenario("steady").prompts:
        for profile in prompt.versions:
            truth = truths[prompt.name, profile.version]
            n = truth.requests
            rate = profile.error_rate
            assert truth.error_rate == pytest.approx(rate, abs=5 * math.sqrt(rate * (1 - rate) / n))
            # Users differ in taste and come again, so quality is clustered by user: allow for it.
            assert truth.quality_mean == pytest.approx(profile.quality, abs=0.02)
            median = truth.latency_ms_quantile(0.5)
            assert median == pytest.approx(profile.latency_ms.median, rel=0.04)


def test_the_bad_canary_is_worse_in_everything_it_is_meant_to_be() -> None:
    truths = found_truth("bad-canary")
    good, bad = truths["support-refund", "1.3.0"], truths["support-refund", "1.4.0"]
    assert bad.requests > 500
    assert (bad.quality_mean or 1) < (good.quality_mean or 0) - 0.1
    assert (bad.thumbs_up_rate or 1) < (good.thumbs_up_rate or 0) - 0.1
    assert (bad.error_rate or 0) > 2 * (good.error_rate or 1)
    assert (bad.latency_ms_quantile(0.95) or 0) > 1.4 * (good.latency_ms_quantile(0.95) or 1)
    assert bad.output_tokens / bad.requests > 1.6 * good.output_tokens / good.requests
    last = [call for call in requests(actions("bad-canary")) if call.started_at_s >= 0.85 * STORY_S]
    assert {call.version for call in last if call.prompt == "support-refund"} == {"1.3.0"}


def test_the_incident_scenario_has_its_incidents_at_their_times() -> None:
    calls = requests(actions("incident"))

    def during(start: float, end: float, provider: str) -> list[RequestAction]:
        return [
            call
            for call in calls
            if start * STORY_S <= call.started_at_s < end * STORY_S and call.provider == provider
        ]

    def error_share(found: list[RequestAction]) -> float:
        return sum(call.error_type is not None for call in found) / len(found)

    assert error_share(during(0.20, 0.27, "openai")) == pytest.approx(0.55, abs=0.06)
    assert error_share(during(0.20, 0.27, "anthropic")) < 0.05
    assert error_share(during(0.0, 0.19, "openai")) < 0.03

    slow = sorted(call.latency_ms for call in during(0.40, 0.52, "anthropic"))
    usual = sorted(call.latency_ms for call in during(0.0, 0.40, "anthropic"))
    assert slow[len(slow) // 2] > 1.9 * usual[len(usual) // 2]

    drifted = {call.response_model for call in calls if call.prompt == "code-review" and call.response_model}
    assert drifted == {"gpt-4.1", "gpt-4.1-2025-04-14"}
    silent = [call for call in calls if call.version == "1.4.0"]
    assert min(call.started_at_s for call in silent) >= 0.75 * STORY_S
    assert {call.experiment for call in silent} == {None}


def test_the_demo_s_good_canary_goes_all_the_way_and_the_bad_one_is_taken_back() -> None:
    last = [call for call in requests(actions("demo")) if call.started_at_s >= 0.88 * STORY_S]
    assert {call.version for call in last if call.prompt == "search-answer"} == {"4.0.0"}
    assert {call.version for call in last if call.prompt == "support-refund"} == {"1.3.0"}


def test_quality_is_sent_once_per_answer_in_the_call_or_by_the_judge() -> None:
    found = actions("demo")
    judged = {action.request for action in found if isinstance(action, ScoreAction)}
    measured = {call.number for call in requests(found) if "quality" in dict(call.metrics)}
    assert judged
    assert measured
    assert not judged & measured


def test_an_unknown_scenario_and_a_story_without_length_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="steady, bad-canary, incident, demo"):
        scenario("chaos")
    with pytest.raises(InvalidConfig, match="story_s"):
        scenario("steady", 0.0)
