"""Runs that were made elsewhere: what is believed of them, and what is not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_evals.gate.judge import judge
from coalmine_evals.records import Output
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs import evidence
from coalmine_evals.runs.answers import SideName
from coalmine_evals.runs.published import Claim, ClaimedAnswer, ClaimedSide, PublishedRuns
from coalmine_evals.runs.store import RunStore
from coalmine_evals.suites.storage import put_suite
from coalmine_registry.errors import Conflict, EvidenceMissing, EvidenceRefused, NotFound
from coalmine_registry.records import Evidence
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.eval_case import CASES, MODEL, OTHER, PROMPT, EvalCase
from tests.support.data.registry_case import ADMIN, ANN, BOB

RUN = "ev-01a00000-0000-7000-8000-000000000000"


@pytest.fixture
def known(tmp_path: Path) -> Iterator[EvalCase]:
    found = EvalCase(tmp_path)
    yield found
    found.close()


def claim(known: EvalCase, run: str = RUN, *, baseline: bool = True, model: str = MODEL) -> Claim:
    one, other = (ClaimedSide(each, known.digest(each), "openai", model) for each in ("1.1.0", "1.0.0"))
    return Claim(run, "sums", known.suite.digest, 1, one, other if baseline else None)


def answers(known: EvalCase, side: SideName, wrong: Sequence[int] = ()) -> list[ClaimedAnswer]:
    """Right answers but for those that are wrong, with scores that say the opposite."""
    return [
        ClaimedAnswer(
            case=each.id,
            side=side,
            repeat=0,
            output=Output(
                f"It is {0 if number in wrong else each.expected}.",
                response_model=MODEL,
                answered_at=known.now,
            ),
            scores={"right": float(number in wrong)},
            details={},
            scoring_nano_usd=0,
        )
        for number, each in enumerate(known.cases)
    ]


def published(known: EvalCase, wrong: Sequence[int] = (), run: str = RUN) -> EvalRun:
    """A run of both versions, of which the candidate got some cases wrong."""
    taking = PublishedRuns(known.database, known.registry, judge)
    taking.begin(claim(known, run), actor="ann")
    taking.take(run, answers(known, "candidate", wrong))
    taking.take(run, answers(known, "baseline"))
    return taking.end(run)


def recorded(known: EvalCase, run: EvalRun, version: str = "1.1.0") -> Evidence:
    """Records a run as evidence."""
    made = evidence.record(known.registry, ANN, run, version, store=RunStore(known.database))
    assert made.run == run.id
    return Evidence("eval_run", run.id, "")


def test_a_run_that_passes_is_evidence_that_a_promotion_takes(known: EvalCase) -> None:
    known.registry.set_policy(ADMIN, "prod", ["eval_run"])
    with pytest.raises(EvidenceRefused, match="nothing was recorded under that id"):
        known.registry.promote(BOB, PROMPT, "1.1.0", "prod", (Evidence("eval_run", RUN, ""),))
    run = published(known)
    assert run.gate is not None
    assert (run.state, run.gate.outcome, run.cases, run.started_by) == ("ended", "pass", CASES, "ann")
    done = known.registry.promote(BOB, PROMPT, "1.1.0", "prod", (recorded(known, run),))
    assert done.status == "applied"


def test_scores_are_made_here_and_not_believed(known: EvalCase) -> None:
    """The answers said that they were right, and 20 of 60 are not."""
    run = published(known, wrong=range(20, 40))
    assert run.gate is not None
    assert run.gate.outcome == "fail"
    assert [each.mean for each in run.candidate.metrics] == [pytest.approx(2 / 3)]
    with pytest.raises(EvidenceRefused, match="did not pass"):
        known.registry.promote(BOB, PROMPT, "1.1.0", "prod", (recorded(known, run),))


def test_what_takes_a_model_to_score_is_taken_as_it_was_said(known: EvalCase) -> None:
    near = {"near": {"scorer": "embedding_similarity", "settings": {"model": "text-embedding-3-small"}}}
    known.suite = known.push_suite(0.1, metrics=near)
    taking = PublishedRuns(known.database, known.registry, judge)
    taking.begin(claim(known), actor="ann")
    sides: tuple[tuple[SideName, float], ...] = (("candidate", 0.75), ("baseline", 0.5))
    for side, value in sides:
        said = [replace(each, scores={"near": value}) for each in answers(known, side)]
        taking.take(RUN, said)
    run = taking.end(RUN)
    assert run.baseline is not None
    assert [each.mean for side in (run.candidate, run.baseline) for each in side.metrics] == [0.75, 0.5]


def test_a_run_of_another_content_is_no_evidence(known: EvalCase) -> None:
    run = published(known)
    known.register("1.2.0")
    with pytest.raises(Conflict, match=r"it is of content sha256:\w+, the version is"):
        recorded(known, run, "1.2.0")
    recorded(known, run)
    with pytest.raises(EvidenceRefused, match="whose content is not that of"):
        known.registry.promote(BOB, PROMPT, "1.2.0", "prod", (Evidence("eval_run", RUN, ""),))


def test_the_name_that_a_model_gives_itself_is_told_as_it_can_be_kept(known: EvalCase) -> None:
    run = published(known)
    odd = replace(run.candidate, response_models=("gpt\x00\x1b[31m",))
    made = recorded(known, replace(run, candidate=odd))
    assert r"on gpt\u0000\u001b[31m" in known.registry.evidence(made.reference).summary


def test_old_answers_are_old_evidence(known: EvalCase) -> None:
    known.registry.set_policy(ADMIN, "prod", ["eval_run"], evidence_max_age_days=14)
    run = published(known)
    known.later(days=15)
    with pytest.raises(EvidenceMissing, match="at most 14 days old"):
        known.registry.promote(BOB, PROMPT, "1.1.0", "prod", (recorded(known, run),))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "interrupted"}, "it is interrupted"),
        ({"cases": 59}, "it has 59 cases"),
        ({"split": "all"}, "do not decide"),
        ({"repeats": 0}, "0 times each"),
        ({"baseline": None}, "compare with 1.0.0, which is served"),
    ],
)
def test_what_is_no_evidence(known: EvalCase, change: dict[str, object], why: str) -> None:
    run = published(known)
    with pytest.raises(Conflict, match=why):
        recorded(known, replace(run, **change))  # type: ignore[arg-type]


def test_a_side_that_says_nothing_of_the_version(known: EvalCase) -> None:
    run = published(known)
    assert run.baseline is not None
    for change, why in (
        ({"candidate": replace(run.candidate, provider="recorded")}, "its answers were recorded"),
        ({"candidate": replace(run.candidate, model=OTHER)}, f"{OTHER} was asked, and the version is for"),
        ({"baseline": replace(run.baseline, digest="sha256:0")}, "small losses would add up"),
        ({"baseline": replace(run.baseline, provider="recorded")}, "answers of its baseline were recorded"),
    ):
        with pytest.raises(Conflict, match=why):
            recorded(known, replace(run, **change))  # type: ignore[arg-type]


def test_a_run_is_evidence_once_all_suites_of_the_prompt_have_passed(known: EvalCase) -> None:
    store = RunStore(known.database)
    run = published(known)
    other = replace(known.suite.suite, name="other")
    pushed = put_suite(known.database, other, actor="ann", now=known.now)
    with pytest.raises(Conflict, match="the suite other, too, which was not run on it"):
        recorded(known, run)
    harm = published(known, wrong=range(30), run=RUN[:-1] + "1")
    store.put(replace(harm, suite="other", suite_digest=pushed.digest))
    with pytest.raises(Conflict, match="the suite other, too, which has not passed"):
        recorded(known, run)
    passes = published(known, run=RUN[:-1] + "2")
    store.put(replace(passes, suite="other", suite_digest=pushed.digest))
    recorded(known, run)


def test_a_run_of_a_suite_that_has_changed_since_is_no_evidence(known: EvalCase) -> None:
    run = published(known)
    known.push_suite(margin=0.01)
    with pytest.raises(Conflict, match="the suite sums has changed since: run it again"):
        recorded(known, run)


def test_a_first_version_is_judged_by_the_cases_that_must_pass(tmp_path: Path) -> None:
    known = EvalCase(tmp_path)
    taking = PublishedRuns(known.database, known.registry, judge)
    for run, wrong in ((RUN, [5]), (RUN[:-1] + "1", [0])):
        taking.begin(replace(claim(known, run, baseline=False), candidate=claim(known).baseline), actor="ann")  # type: ignore[arg-type]
        taking.take(run, answers(known, "candidate", wrong))
        ended = taking.end(run)
        assert ended.gate is None
        made = evidence.record(known.registry, ANN, ended, "1.0.0", store=RunStore(known.database))
        assert made.passed is (wrong == [5])
        assert ("c00" in made.summary) is (wrong == [0])
    known.close()


def test_all_answers_have_to_come_and_each_counts_once(known: EvalCase) -> None:
    taking = PublishedRuns(known.database, known.registry, judge)
    taking.begin(claim(known), actor="ann")
    taking.take(RUN, answers(known, "candidate"))
    with pytest.raises(Conflict, match=r"60 of 120 answers of run .* such as repeat 0 of c00 by"):
        taking.end(RUN)
    taking.begin(claim(known), actor="ann")  # goes on
    taking.take(RUN, answers(known, "candidate", wrong=range(30)))  # too late
    taking.take(RUN, answers(known, "baseline"))
    run = taking.end(RUN)
    assert [each.mean for each in run.candidate.metrics] == [1.0]
    with pytest.raises(Conflict, match="has ended"):
        taking.take(RUN, answers(known, "candidate"))
    with pytest.raises(Conflict, match="has ended"):
        taking.begin(claim(known), actor="ann")


def test_what_was_paid_for_an_answer_without_text_counts_once(known: EvalCase) -> None:
    taking = PublishedRuns(known.database, known.registry, judge)
    taking.begin(claim(known, baseline=False), actor="ann")
    first, *rest = answers(known, "candidate")
    paid = Output(None, "empty: no text within the limit of tokens", cost_nano_usd=700)
    taking.take(RUN, [replace(first, output=paid, scoring_nano_usd=50), *rest])
    assert taking.end(RUN).spent_nano_usd == 750


def test_what_is_refused(known: EvalCase) -> None:
    taking = PublishedRuns(known.database, known.registry, judge)
    with pytest.raises(NotFound):
        taking.begin(replace(claim(known), suite_digest="0" * 64), actor="ann")
    wrong = replace(claim(known).candidate, digest="sha256:" + "0" * 64)
    with pytest.raises(Conflict, match="leave the version out of a draft"):
        taking.begin(replace(claim(known), candidate=wrong), actor="ann")
    with pytest.raises(NotFound):
        taking.take(RUN, [])
    taking.begin(claim(known), actor="ann")
    with pytest.raises(Conflict, match="changed since"):
        taking.begin(claim(known, model=OTHER), actor="ann")
    (first, *_) = answers(known, "candidate")
    for change, field in (
        ({"case": "nothing"}, "case"),
        ({"repeat": 1}, "side"),
        ({"output": replace(first.output, text=None), "scores": {"right": 1.5}}, "scores.right"),
        ({"output": replace(first.output, text=None), "scores": {}}, "scores"),
        ({"output": replace(first.output, answered_at=datetime(2026, 11, 1))}, "answered_at"),  # noqa: DTZ001
        ({"output": replace(first.output, answered_at=datetime.min.replace(tzinfo=UTC))}, "answered_at"),
        ({"output": replace(first.output, answered_at=datetime.max.replace(tzinfo=UTC))}, "answered_at"),
        (
            {
                "output": replace(first.output, text=None),
                "scores": {"right": 1.0},
                "details": {"right": {"said": "\ud800"}},
            },
            "details.right",
        ),
    ):
        with pytest.raises(InvalidParameter, match=rf"answers\[0\].{field}"):
            taking.take(RUN, [replace(first, **change)])
