"""What is scored and reviewed of production is read whole, and every mistake is named at once."""

import pytest

from coalmine_evals.production_file import ProductionPlan, read_production
from coalmine_schemas.mistakes import InvalidFile

EVERYTHING = """
continuous:
  budget_usd_per_day: 5
  deadline: 3m
  scores:
    faithful:
      scorer: llm_judge
      settings: {judge: judge-faithfulness@1.0.0}
      prompts: [support-*]
      rate: 5%
      strata: [{segment: tier, value: enterprise, rate: 50%}]
    short: {scorer: sentence_count, settings: {most: 3}}
review:
  support:
    prompts: [support-*]
    random: 2%
    double: 20%
    flags: [faithful < 0.8, thumbs = down]
    questions:
      correct: {ask: "Is the answer right?", answers: {yes: 1, partly: 50%, no: 0}}
"""


def test_everything_is_read() -> None:
    found = read_production(EVERYTHING)
    faithful, short = found.continuous.scores
    assert (faithful.source, short.source) == ("judge", "heuristic")
    assert (faithful.rate, faithful.rate_in_rollouts, faithful.strata[0].rate) == (0.05, 1.0, 0.5)
    assert faithful.covers("prod", "support-refund")
    assert not faithful.covers("dev", "support-refund")
    assert not faithful.covers("prod", "translate")
    assert (found.continuous.budget_nano_usd, found.continuous.deadline_s) == (5_000_000_000, 180)
    (queue,) = found.review
    assert queue.questions[0].answers == {"yes": 1.0, "partly": 0.5, "no": 0.0}
    assert [(each.name, each.compared, each.limit) for each in queue.flags] == [
        ("faithful", "<", 0.8),
        ("thumbs", "<=", 0.0),
    ]


def test_an_empty_file_asks_for_nothing() -> None:
    assert read_production("") == ProductionPlan()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("continous: {}", "did you mean continuous"),
        ("continuous: {deadline: 1h}", "continuous.deadline"),
        ("continuous: {budget_usd_per_day: -1}", "continuous.budget_usd_per_day"),
        ("continuous: {scores: {latency_ms: {scorer: exact}}}", "does not come from scores"),
        ("continuous: {scores: {faithful: {}}}", "continuous.scores.faithful.scorer"),
        ("continuous: {scores: {faithful: {scorer: exact, rate: 120%}}}", "faithful.rate"),
        ("continuous: {scores: {faithful: {scorer: exact, prompts: []}}}", "faithful.prompts"),
        ("continuous: {scores: {faithful: {scorer: exact, source: robot}}}", "faithful.source"),
        ("continuous: {scores: {faithful: {scorer: exact, strata: [{segment: a}]}}}", "strata[0].value"),
        ("review: {support: {}}", "review.support.questions"),
        ("review: {support: {questions: {correct: {}}}}", "questions.correct.ask"),
        ("review: {support: {questions: {ok: {ask: Right, answers: {yes: 1}}}}}", "give 2 to 10"),
        ("review: {support: {questions: {ok: {ask: Right}}, flags: [faithful]}}", "flags[0]"),
        ("review: {support: {questions: {ok: {ask: Right}}, flags: [thumbs < 1]}}", "thumbs = down"),
        ("review: {support: {questions: {ok: {ask: Right}}, flags: [x < nan]}}", "flags[0]"),
        ("review: {support: {questions: {ok: {ask: Right}}, random: much}}", "review.support.random"),
        ("review: [support]", "review"),
        ("- 1", "evals.yaml"),
    ],
)
def test_a_mistake_is_named_with_its_place(source: str, said: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        read_production(source)
    assert said in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    source = EVERYTHING.replace("5%", "5 percent").replace("thumbs = down", "thumbs = sideways")
    source = source.replace("correct: {ask", "faithful: {ask")
    with pytest.raises(InvalidFile) as caught:
        read_production(source)
    assert len(caught.value.mistakes) >= 2


def test_people_and_scorers_do_not_share_a_series() -> None:
    with pytest.raises(InvalidFile, match="two series"):
        read_production(EVERYTHING.replace("correct: {ask", "short: {ask"))
