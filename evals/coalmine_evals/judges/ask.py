"""Asks a judge: several times, since one answer is a coin near the border."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Final

from coalmine_evals.judges.judge import JUDGED, RUBRIC, Judge
from coalmine_evals.judges.material import Block, TooLong, block_of
from coalmine_evals.judges.verdict import NoVerdict, Verdict, read_verdict
from coalmine_evals.providers.provider import Message, Provider, Request
from coalmine_evals.records import Output
from coalmine_schemas.prompts.errors import InvalidPrompt, RenderError
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue

SAMPLES: Final = 3
"""Answers of a judge to one question."""
MOST_SAMPLES: Final = 15


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says, several times, about one thing."""

    verdicts: tuple[Verdict, ...]
    """Those that could be read."""
    failures: tuple[str, ...]
    """Why others could not."""
    cost_nano_usd: int = 0
    """What it cost now: answers from the cache cost nothing."""
    response_models: tuple[str, ...] = ()

    @property
    def value(self) -> float | None:
        """Mean of the verdicts; None unless more than half of the samples have one."""
        if len(self.verdicts) <= len(self.failures):
            return None
        return fmean(each.value for each in self.verdicts)

    @property
    def spread(self) -> float | None:
        """Standard deviation between samples; None with fewer than two."""
        return pstdev(each.value for each in self.verdicts) if len(self.verdicts) > 1 else None

    @property
    def addresses_judge(self) -> bool:
        """True if most samples say that a judged text speaks to the judge."""
        return 2 * sum(each.addresses_judge for each in self.verdicts) > len(self.verdicts)

    def details(self) -> JsonObject:
        """What there is to see, for people."""
        found: JsonObject = {"verdicts": [each.verdict for each in self.verdicts]}
        if self.verdicts:
            found["reasoning"] = self.verdicts[0].reasoning
        if self.spread is not None:
            found["spread"] = round(self.spread, 4)
        if self.failures:
            found["failures"] = list(self.failures)
        if self.addresses_judge:
            found["addresses_judge"] = True
        if self.response_models:
            found["response_models"] = list(self.response_models)
        return found


async def ask(
    judge: Judge,
    provider: Provider,
    texts: Mapping[str, JsonValue],
    *,
    rubric: str | None = None,
    samples: int = SAMPLES,
) -> Judgement:
    """Asks a judge about texts.

    Args:
        judge: The judge.
        provider: Who answers for its model.
        texts: What is judged, by what it is: nothing of it reaches the judge but within the block.
        rubric: What the suite asks of answers, where the judge has a place for it.
        samples: Number of answers.

    Raises:
        ProviderRefused: It would refuse every other question, too.
    """
    try:
        request = request_of(judge, block_of(judge.name, texts), rubric)
    except (TooLong, RenderError) as error:
        return Judgement((), (str(error),))
    outputs = await asyncio.gather(*(provider.answer(request, repeat=number) for number in range(samples)))
    verdicts: list[Verdict] = []
    failures: list[str] = []
    for output in outputs:
        found = _read(judge, output)
        if isinstance(found, Verdict):
            verdicts.append(found)
        else:
            failures.append(found)
    return Judgement(
        tuple(verdicts),
        tuple(failures),
        sum(each.cost_nano_usd or 0 for each in outputs if not each.cached),
        tuple(sorted({each.response_model for each in outputs if each.response_model})),
    )


def request_of(judge: Judge, block: Block, rubric: str | None = None) -> Request:
    """Returns the question, with the block whole, once, in the last message, and instructions after it.

    Raises:
        InvalidPrompt: The judge wants a rubric and there is none, or moves the block with these values.
        RenderError: The judge's template fails.
    """
    variables = {JUDGED: block.text}
    if judge.uses_rubric:
        if not rubric or not rubric.strip():
            raise InvalidPrompt("rubric", rubric, f"say what {judge.reference} is to ask of answers")
        variables[RUBRIC] = rubric
    messages = judge.compiled.messages(variables)
    last = messages[-1]["content"]
    _, found, after = last.partition(block.text)
    outside = [each["content"] for each in messages[:-1]] + [last.replace(block.text, "", 1)]
    if not found or not after.strip() or any(block.boundary in text for text in outside):
        raise InvalidPrompt(
            "template", judge.reference, "write `{{ judged }}` once, under no condition, and text below it"
        )
    return Request(
        model=judge.model,
        messages=tuple(Message(each["role"], each["content"]) for each in messages),
        parameters=judge.parameters,
        response_schema=judge.schema,
    )


def _read(judge: Judge, output: Output) -> Verdict | str:
    if output.text is None:
        return output.error or "no answer"
    try:
        return read_verdict(judge, output.text)
    except NoVerdict as error:
        return f"no verdict: {error}"
