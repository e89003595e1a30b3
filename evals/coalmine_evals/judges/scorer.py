"""`llm_judge`: the score that a judge gives to an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Final, Self

from pydantic import Field

from coalmine_evals.judges.addressed import signs_of_address
from coalmine_evals.judges.ask import MOST_SAMPLES, SAMPLES, Judgement, ask
from coalmine_evals.judges.find import find_judge
from coalmine_evals.judges.judge import Judge, JudgeKind
from coalmine_evals.providers.provider import Models, Provider
from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.settings import made
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue
from coalmine_schemas.prompts.names import parse_reference
from coalmine_schemas.prompts.templating import Lookup

JUDGES: Final[Mapping[JudgeKind, str]] = {"one": "judge-rubric@1.0.0", "pair": "judge-pair@1.0.0"}
"""The judge where a suite names none."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """What a suite says of a judge."""

    judge: str | None = None
    """Reference to the judge's prompt; the one for rubrics, or for pairs, if not said."""
    rubric: str | None = None
    """What it asks of answers, where the judge has a place for it."""
    model: str | None = None
    """Snapshot in place of the judge's own: its scores are another series."""
    provider: str | None = None
    """Who answers for the model; told by its name if not said."""
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = SAMPLES
    """Answers of the judge to each question."""
    inputs: tuple[str, ...] | None = None
    """Variables of cases that the judge sees; all if not said."""
    same_family: bool = False
    """True if the judge may be of the family of the models that it judges, without a remark."""

    def __post_init__(self) -> None:
        if self.judge is not None:
            parse_reference(self.judge, "judge")


@dataclass(slots=True)
class _Found:
    """The judge, once it was looked for."""

    judge: Judge | None = None


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """What both scorers of judges share: finding the judge and who answers for it."""

    settings: JudgeSettings
    kind: JudgeKind
    models: Models | None = None
    prompts: Lookup | None = None
    found: _Found = field(default_factory=_Found, compare=False, repr=False)

    @property
    def judge(self) -> Judge:
        """The judge, with the model that the settings say.

        Raises:
            InvalidPrompt: The prompt is no judge of this kind, or the model is no snapshot.
            InvalidParameter: There is no such prompt.
        """
        if self.found.judge is None:
            judge = find_judge(self.settings.judge or JUDGES[self.kind], self.prompts).on(self.settings.model)
            if judge.kind != self.kind:
                other = "llm_judge_pairs" if judge.kind == "pair" else "llm_judge"
                raise InvalidParameter(
                    f"judge {judge.reference} judges {'pairs' if judge.kind == 'pair' else 'one answer'}: "
                    f"use it with the scorer {other}"
                )
            if judge.uses_rubric and not self.settings.rubric:
                raise InvalidParameter(
                    f"judge {judge.reference} needs a rubric: say under `rubric` what it asks of answers"
                )
            self.found.judge = judge
        return self.found.judge

    @property
    def name(self) -> str:
        """Series of the scores: judge, version, rubric and model."""
        return self.judge.name_for(self.settings.rubric)

    def with_models(self, models: Models) -> Self:
        """Returns the scorer that asks these models."""
        return replace(self, models=models)

    def with_prompts(self, prompts: Lookup) -> Self:
        """Returns the scorer that finds its judge among these prompts, then among those that ship."""
        return replace(self, prompts=prompts, found=_Found())

    def provider(self) -> Provider:
        """Who answers for the judge; see `Asking`."""
        if self.models is None:
            raise InvalidParameter(f"{self.name} has nobody to ask: models are asked by `coalmine evals run`")
        return self.models.of(self.judge.model, self.settings.provider)

    async def ask(self, texts: Mapping[str, JsonValue]) -> Judgement:
        """Asks the judge about texts."""
        rubric, samples = self.settings.rubric, self.settings.samples
        return await ask(self.judge, self.provider(), texts, rubric=rubric, samples=samples)

    def texts(self, case: Case, answers: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """What the judge sees of a case and of answers to it."""
        inputs, shows = self.settings.inputs, self.judge.shows
        seen: dict[str, JsonValue] = {}
        if "input" in shows:
            wanted = case.variables if inputs is None else inputs
            seen["input"] = {name: case.variables[name] for name in wanted if name in case.variables}
        if "expected" in shows and case.expected is not None:
            seen["expected"] = case.expected
        return seen | dict(answers)


@dataclass(frozen=True, slots=True)
class LlmJudge(JudgeScorer):
    """Asks a judge, which is a prompt, several times how good an answer is."""

    Settings: ClassVar = JudgeSettings

    @classmethod
    def of(cls, settings: Mapping[str, JsonValue]) -> Self:
        """Makes the scorer from a suite's settings.

        Raises:
            InvalidPrompt: They have a mistake; names it and what to write instead.
        """
        return cls(made(JudgeSettings, settings), "one")

    async def score(self, case: Case, output: str) -> Score:
        """Scores an answer: the mean of the judge's verdicts; None if most of them cannot be read."""
        judgement = await self.ask(self.texts(case, {"answer": output}))
        details = judgement.details()
        signs: JsonObject = {"signs_of_address": list(found)} if (found := signs_of_address(output)) else {}
        return Score(judgement.value, {**details, **signs}, judgement.cost_nano_usd)
