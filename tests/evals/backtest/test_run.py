"""Two versions on requests of the past: who would have been better, and when nothing can be said."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from coalmine_evals.backtest.inputs import cases_of, said_by_user, stored_inputs
from coalmine_evals.backtest.run import PREFERRED, Compared, compare_all, row_of
from coalmine_evals.providers.provider import ProviderRefused
from coalmine_evals.records import Output, Score
from coalmine_evals.results.backtest import ProductionInput
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.sides import SideIdentity
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import PromptContent
from tests.support.data.store_feed import START
from tests.support.doubles.production import PROMPT, Production


@dataclass
class Side:
    """A version that answers as it is told."""

    say: Callable[[Case], str | None]
    identity: SideIdentity = field(default_factory=lambda: SideIdentity(PROMPT, "1.0.0", "d", "fake", "m"))

    def request(self, case: Case) -> None:
        """See `RunSide`."""

    def known(self, case: Case, repeat: int) -> bool:
        """See `RunSide`."""
        return False

    async def answer(self, case: Case, repeat: int) -> Output:
        """See `RunSide`."""
        text = self.say(case)
        return Output(text, None if text else "timeout: no answer within 60 s")


class Longer:
    """Prefers the longer answer."""

    name = "longer@1"

    async def score(self, case: Case, output: str) -> Score:
        """Not used: it compares."""
        raise AssertionError

    async def compare(self, case: Case, candidate: str, baseline: str) -> Score:
        """See `Compares`."""
        value = 0.5 if len(candidate) == len(baseline) else float(len(candidate) > len(baseline))
        return Score(value, {"consistent": value != 0.5})


class Polite:
    """Likes one word."""

    name = "polite@1"

    async def score(self, case: Case, output: str) -> Score:
        """See `Scorer`."""
        return Score(float("please" in output))


def case(number: int) -> Case:
    return Case(
        f"r{number}", {"q": str(number)}, None, (), f"u{number}", "test", must_pass=False, source=None
    )


def compared(candidate: Side, baseline: Side, count: int = 100) -> list[Compared]:
    cases = [case(number) for number in range(count)]
    scorers: dict[str, Any] = {PREFERRED: Longer(), "polite": Polite()}
    found = asyncio.run(compare_all(cases, candidate, baseline, scorers))
    assert found.stopped is None
    return list(found.compared)


def test_a_version_that_is_preferred_would_have_been_better() -> None:
    found = compared(
        Side(lambda each: "longer, please" if int(each.id[1:]) % 5 else "no"), Side(lambda _: "no")
    )
    row = row_of(PREFERRED, found, pairs=True)
    assert (row.outcome, row.cases, row.unscored) == ("better", 100, 0)
    assert (row.candidate, row.baseline, row.ties) == pytest.approx((0.8, 0.0, 0.2))
    assert row.position_consistency == pytest.approx(0.8)
    assert row.difference == pytest.approx(0.8)
    assert row.lower is not None
    assert row.upper is not None
    assert row.lower < 0.8 < row.upper
    polite = row_of("polite", found, pairs=False)
    assert (polite.outcome, polite.candidate, polite.baseline, polite.ties) == ("better", 0.8, 0.0, None)


def test_the_other_way_round_it_would_have_been_worse() -> None:
    found = compared(Side(lambda _: "no"), Side(lambda _: "longer"))
    assert row_of(PREFERRED, found, pairs=True).outcome == "worse"
    alike = row_of("polite", found, pairs=False)
    assert (alike.outcome, alike.difference) == ("undecided", 0.0)
    assert "would have been seen" in alike.sentence


def test_too_many_without_an_answer_say_nothing() -> None:
    found = compared(Side(lambda each: None if int(each.id[1:]) % 2 else "yes, longer"), Side(lambda _: "no"))
    row = row_of(PREFERRED, found, pairs=True)
    assert (row.outcome, row.cases, row.unscored, row.difference) == ("invalid", 50, 50, None)
    assert "50 of 100" in row.sentence
    polite = row_of("polite", compared(Side(lambda _: "no"), Side(lambda _: None)), pairs=False)
    assert (polite.outcome, polite.sentence[:10]) == ("invalid", "100 of 100")


def test_an_input_that_one_version_does_not_take_is_asked_of_neither() -> None:
    class Strict(Side):
        def request(self, case: Case) -> None:
            if case.id.endswith("1"):
                raise InvalidParameter(f"case {case.id}: tone is missing")

    asked: list[str] = []

    def no(case: Case) -> str:
        asked.append(case.id)
        return "no"

    found = compared(Strict(lambda _: "longer"), Side(no))
    assert len(asked) == 90
    row = row_of(PREFERRED, found, pairs=True)
    assert (row.outcome, row.cases, row.unscored) == ("better", 90, 10)
    assert found[1].candidate.error == found[1].baseline.error == "tone is missing"


def test_one_user_who_asks_often_is_one_user() -> None:
    found = compared(Side(lambda _: "longer"), Side(lambda _: "no"), count=1)
    row = row_of(PREFERRED, found * 50, pairs=True)
    assert (row.cases, row.clusters, row.outcome) == (50, 1, "undecided")


def test_a_refused_key_ends_it_and_what_was_done_is_kept() -> None:
    left = iter(range(40))

    def refuse(_case: Case) -> str:
        if next(left, None) is None:
            raise ProviderRefused("key refused")
        return "longer"

    cases = [case(number) for number in range(100)]
    found = asyncio.run(compare_all(cases, Side(refuse), Side(lambda _: "no"), {PREFERRED: Longer()}))
    assert (len(found.compared), found.stopped) == (40, "key refused")


def test_inputs_are_the_same_sample_and_say_how_many_there_are(production: Production) -> None:
    production.requests(10)
    production.requests(3, input_text=None)
    production.requests(2, outcome="error", error_type="X")
    production.requests(2, prompt="other")
    now = production.now()
    period = {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}
    reader = production.store.reader()
    found = stored_inputs(reader, prompt=PROMPT, environment="prod", most=4, **period)
    assert (found.requests, found.with_texts, len(found.sample)) == (13, 10, 4)
    more = stored_inputs(reader, prompt=PROMPT, environment="prod", most=8, **period)
    assert more.sample[:4] == found.sample
    none = stored_inputs(
        reader, prompt=PROMPT, environment="prod", most=4, since=START, until=START + timedelta(days=1)
    )
    assert (none.requests, none.sample) == (0, ())


def test_an_input_becomes_a_case_of_its_user() -> None:
    content = PromptContent.from_json(
        {"template": "Answer: {{ question }}", "variables": {"question": {"type": "string"}}}
    )
    two = PromptContent.from_json(
        {"template": "{{ a }}{{ b }}", "variables": {"a": {"type": "string"}, "b": {"type": "string"}}}
    )

    versions = {"1.0.0": content, "2.0.0": two}
    given = [
        ProductionInput("r1", "1.0.0", "Answer: Where?", "ann"),
        ProductionInput("r2", "1.0.0", "Where?", "ben"),
        ProductionInput("r3", "2.0.0", "Where?", "cas"),
        ProductionInput("r4", "9.0.0", "Where?", "dan"),
    ]
    cases, skipped = cases_of(given, versions.get)
    assert [(each.id, each.variables, each.cluster) for each in cases] == [
        ("r1", {"question": "Where?"}, "ann"),
        ("r2", {"question": "Where?"}, "ben"),
    ]
    assert sum(skipped.values()) == 2
    assert any("--variable" in each for each in skipped)
    assert "version 9.0.0 is not in the registry" in skipped
    cases, skipped = cases_of(given, versions.get, "a")
    assert (len(cases), skipped) == (4, {})


def test_what_the_user_said_last() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert said_by_user(json.dumps([*messages, {"role": "user", "content": "Where?"}])) == "Where?"
    for each in ("Where?", "[1, 2]", "[" * 100_000):
        assert said_by_user(each) == each
