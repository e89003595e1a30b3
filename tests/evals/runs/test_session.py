"""Runs against a real HTTP server: what is paid for, what is kept, and what stops them."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from coalmine_evals.gate import judge
from coalmine_evals.providers.http import HttpSettings
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.cost import Estimate
from coalmine_evals.runs.outcome import spent_on
from coalmine_evals.runs.run import Ended
from coalmine_evals.runs.session import Announce, Place, Wanted, evaluate
from coalmine_evals.runs.store import RunStore
from coalmine_evals.storage.open import open_database
from coalmine_evals.suites.cases import SuiteCases
from coalmine_evals.suites.read import suite_of
from coalmine_registry.errors import Conflict, NotFound
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompt_files.markdown import format_prompt
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.retry import RetryPolicy
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

_SUITE = suite_of(
    "refunds",
    {
        "prompt": "support-refund",
        "dataset": "refunds",
        "dataset_digest": "a" * 64,
        "metrics": {"right": {"scorer": "contains", "margin": 0.05}},
    },
    "refunds.yaml",
)
_VERSIONS = {
    version: PromptContent.from_json(
        {
            "template": template,
            "variables": {"question": {"type": "string"}},
            "model": "gpt-4o-mini",
            "parameters": {"max_tokens": 20},
        }
    )
    for version, template in (("1.0.0", "{{ question }}"), ("1.1.0", "Briefly: {{ question }}"))
}


def fetch(name: str, version: str) -> PromptContent:
    if name != "support-refund" or version not in _VERSIONS:
        raise NotFound(f"there is no {name}@{version}")
    return _VERSIONS[version]


def cases(count: int, **changes: object) -> SuiteCases:
    every = [
        Case(
            id=f"c{n:03}",
            variables={"question": f"What is {n}?"},
            expected=f"{n}",
            capabilities=(),
            cluster=f"c{n:03}",
            split="test",
            must_pass=False,
            source=None,
        )
        for n in range(count)
    ]
    return SuiteCases(replace(_SUITE, **changes), every)  # type: ignore[arg-type]


def right(asked: Asked) -> Reply:
    return Reply(chat("It is " + "".join(filter(str.isdigit, asked.last_message))))


class World:
    """A home for runs, and the server that they ask."""

    def __init__(self, home: Path, server: LlmServer) -> None:
        self.server = server
        self._home = home
        self.database = open_database(home / "evals.db")
        self.store = RunStore(self.database)
        self.progress: list[tuple[int, int]] = []

    def close(self) -> None:
        self.database.close()

    def run(
        self,
        wanted: Wanted,
        *,
        stop: Callable[[asyncio.Event], None] = lambda _: None,
        announce: Announce = lambda _run, _estimate: None,
        **settings: int,
    ) -> Ended:
        access = {"openai": Access(self.server.url, "sk-test")}
        back_off = RetryPolicy(first_s=0.01, max_s=0.02)

        async def work() -> Ended:
            prices = PriceTable()
            event = asyncio.Event()
            stop(event)
            place = Place(
                store=self.store,
                cache=self._home / "evals-cache.db",
                models=OpenModels(access, prices, HttpSettings(back_off=back_off, **settings)),
                prices=prices,
                fetch=fetch,
                judge=judge,
            )
            return await evaluate(
                wanted,
                place,
                announce=announce,
                stop=event,
                progress=lambda *each: self.progress.append(each),
            )

        return asyncio.run(work())


def both(found: SuiteCases) -> Wanted:
    return Wanted(found, "support-refund@1.1.0", "support-refund@1.0.0")


def test_every_case_is_asked_once_for_each_repeat_and_side_and_judged(tmp_path: Path) -> None:
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        ended = world.run(both(cases(10, repeats=2)))
        kept = world.store.run(ended.run.id)
    assert len(server.asked) == 10 * 2 * 2
    assert ended.stopped is None
    assert kept == ended.run
    assert (kept.state, kept.cases, kept.repeats, kept.partial) == ("ended", 10, 2, False)
    assert kept.gate is not None
    (metric,) = kept.candidate.metrics
    assert (metric.mean, metric.count, metric.unscored) == (1.0, 20, 0)
    assert kept.candidate.digest == _VERSIONS["1.1.0"].digest()
    assert kept.candidate.response_models == ("gpt-4o-mini-2024-07-18",)
    assert kept.spent_nano_usd == 40 * (100 * 150 + 10 * 600)
    assert world.progress[0] == (0, 40)
    assert world.progress[-1] == (40, 40)


def test_what_was_paid_for_is_not_paid_for_again_unless_asked(tmp_path: Path) -> None:
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        first = world.run(both(cases(5))).run
        again = world.run(both(cases(6))).run
        assert len(server.asked) == 12
        assert again.spent_nano_usd == 2 * 21_000
        assert again.candidate.cost_nano_usd == 6 * 21_000
        fresh = world.run(replace(both(cases(5)), fresh=True)).run
    assert len(server.asked) == 22
    assert fresh.spent_nano_usd == first.spent_nano_usd


def test_a_run_that_goes_on_has_spent_what_it_paid_for_answers_without_text(tmp_path: Path) -> None:
    thinks_only = [True]

    def answer(asked: Asked) -> Reply:
        return Reply(chat(None)) if thinks_only[0] and asked.number % 2 else right(asked)

    wanted = replace(both(cases(20)), budget_nano_usd=10 * 21_000 + 5_000)
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(wanted)
        thinks_only[0] = False
        ended = world.run(replace(wanted, resume=stopped.run.id, budget_nano_usd=100 * 21_000))
    assert (ended.stopped, len(server.asked)) == (None, 45)
    assert ended.run.spent_nano_usd == 45 * 21_000


def test_errors_are_unscored_and_asked_for_again_by_a_run_that_goes_on(tmp_path: Path) -> None:
    broken = [True]

    def answer(asked: Asked) -> Reply:
        if broken[0] and "3" in asked.last_message:
            return Reply({"error": {"message": "no"}}, 400)
        return right(asked)

    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        ended = world.run(Wanted(cases(10), "support-refund@1.1.0"))
        (metric,) = ended.run.candidate.metrics
        assert (metric.count, metric.unscored, ended.run.gate) == (9, 1, None)
        page = world.store.answers(ended.run.id, limit=100)
        assert [each.error for each in page.items if each.error] == ["refused: HTTP 400: no"]
        broken[0] = False
        again = world.run(Wanted(cases(10), "support-refund@1.1.0"))
    assert again.run.candidate.metrics[0].count == 10
    assert len(server.asked) == 11


def stopped_when(reached: threading.Event) -> Callable[[asyncio.Event], None]:
    """Stops a run once an event of another thread is set."""

    def when_reached(event: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def wait() -> None:
            reached.wait(60)
            loop.call_soon_threadsafe(event.set)

        threading.Thread(target=wait, daemon=True).start()

    return when_reached


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    reached = threading.Event()

    def answer(asked: Asked) -> Reply:
        if asked.number == 10:
            reached.set()
        return right(asked)

    wanted = both(cases(15, repeats=2))
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(wanted, stop=stopped_when(reached), concurrency=2)
        assert stopped.stopped == "it was stopped"
        assert world.store.run(stopped.run.id).state == "interrupted"
        assert len(server.asked) == len(world.store.kept(stopped.run.id)) < 60
        ended = world.run(replace(wanted, resume=stopped.run.id))
        assert ended.run.id == stopped.run.id
        assert ended.run.state == "ended"
        assert len(server.asked) == 15 * 2 * 2
        assert ended.run.spent_nano_usd == 60 * 21_000
        with pytest.raises(Conflict, match="has ended"):
            world.run(replace(wanted, resume=ended.run.id))


def test_one_process_at_a_time_goes_on_with_a_run(tmp_path: Path) -> None:
    wanted = replace(both(cases(5)), budget_nano_usd=3 * 21_000)
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        run = world.run(wanted).run.id
        asked = len(server.asked)
        going_on = replace(both(cases(5)), resume=run)
        with _other_process(run, tmp_path) as other:
            with pytest.raises(Conflict, match=f"run {run} goes on in another process"):
                world.run(going_on)
            assert len(server.asked) == asked
            other.kill()  # whatever becomes of it, the run is free
            other.wait()
            assert world.run(going_on).stopped is None
    assert len(server.asked) == 10


@contextmanager
def _other_process(run: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that carries out a run."""
    lines = (
        "import sys, pathlib; from coalmine_evals.runs.alone import alone",
        "with alone(sys.argv[1], pathlib.Path(sys.argv[2])): print('has it', flush=True); sys.stdin.read()",
    )
    command = [sys.executable, "-c", "\n".join(lines), run, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "has it\n"
        try:
            yield other
        finally:
            other.kill()


def test_a_run_of_something_else_does_not_go_on(tmp_path: Path) -> None:
    with (
        llm_server(lambda _: Reply({"error": "key"}, 401)) as server,
        closing(World(tmp_path, server)) as world,
    ):
        stopped = world.run(both(cases(5)))
        assert stopped.stopped is not None
        assert "check OPENAI_API_KEY" in stopped.stopped
        with pytest.raises(Conflict, match="cannot go on, as suite, repeats changed since"):
            world.run(replace(both(cases(5, repeats=3)), resume=stopped.run.id))
        with pytest.raises(NotFound, match="the newest is"):
            world.run(replace(both(cases(5)), resume="ev-nothing"))


def test_a_budget_is_never_overdrawn_and_the_run_goes_on_with_more(tmp_path: Path) -> None:
    budget = 10 * 21_000 + 5_000
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(replace(both(cases(20)), budget_nano_usd=budget))
        assert stopped.stopped is not None
        assert "the next answer may cost" in stopped.stopped
        assert stopped.run.state == "interrupted"
        assert stopped.run.spent_nano_usd == len(server.asked) * 21_000 <= budget
        ended = world.run(replace(both(cases(20)), resume=stopped.run.id, budget_nano_usd=41 * 21_000))
    assert ended.stopped is None
    assert len(server.asked) == 40


def test_no_budget_can_be_kept_without_a_price(tmp_path: Path) -> None:
    wanted = replace(both(cases(3, model="our-own-model")), budget_nano_usd=10**9)
    with (
        llm_server(right) as server,
        closing(World(tmp_path, server)) as world,
        pytest.raises(InvalidParameter, match=r"no price is known for our-own-model.*pricing\.toml"),
    ):
        world.run(wanted)
    assert server.asked == []


def test_a_budget_is_kept_for_embeddings_which_have_no_price_of_output(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        if "input" not in asked.body:
            return right(asked)
        usage = {"prompt_tokens": 1_000, "total_tokens": 1_000}
        return Reply({"object": "list", "data": [{"embedding": [1.0, 0.0]}], "model": "m", "usage": usage})

    near = {"scorer": "embedding_similarity", "settings": {"model": "text-embedding-3-small"}}
    suite = suite_of("refunds", {**_SUITE.to_json(), "metrics": {"near": near}}, "refunds.yaml")
    wanted = Wanted(replace(cases(3), suite=suite), "support-refund@1.1.0", budget_nano_usd=10**9)
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        ended = world.run(wanted)
    assert (ended.stopped, ended.run.candidate.metrics[0].mean) == (None, 1.0)
    # Of 1,000 tokens each: three answers, and the number that is expected of each.
    assert ended.run.spent_nano_usd == 3 * 21_000 + 6 * 20_000


def test_answers_without_text_that_were_paid_for_count_towards_the_budget(tmp_path: Path) -> None:
    def thinks_only(asked: Asked) -> Reply:
        return right(asked) if asked.number % 3 == 1 else Reply(chat(None))

    with llm_server(thinks_only) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(replace(both(cases(40)), budget_nano_usd=10 * 21_000 + 5_000))
    assert "the next answer may cost" in (stopped.stopped or "")
    assert len(server.asked) == 10
    assert stopped.run.baseline is not None
    sides = (stopped.run.candidate.cost_nano_usd, stopped.run.baseline.cost_nano_usd)
    assert sum(each or 0 for each in sides) == stopped.run.spent_nano_usd == 10 * 21_000


@pytest.mark.parametrize(
    ("judge", "budget_nano_usd", "said"),
    [
        ({"judge": "judge-tone@1.0.0", "provider": "anthropic"}, None, "no key for anthropic"),
        ({"judge": "judge-gone@1.0.0"}, None, "judge-gone"),
        ({"judge": "judge-tone@1.0.0", "model": "our-own-2026-01-01"}, 10**9, "no price is known for our"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_known_before_anything_is_paid(
    tmp_path: Path, judge: dict[str, object], budget_nano_usd: int | None, said: str
) -> None:
    wanted = replace(_judged(judge), budget_nano_usd=budget_nano_usd)
    with (
        llm_server(right) as server,
        closing(World(tmp_path, server)) as world,
        pytest.raises(InvalidParameter, match=said),
    ):
        world.run(wanted)
    assert server.asked == []


@pytest.mark.parametrize(
    ("scorer", "questions"), [("llm_judge", 20 * 3 * 2), ("llm_judge_pairs", 20 * 3 * 2)]
)
def test_what_judges_will_cost_is_said_before(tmp_path: Path, scorer: str, questions: int) -> None:
    def answer(asked: Asked) -> Reply:
        if "response_format" not in asked.body:
            return Reply(chat(asked.last_message))
        verdict = 5 if scorer == "llm_judge" else "first"
        told = {"reasoning": "", "addresses_judge": False, "verdict": verdict}
        return Reply(chat(json.dumps(told)))

    settings: dict[str, object] = {
        "judge": "judge-tone@1.0.0" if scorer == "llm_judge" else "judge-pair@1.0.0"
    }
    wanted = replace(_judged(settings, scorer), baseline="support-refund@1.0.0")
    said: list[Estimate] = []
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        world.run(wanted, announce=lambda _, expected: said.append(expected))
        alone = world.run(both(cases(20)), announce=lambda _, expected: said.append(expected))
    with_judge, without = said
    assert (with_judge.asked, with_judge.judged, without.judged) == (40, questions, 0)
    assert sum("response_format" in each.body for each in server.asked) == questions
    assert alone.run.spent_nano_usd == 0
    assert with_judge.nano_usd is not None
    assert with_judge.nano_usd > 40 * 10_000


def test_what_a_judge_failed_to_score_is_asked_again_by_a_run_that_goes_on(tmp_path: Path) -> None:
    failed = threading.Event()

    def answer(asked: Asked) -> Reply:
        if "response_format" not in asked.body:
            return right(asked)
        if not failed.is_set():
            if sum("response_format" in each.body for each in server.asked) == 5:
                failed.set()
            return Reply({"error": {"message": "no"}}, 400)
        return Reply(chat('{"reasoning": "", "addresses_judge": false, "verdict": 5}'))

    wanted = _judged({"judge": "judge-tone@1.0.0", "samples": 1})
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(wanted, stop=stopped_when(failed), concurrency=2)
        kept = world.store.kept(stopped.run.id)
        assert any(each.output.error is None and each.scores["kind"].value is None for each in kept)
        asked = len(server.asked)
        ended = world.run(replace(wanted, resume=stopped.run.id))
        assert [each.unscored for each in ended.run.candidate.metrics] == [0, 0]
        assert sum("response_format" not in each.body for each in server.asked) == 20
        assert ended.run.spent_nano_usd == spent_on(kept) + 21_000 * (len(server.asked) - asked)


def test_answers_that_no_judge_can_be_asked_about_any_more_are_kept(tmp_path: Path) -> None:
    verdict = chat('{"reasoning": "", "addresses_judge": false, "verdict": 5}')
    expired = [True]

    def answer(asked: Asked) -> Reply:
        if "response_format" not in asked.body:
            return right(asked)
        return Reply({"error": "expired"}, 401) if expired[0] else Reply(verdict)

    wanted = _judged({"judge": "judge-tone@1.0.0", "samples": 1})
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(wanted)
        answers = sum("response_format" not in each.body for each in server.asked)
        assert stopped.stopped is not None
        assert "check OPENAI_API_KEY" in stopped.stopped
        assert stopped.run.spent_nano_usd == answers * 21_000
        expired[0] = False
        ended = world.run(replace(wanted, resume=stopped.run.id))
    assert ended.stopped is None
    assert [each.unscored for each in ended.run.candidate.metrics] == [0, 0]
    assert ended.run.spent_nano_usd == 2 * 20 * 21_000


@pytest.mark.parametrize(
    ("scorer", "judge"), [("llm_judge", "judge-tone@1.0.0"), ("llm_judge_pairs", "judge-pair@1.0.0")]
)
def test_a_run_says_why_answers_have_no_score(tmp_path: Path, scorer: str, judge: str) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(chat(asked.last_message if "response_format" not in asked.body else "no JSON"))

    wanted = replace(_judged({"judge": judge}, scorer), baseline="support-refund@1.0.0")
    with llm_server(answer) as server, closing(World(tmp_path, server)) as world:
        ended = world.run(wanted)
    assert ended.run.gate is not None
    told = " ".join(ended.run.gate.warnings)
    for side in ("candidate", "baseline"):
        said = f"kind has no score for answers of the {side}, e.g. c000: no verdict: not JSON as asked for"
        assert said in told


def _judged(judge: dict[str, object], scorer: str = "llm_judge") -> Wanted:
    kind = {"scorer": scorer, "settings": judge, "role": "advisory"}
    found = _SUITE.to_json()
    suite = suite_of("refunds", {**found, "metrics": {"right": "contains", "kind": kind}}, "refunds.yaml")
    return Wanted(replace(cases(20), suite=suite), "support-refund@1.1.0")


def test_what_fails_from_the_start_is_not_tried_to_the_end(tmp_path: Path) -> None:
    with (
        llm_server(lambda _: Reply({"error": {"message": "bad parameter"}}, 400)) as server,
        closing(World(tmp_path, server)) as world,
    ):
        stopped = world.run(Wanted(cases(500), "support-refund@1.1.0"))
    assert stopped.stopped == (
        "the first 20 answers of the candidate are all errors, such as refused: HTTP 400: bad parameter"
    )
    assert len(server.asked) < 100


@pytest.mark.parametrize(
    "reply",
    [Reply({"error": "no such key"}, 401), Reply({"error": "daily limit"}, 429, {"retry-after": "86400"})],
)
def test_what_waits_for_its_turn_is_not_asked_for_once_all_is_refused(tmp_path: Path, reply: Reply) -> None:
    with llm_server(lambda _: reply) as server, closing(World(tmp_path, server)) as world:
        stopped = world.run(Wanted(cases(500), "support-refund@1.1.0"))
    assert "refuses" in (stopped.stopped or "")
    assert len(server.asked) < 20


def test_a_case_that_does_not_fit_the_prompt_is_known_before_anything_is_paid(tmp_path: Path) -> None:
    found = cases(10)
    odd = [replace(each, variables={}) for each in found.every[:7]]
    with (
        llm_server(right) as server,
        closing(World(tmp_path, server)) as world,
        pytest.raises(InvalidParameter) as error,
    ):
        world.run(both(SuiteCases(found.suite, [*odd, *found.every[7:]])))
    assert str(error.value).startswith("candidate: case c000: ")
    assert str(error.value).endswith("and 9 more")
    assert server.asked == []


def test_fewer_cases_are_always_the_same_and_no_evidence(tmp_path: Path) -> None:
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        first = world.run(replace(both(cases(50)), limit=8)).run
        world.run(replace(both(cases(50)), limit=8))
    assert len(server.asked) == 16
    assert (first.cases, first.partial) == (8, True)
    assert first.gate is not None
    assert (
        "8 cases, 1 answers to each: not what the suite says, so the run is no evidence"
        in first.gate.warnings
    )
    asked = [int("".join(filter(str.isdigit, each.last_message))) for each in server.asked]
    assert sorted(asked) != sorted(2 * list(range(8)))


def test_recorded_answers_need_no_model(tmp_path: Path) -> None:
    lines = [f'{{"case": "c{n:03}", "output": "It is {n}", "model": "m-1"}}' for n in range(9)]
    recorded = tmp_path / "old.jsonl"
    recorded.write_text("\n".join(lines))
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        ended = world.run(Wanted(cases(10), str(recorded), str(recorded)))
    assert server.asked == []
    (metric,) = ended.run.candidate.metrics
    assert (metric.count, metric.unscored) == (9, 1)
    assert (ended.run.candidate.provider, ended.run.candidate.response_models) == ("recorded", ("m-1",))
    assert ended.run.spent_nano_usd == 0


def test_a_draft_in_a_folder_is_its_version_and_finds_what_it_includes(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    for name, version, text in (
        (
            "support-refund",
            "2.0.0",
            "---\nmodel: gpt-4o-mini\nvariables: {question: string}\n---\n"
            "{% include 'tone@1.0.0' %} {{ question }}\n",
        ),
        ("tone", "1.0.0", "Be kind."),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{version}.md").write_text(text)
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        ended = world.run(Wanted(cases(2), str(folder / "support-refund" / "2.0.0.md")))
    assert (ended.run.candidate.prompt, ended.run.candidate.version) == ("support-refund", "2.0.0")
    assert sorted(each.last_message for each in server.asked) == [
        "Be kind. What is 0?",
        "Be kind. What is 1?",
    ]


def test_a_suite_sends_our_key_nowhere_else(tmp_path: Path) -> None:
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        with pytest.raises(InvalidParameter, match="the key of openai belongs to"):
            world.run(both(cases(3, base_url="https://collect.example/v1")))
        with llm_server(right) as other:
            world.run(both(cases(3, base_url=other.url)))
    assert server.asked == []
    assert len(other.asked) == 6
    assert all("authorization" not in each.headers for each in other.asked)


def test_what_leaks_from_the_prompt_or_between_cases_is_told(tmp_path: Path) -> None:
    found = cases(3)
    question = "Please say how long I may wait until I send it back"
    twice = [replace(each, variables={"question": question}) for each in found.every[:2]]
    shown = PromptContent.from_json(
        {**_VERSIONS["1.0.0"].to_json(), "template": f"{question}: {{{{ question }}}}"}
    )
    with llm_server(right) as server, closing(World(tmp_path, server)) as world:
        (tmp_path / "shown.md").write_text(format_prompt(shown))
        leaky = SuiteCases(found.suite, [*twice, found.every[2]])
        ended = world.run(Wanted(leaky, str(tmp_path / "shown.md"), "support-refund@1.0.0"))
        assert ended.run.gate is not None
        told = " ".join(ended.run.gate.warnings)
        assert "2 cases of test are in the prompt itself, e.g. c000 in template" in told
        assert "2 cases of test are nearly each other, e.g. c000 and c001" in told
