"""New versions that did not pass, models that harm, judges that moved."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from coalmine_alerts.facts import AnsweredBy, Evaluation, Rejected, VersionPlace
from coalmine_alerts.reading.evals import FromEvals
from coalmine_alerts.rules.evals import EvalRejected, JudgeMoved
from coalmine_alerts.rules.models import ModelNotEvaluated
from coalmine_evals.reruns.flags import put_flags
from coalmine_evals.reruns.jobs import Jobs, Wanted
from coalmine_evals.results.judges import CanaryStatus
from coalmine_evals.results.runs import EvalRun, Side
from coalmine_evals.storage.open import open_database
from coalmine_evals.storage.tables import eval_jobs
from coalmine_registry.storage.database import Database
from tests.support.data.alert_facts import KEY, NOW, facts, findings, one, served

REJECTED = Rejected(
    prompt="refund",
    version="1.1.0",
    author="dana",
    suite="refunds",
    harm=True,
    said="harm shown: correct is worse by 12 points",
    run="ev-1",
    job=7,
    at=NOW,
)
MOVED = CanaryStatus(
    scorer="judges/tone@1.0.0#gpt-4o",
    state="moved",
    cases=30,
    days=12,
    day="2026-03-20",
    shift=-0.12,
    lower=-0.2,
    upper=-0.04,
    moved_since="2026-03-19",
    response_models=("gpt-4o-2026-03-18",),
    sentence="the same answers score lower.",
)
SIDE = Side(
    prompt="refund",
    version="1.0.0",
    digest="sha256:1",
    provider="openai",
    model="gpt-4o",
    response_models=("gpt-4o-2026-03-18",),
    answered_from=NOW,
    answered_to=NOW,
    cost_nano_usd=1,
    latency_ms_p50=1.0,
    latency_ms_p95=1.0,
    metrics=(),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = open_database(tmp_path / "evals.db")
    yield found
    found.close()


def test_the_author_hears_of_a_rejection_once() -> None:
    told = one(EvalRejected()(facts(rejected=[REJECTED])))
    assert (told.condition, told.severity, told.notice) == (True, "info", "ev-1#7")
    assert told.labels == {
        "environment": "dev",
        "prompt": "refund",
        "version": "1.1.0",
        "suite": "refunds",
    }
    assert "dana" in told.story.summary
    assert "12 points" in told.story.summary
    assert any("coalmine evals cases ev-1" in each for each in told.story.could)
    other = one(EvalRejected()(facts(rejected=[replace(REJECTED, harm=False, run=None, said=None)])))
    assert other.story.title.startswith("Could not be evaluated")
    assert other.notice == "job#7"


def test_a_judge_that_moved_fires_until_it_has_come_back() -> None:
    told = one(JudgeMoved()(facts(judges=[MOVED])))
    assert (told.condition, told.severity, told.labels) == (True, "warning", {"scorer": MOVED.scorer})
    assert one(JudgeMoved()(facts(judges=[replace(MOVED, state="steady")]))).condition is False
    assert findings(JudgeMoved()(facts(judges=[replace(MOVED, state="learning")]))) == []


def test_a_model_on_which_a_run_has_shown_harm_is_named_so() -> None:
    known = Evaluation(key=KEY, runs=0, models=frozenset(), unsafe=frozenset(["gpt-4o-2026-03-18"]))
    answered = AnsweredBy(key=KEY, model="gpt-4o-2026-03-18", requests=100, first_at=NOW)
    told = one(ModelNotEvaluated()(facts(evaluations=[known], answered=[answered])))
    assert told.condition is True
    assert told.story.title.startswith("Unsafe on this model")


def test_new_versions_that_did_not_pass_are_read(database: Database) -> None:
    jobs = Jobs(database)
    wanted = [
        Wanted(
            cause="asked" if number == 3 else "registered",
            prompt="refund",
            version=f"1.0.{number}",
            digest=f"sha256:{number}",
            suite="refunds",
            suite_digest="0",
        )
        for number in range(6)
    ]
    jobs.ask(wanted, batch="b", actor="coalmine", now=NOW)
    states = ("done", "done", "failed", "done", "done", "running")
    outcomes = ("pass", "fail", None, "fail", "undecided", None)
    for number, (state, outcome) in enumerate(zip(states, outcomes, strict=True)):
        values = {"state": state, "outcome": outcome, "ended_at": NOW}
        statement = update(eval_jobs).where(eval_jobs.c.version == f"1.0.{number}").values(values)
        with database.exclusive() as connection:
            connection.execute(statement)
    found = FromEvals(lambda: database, lambda _prompt, _version: "dana").rejected(NOW)
    assert [(each.version, each.harm, each.author) for each in found] == [
        ("1.0.1", True, "dana"),
        ("1.0.2", False, "dana"),
    ]


def test_flags_join_what_evidence_says(database: Database) -> None:
    run = EvalRun(
        id="ev-1",
        state="ended",
        suite="refunds",
        suite_digest="0",
        dataset="d",
        dataset_digest="0",
        split="test",
        partial=False,
        cases=1,
        repeats=1,
        candidate=SIDE,
        baseline=None,
        gate=None,
        evidence=None,
        spent_nano_usd=0,
        started_at=NOW,
        ended_at=NOW,
        started_by="coalmine",
    )
    reading = FromEvals(lambda: database, lambda _prompt, _version: None)
    before = [Evaluation(key=KEY, runs=1, models=frozenset(["gpt-4o"]))]
    assert reading.flagged([served()], before) == before
    put_flags(database, run, "1.0.0", "fail", now=NOW)
    (found,) = reading.flagged([served()], before)
    assert not found.models
    assert found.unsafe == {"gpt-4o", "gpt-4o-2026-03-18"}
    put_flags(database, run, "1.0.0", "undecided", now=NOW)  # shows nothing, so what was shown stays
    assert reading.flagged([served()], before) == [found]
    put_flags(database, run, "1.0.0", "pass", now=NOW)
    (found,) = reading.flagged([served()], [])
    assert found.models == {"gpt-4o", "gpt-4o-2026-03-18"}
    assert not found.unsafe
    other = served()
    other = replace(other, key=VersionPlace("prod", "refund", "2.0.0"))
    assert reading.flagged([other], []) == []
