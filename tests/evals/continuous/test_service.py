"""Requests get scores within minutes; what keeps them from it is said, and stops both arms alike."""

from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from coalmine_evals.continuous import storage
from coalmine_evals.continuous.outbox import ScoreOutbox
from coalmine_evals.continuous.plan import Stratum
from coalmine_evals.continuous.service import NO_TEXTS, RolloutNeed
from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.storage.tables import production_scores
from coalmine_schemas.events import PromptScore
from tests.support.doubles.production import PROMPT, SCORED, Production

LOW = replace(SCORED, rate=0.1)


def scores_of(production: Production) -> dict[str, float | None]:
    rows = production.database.read(lambda connection: connection.execute(select(production_scores)).all())
    return {row.request_id: row.value for row in rows}


def arms_of(production: Production) -> list[str | None]:
    query = select(production_scores.c.arm)
    return list(production.database.read(lambda connection: connection.scalars(query).all()))


def in_experiment(arm: str) -> dict[str, object]:
    return {"experiment": "ro-1", "variant": arm, "allocation_epoch": 1}


def needs(min_units: int) -> RolloutNeed:
    return RolloutNeed("ro-1", "prod", PROMPT, frozenset({"faithful"}), ("treatment", "control"), min_units)


def test_every_request_is_scored_once_and_told_as_an_event(production: Production) -> None:
    before = production.requests(3)
    with closing(production.continuous()) as continuous:
        rows = production.requests(5)
        assert continuous.tick(production.stop) == 5
        assert continuous.tick(production.stop) == 0
    assert set(scores_of(production)) == {row["request_id"] for row in rows}
    assert not {row["request_id"] for row in before} & set(production.scorer.asked)
    outbox = ScoreOutbox(production.database)
    entries = outbox.outbox_pending(100)
    events = [entry.event for entry in entries]
    assert all(isinstance(each, PromptScore) for each in events)
    assert {(each.request_id, each.name, each.value, each.source, each.scorer) for each in events} == {  # type: ignore[union-attr]
        (row["request_id"], "faithful", 0.5, "heuristic", "fake@1") for row in rows
    }
    outbox.outbox_delivered([entry.id for entry in entries[:2]])
    assert outbox.outbox_pending(100) == entries[2:]


def test_a_process_that_was_killed_goes_on_and_scores_nothing_twice(production: Production) -> None:
    with closing(production.continuous()) as continuous:
        rows = production.requests(200)

        def stops_at_100(_case: Case, _output: str) -> Score:
            if len(production.scorer.asked) == 100:
                production.stop.set()
            return Score(1.0)

        production.scorer.say = stops_at_100
        continuous.tick(production.stop)
    assert len(scores_of(production)) < 200
    stored = set(scores_of(production))
    production.stop.clear()
    with closing(production.continuous()):
        assert set(scores_of(production)) == {row["request_id"] for row in rows}
    again = Counter(production.scorer.asked)
    assert all(again[each] == 1 for each in stored)


def test_only_requests_that_ended_well_are_scored(production: Production) -> None:
    with closing(production.continuous()) as continuous:
        production.requests(2, outcome="error", error_type="TimeoutError")
        production.requests(2, environment="dev")
        (good,) = production.requests(1)
        assert continuous.tick(production.stop) == 1
    assert set(scores_of(production)) == {good["request_id"]}


def test_without_texts_nothing_is_scored_and_it_is_said_what_to_switch_on(production: Production) -> None:
    with closing(production.continuous()) as continuous:
        production.requests(30, output_text=None)
        assert continuous.tick(production.stop) == 0
        found = continuous.missing("prod", PROMPT)
        assert NO_TEXTS in found["faithful"]
        assert "COALMINE_CAPTURE_TEXT" in found["faithful"]
        assert continuous.missing("prod", "another") == {}


def test_a_scorer_that_fails_is_an_outage_until_it_works_again(production: Production) -> None:
    def fails(_case: Case, _output: str) -> Score:
        raise ConnectionError("no route to the model")

    with closing(production.continuous()) as continuous:
        production.scorer.say = fails
        production.requests(5)
        continuous.tick(production.stop)
        assert continuous.missing("prod", PROMPT) == {}, "five at once may be chance"
        production.ahead += timedelta(minutes=5)
        continuous.tick(production.stop)
        assert "no route to the model" in continuous.missing("prod", PROMPT)["faithful"]
        production.ahead = timedelta(0)
        production.scorer.say = lambda _case, _output: Score(1.0)
        production.requests(1)
        continuous.tick(production.stop)
        assert continuous.missing("prod", PROMPT) == {}
    assert sorted(scores_of(production).values(), key=str) == [1.0, None, None, None, None, None]


def test_an_answer_without_a_score_is_not_zero_and_no_event(production: Production) -> None:
    with closing(production.continuous()) as continuous:
        production.scorer.say = lambda _case, _output: Score(None, {"reason": "it is empty"})
        production.requests(2)
        continuous.tick(production.stop)
    assert list(scores_of(production).values()) == [None, None]
    assert ScoreOutbox(production.database).outbox_pending(10) == []


def test_a_request_that_came_too_late_gets_no_score(production: Production) -> None:
    with closing(production.continuous()) as continuous:
        production.requests(3)
        production.ahead = timedelta(minutes=6)
        assert continuous.tick(production.stop) == 0
        (state,) = production.database.read(storage.states_of)
        assert state.missed == 3
        assert "too late" in (state.cause or "")


def test_a_worker_that_does_not_run_is_an_outage_of_all_its_metrics(production: Production) -> None:
    with closing(production.continuous()) as continuous:
        production.requests(1)
        continuous.tick(production.stop)
        assert continuous.missing("prod", PROMPT) == {}
        production.ahead = timedelta(minutes=10)
        assert "nothing has been scored since" in continuous.missing("prod", PROMPT)["faithful"]


def test_more_is_scored_of_both_arms_until_a_rollout_has_its_units(production: Production) -> None:
    production.needs = [needs(20)]
    with closing(production.continuous(LOW)) as continuous:
        arms = ("treatment", "control")
        production.store_requests(
            [production.request(**in_experiment(arm), unit_id=f"one-{arm}") for arm in arms * 10]
        )
        assert continuous.tick(production.stop) == 20, "one unit of each arm: more are needed"
        production.store_requests(
            [production.request(**in_experiment(arm), unit_id=f"{arm}{n}") for n in range(20) for arm in arms]
        )
        assert continuous.tick(production.stop) == 40
        (state,) = production.database.read(storage.states_of)
        assert (state.rate, state.raised_for) == (1.0, "ro-1")
        production.store_requests([production.request(**in_experiment(arm)) for arm in arms * 200])
        assert continuous.tick(production.stop) < 100, "both arms have their units: the usual rate again"
        (state,) = production.database.read(storage.states_of)
        assert (state.rate, state.raised_for) == (0.1, None)


def test_a_rollout_that_is_not_judged_by_the_metric_raises_nothing(production: Production) -> None:
    production.needs = [replace(needs(20), metrics=frozenset({"tone"}))]
    with closing(production.continuous(LOW)) as continuous:
        production.requests(200, **in_experiment("treatment"))
        assert continuous.tick(production.stop) < 60


def test_a_budget_that_ends_stops_both_arms_alike_and_is_said(production: Production) -> None:
    cost = 1_000_000
    production.scorer.say = lambda _case, _output: Score(0.9, cost_nano_usd=cost)
    with closing(production.continuous(budget_nano_usd=104 * cost)) as continuous:
        production.requests(4)
        continuous.tick(production.stop)
        arms = ("treatment", "control")
        production.store_requests([production.request(**in_experiment(arm)) for arm in arms * 100])
        assert continuous.tick(production.stop) == 100
        counts = Counter(arm for arm in arms_of(production) if arm is not None)
        assert min(counts.values()) > 30
        spent = production.database.read(partial(storage.spent_nano_usd, day=production.now()))
        assert spent == 104 * cost
        assert "budget" in continuous.missing("prod", PROMPT)["faithful"]


def test_a_budget_is_not_spent_while_it_is_not_known_what_a_score_costs(production: Production) -> None:
    cost = 1_000_000
    production.scorer.say = lambda _case, _output: Score(0.9, cost_nano_usd=cost)
    with closing(production.continuous(budget_nano_usd=1_000 * cost)) as continuous:
        production.requests(60)
        assert continuous.tick(production.stop) == 60
        assert continuous.missing("prod", PROMPT) == {}


def test_a_judge_that_fails_is_not_called_a_budget_that_is_spent(production: Production) -> None:
    for cost in (0, 1_000_000):
        said = Score(None, {"unscored": f"no verdict for {cost}"}, cost)
        production.scorer.say = lambda _case, _output, said=said: said  # type: ignore[misc]
        with closing(production.continuous(budget_nano_usd=10**9)) as continuous:
            production.requests(60)
            continuous.tick(production.stop)
            assert f"no verdict for {cost}" in continuous.missing("prod", PROMPT)["faithful"]


def test_scores_of_a_richer_stratum_are_kept_and_not_told(production: Production) -> None:
    scored = replace(SCORED, rate=0.0, strata=(Stratum("tier", "enterprise", 1.0),))
    with closing(production.continuous(scored)) as continuous:
        production.requests(4, segments=[("tier", "enterprise")])
        production.requests(4, segments=[("tier", "free")])
        assert continuous.tick(production.stop) == 4
    assert ScoreOutbox(production.database).outbox_pending(10) == []
