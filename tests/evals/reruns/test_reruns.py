"""Runs that the server begins: what is due, what they show, what they cost."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from coalmine_evals.providers.open import Access
from coalmine_evals.reruns.carry_out import Means, Runner
from coalmine_evals.reruns.due import Answering, due, served_with
from coalmine_evals.reruns.flags import flags_of
from coalmine_evals.results.models import Flag, RerunCell
from coalmine_evals.runs.store import RunStore
from coalmine_registry.errors import EvidenceRefused, NotFound
from coalmine_registry.records import Evidence
from coalmine_schemas.prices import PriceTable
from tests.support.data.eval_case import CASES, MODEL, OTHER, PROMPT, EvalCase
from tests.support.data.registry_case import ADMIN, BOB
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server


class Model:
    """Adds what it is asked to; how well depends on the version and the model."""

    def __init__(self) -> None:
        self.answers_as: Callable[[str], str] = lambda model: model
        self.is_wrong: Callable[[str, str, int], bool] = lambda version, model, number: False

    def __call__(self, asked: Asked) -> Reply:
        version, question = asked.last_message.removeprefix("v").split(": what is ")
        one, other = question.rstrip("?").split(" + ")
        model = self.answers_as(str(asked.body["model"]))
        wrong = self.is_wrong(version, model, int(one))
        return Reply(chat(f"It is {0 if wrong else int(one) + int(other)}.", model=model))


@pytest.fixture
def known(tmp_path: Path) -> Iterator[EvalCase]:
    found = EvalCase(tmp_path)
    yield found
    found.close()


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def llm(model: Model) -> Iterator[LlmServer]:
    with llm_server(model) as found:
        yield found


def runner(known: EvalCase, llm: LlmServer, tmp_path: Path, budget_usd: float = 1.0) -> Runner:
    return Runner(
        Means(
            database=known.database,
            registry=known.registry,
            access={"openai": Access(llm.url, "sk-test")},
            prices=PriceTable,
            cache=tmp_path / "cache.db",
            budget_nano_usd=round(budget_usd * 1e9),
            clock=lambda: known.now,
        )
    )


def find(known: EvalCase, running: Runner, answering: Sequence[Answering] = ()) -> int:
    """Asks for what is due; returns how many jobs that adds."""
    found = due(known.database, known.registry, now=known.now, every=timedelta(days=30), answering=answering)
    return running.jobs.ask(found, batch="re-1", actor="coalmine", now=known.now)


def run_all(running: Runner) -> list[RerunCell]:
    """Carries out everything that waits; returns all jobs, oldest first."""
    while running.run_next(threading.Event()):
        pass
    return running.jobs.page(limit=100, cursor=None).items[::-1]


def flags(known: EvalCase) -> dict[tuple[str, str], Flag]:
    return {(each.version, each.model): each.flag for each in flags_of(known.database)}


def test_a_new_version_is_run_beside_what_is_served_and_is_evidence(
    known: EvalCase, llm: LlmServer, tmp_path: Path
) -> None:
    running = runner(known, llm, tmp_path)
    known.registry.set_policy(ADMIN, "prod", ["eval_run"])
    # 1.1.0, which is new; and 1.0.0, which is served and never was run.
    assert find(known, running) == 2
    assert find(known, running) == 0
    new, served = run_all(running)
    assert (new.cause, new.version, new.state, new.outcome) == ("registered", "1.1.0", "done", "pass")
    assert (served.cause, served.version, served.state, served.outcome) == (
        "scheduled",
        "1.0.0",
        "done",
        None,
    )
    assert new.run is not None
    assert new.cost_nano_usd_per_case is not None
    assert flags(known) == {("1.1.0", MODEL): "safe", ("1.0.0", MODEL): "unknown"}
    kept = RunStore(known.database).run(new.run)
    assert known.registry.evidence(str(kept.evidence)).run == new.run
    evidence = (Evidence("eval_run", new.run, ""),)
    assert known.registry.promote(BOB, PROMPT, "1.1.0", "prod", evidence).status == "applied"


def test_a_version_that_is_worse_is_rejected(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    model.is_wrong = lambda version, _, number: version == "1.1.0" and number % 3 == 0
    running = runner(known, llm, tmp_path)
    find(known, running)
    new, _ = run_all(running)
    assert new.outcome == "fail"
    assert new.said is not None
    assert "worse" in new.said
    assert new.run is not None
    with pytest.raises(EvidenceRefused, match="did not pass"):
        known.registry.promote(BOB, PROMPT, "1.1.0", "prod", (Evidence("eval_run", new.run, ""),))


def test_models_are_tried_on_what_is_served(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    model.is_wrong = lambda _, asked, number: asked == OTHER and number % 2 == 0
    running = runner(known, llm, tmp_path)
    wanted, without = served_with(known.database, known.registry, [MODEL, OTHER, "gpt-4o-mini"], None)
    assert [(each.version, each.model) for each in wanted] == [("1.0.0", OTHER), ("1.0.0", "gpt-4o-mini")]
    assert without == ()
    running.jobs.ask(wanted, batch="re-2", actor="ann", now=known.now)
    worse, same = run_all(running)
    assert (worse.outcome, same.outcome) == ("fail", "pass")
    assert worse.baseline_cost_nano_usd_per_case is not None
    assert flags(known) == {("1.0.0", OTHER): "unsafe", ("1.0.0", "gpt-4o-mini"): "safe"}
    # Another model than its own says nothing of the version itself.
    assert known.registry.evidence_of(PROMPT).items == []
    # Answers of its own model were paid for once.
    assert llm.answered == 3 * CASES
    with pytest.raises(NotFound):
        served_with(known.database, known.registry, [OTHER], ["nothing"])


def test_a_model_that_answers_anew_is_compared_with_what_answered_before(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    running = runner(known, llm, tmp_path)
    find(known, running)
    run_all(running)
    known.later(days=3)
    model.answers_as = lambda _: "gpt-4o-mini-2026-11-01"
    model.is_wrong = lambda _, answers_as, number: number % 2 == 0
    seen = [Answering(PROMPT, "1.0.0", MODEL), Answering(PROMPT, "1.0.0", "gpt-4o-mini-2026-11-01")]
    assert find(known, running, seen) == 1
    assert find(known, running, seen) == 0
    cell = run_all(running)[-1]
    assert (cell.cause, cell.seen, cell.outcome) == ("model_seen", "gpt-4o-mini-2026-11-01", "fail")
    assert flags(known)["1.0.0", "gpt-4o-mini-2026-11-01"] == "unsafe"


def test_what_is_served_is_run_again_after_a_month_and_a_model_that_ends_beside_its_successor(
    known: EvalCase, llm: LlmServer, tmp_path: Path
) -> None:
    running = runner(known, llm, tmp_path)
    find(known, running)
    run_all(running)
    known.later(days=29)
    assert find(known, running) == 0
    known.later(days=2)
    assert find(known, running) == 1
    cell = run_all(running)[-1]
    assert (cell.cause, cell.version, cell.outcome) == ("scheduled", "1.0.0", "pass")
    assert llm.answered == 3 * CASES  # anew, or nothing would be found
    assert find(known, running, [Answering(PROMPT, "1.0.0", MODEL, OTHER)]) == 1
    cell = run_all(running)[-1]
    assert (cell.cause, cell.model, cell.outcome) == ("deprecated", OTHER, "pass")


def test_a_successor_that_cannot_be_asked_is_tried_once_a_day(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    def without_successor(asked: Asked) -> Reply:
        refused = Reply({"error": {"message": "no access"}}, 403)
        return refused if asked.body["model"] == OTHER else model(asked)

    llm.answer = without_successor
    running = runner(known, llm, tmp_path)
    find(known, running)
    run_all(running)
    ends = [Answering(PROMPT, "1.0.0", MODEL, OTHER)]
    for hours, asked in ((0, 1), (1, 0), (22, 0), (2, 1)):
        known.later(hours=hours)
        assert find(known, running, ends) == asked
        assert run_all(running)[-1].state == "failed"


def test_what_failed_by_itself_is_tried_again_after_a_day(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    llm.answer = lambda _: Reply({"error": {"message": "expired"}}, 401)
    running = runner(known, llm, tmp_path)
    assert find(known, running) == 2
    assert {each.state for each in run_all(running)} == {"failed"}
    llm.answer = model
    assert find(known, running) == 0
    known.later(hours=25)
    assert find(known, running) == 2
    assert [each.state for each in run_all(running)] == ["failed", "failed", "done", "done"]
    known.later(hours=25)
    assert find(known, running) == 0


def test_the_budget_of_a_day_stops_a_run_which_goes_on_the_next_day(
    known: EvalCase, llm: LlmServer, tmp_path: Path
) -> None:
    running = runner(known, llm, tmp_path, budget_usd=0.002)
    find(known, running)
    first, second = run_all(running)
    assert (first.state, second.state) == ("waiting", "waiting")
    assert first.said is not None
    assert "are spent" in first.said
    answered = llm.answered
    assert 0 < answered < CASES
    assert not running.run_next(threading.Event())
    known.later(days=1)
    assert running.left_nano_usd() == 2_000_000
    first, _ = run_all(running)
    assert (first.state, llm.answered > answered) == ("waiting", True)
    assert 0 <= running.left_nano_usd() < 2_000_000  # what it cost on the day before does not count


def test_what_a_job_paid_before_it_failed_counts_for_the_day(
    known: EvalCase, llm: LlmServer, tmp_path: Path
) -> None:
    running = runner(known, llm, tmp_path)
    find(known, running)
    known.database.write(lambda connection: connection.execute(text("DROP TABLE model_flags")))
    assert running.run_next(threading.Event())
    failed = running.jobs.page(limit=100, cursor=None).items[-1]
    assert (failed.state, llm.answered > 0) == ("failed", True)
    assert running.left_nano_usd() < 1_000_000_000


def test_a_job_that_was_stopped_goes_on_and_pays_for_nothing_twice(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    stop = threading.Event()

    def until_half(version: str, answers_as: str, number: int) -> bool:
        if number == CASES // 2:
            stop.set()
        return False

    model.is_wrong = until_half
    running = runner(known, llm, tmp_path)
    find(known, running)
    assert running.run_next(stop)
    (job, *_) = running.jobs.page(limit=9, cursor=None).items[::-1]
    model.is_wrong = lambda version, answers_as, number: False
    again = runner(known, llm, tmp_path)
    first, _ = run_all(again)
    assert (first.id, first.run, first.state) == (job.id, job.run, "done")
    assert llm.answered == 2 * CASES


def test_what_a_job_paid_before_its_process_was_killed_counts_for_the_day(
    known: EvalCase, model: Model, llm: LlmServer, tmp_path: Path
) -> None:
    running = runner(known, llm, tmp_path)
    find(known, running)
    left: list[int] = []
    ended: list[tuple[str, datetime | None]] = []

    def looks(version: str, answers_as: str, number: int) -> bool:
        # As who starts after a process that was killed now: nothing of it has ended.
        if number == CASES // 2:
            other = runner(known, llm, tmp_path)
            left.append(other.left_nano_usd())
            ended.extend((job.state, job.ended_at) for job in other.jobs.page(limit=9, cursor=None).items)
        return False

    model.is_wrong = looks
    assert running.run_next(threading.Event())
    assert running.left_nano_usd() < left[0] < 1_000_000_000
    assert ("running", None) in ended
    assert all(at is None for _, at in ended)
