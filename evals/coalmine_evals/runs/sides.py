"""What is run: a version of a prompt, or answers that were recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from coalmine_evals.providers.provider import Message, Provider, Request
from coalmine_evals.providers.recorded import RecordedOutputs
from coalmine_evals.records import Output
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.paid_once import PaidOnce
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import PromptContent, RenderError
from coalmine_schemas.prompts.json_values import JsonValue
from coalmine_schemas.prompts.templating import CompiledPrompt, Lookup, compile_prompt


@dataclass(frozen=True, slots=True)
class SideIdentity:
    """What a side is; fields as `Side` has them."""

    prompt: str | None
    version: str | None
    digest: str | None
    provider: str
    model: str | None


class RunSide(Protocol):
    """One side of a run."""

    @property
    def identity(self) -> SideIdentity:
        """What it is."""

    def request(self, case: Case) -> Request | None:
        """Returns what would be asked; None for answers that are there already.

        Raises:
            InvalidParameter: The case does not fit the prompt.
        """

    async def answer(self, case: Case, repeat: int) -> Output:
        """Answers a case; raises what `Provider.answer` raises."""


class RecordedSide:
    """Answers that were recorded.

    Args:
        recorded: The answers.
        prompt: Name of the prompt that they are of, where that is known.
        version: Its version.
    """

    def __init__(
        self, recorded: RecordedOutputs, *, prompt: str | None = None, version: str | None = None
    ) -> None:
        self._recorded = recorded
        self.identity = SideIdentity(prompt, version, recorded.digest, "recorded", None)

    def request(self, case: Case) -> None:
        """Nothing is asked."""

    async def answer(self, case: Case, repeat: int) -> Output:
        """Returns what was recorded."""
        return self._recorded.output(case.id, repeat)


class PromptSide:
    """A version of a prompt, rendered with the variables of each case.

    Args:
        content: The version.
        provider: Who answers.
        lookup: Content of an included `name@version`; raises KeyError if it is unknown.
        prompt: Name of the prompt; None for a draft without one.
        version: Its version; None for a draft.
        model: Model in place of the version's own.
        parameters: Parameters beside the version's own, which they win over.

    Raises:
        InvalidTemplate: A template of it is not valid.
        InvalidParameter: It names no model, and none is given.
    """

    def __init__(
        self,
        content: PromptContent,
        provider: Provider,
        *,
        lookup: Lookup,
        prompt: str | None = None,
        version: str | None = None,
        model: str | None = None,
        parameters: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self.content, self._provider = content, provider
        self._compiled: CompiledPrompt = compile_prompt(content, lookup)
        self._model = model_of(content, model, prompt)
        self._parameters = {**content.parameters, **(parameters or {})}
        self._rendered: dict[str, Request] = {}
        self.identity = SideIdentity(prompt, version, content.digest(), provider.name, self._model)

    def request(self, case: Case) -> Request:
        """Renders the prompt with the variables of a case."""
        if (found := self._rendered.get(case.id)) is None:
            try:
                messages = self._compiled.messages(case.variables)
            except RenderError as error:
                raise InvalidParameter(f"case {case.id}: {error}") from None
            found = self._rendered[case.id] = Request(
                model=self._model,
                messages=tuple(Message(each["role"], each["content"]) for each in messages),
                parameters=self._parameters,
                response_schema=self.content.output_schema,
            )
        return found

    def known(self, case: Case, repeat: int) -> bool:
        """Whether it has been paid for."""
        return isinstance(self._provider, PaidOnce) and self._provider.known(self.request(case), repeat)

    async def answer(self, case: Case, repeat: int) -> Output:
        """Asks the model."""
        return await self._provider.answer(self.request(case), repeat=repeat)


def model_of(content: PromptContent, model: str | None, prompt: str | None) -> str:
    """Returns the model that answers.

    Raises:
        InvalidParameter: Neither the version nor the suite names one.
    """
    found = model or content.model
    if found is None:
        raise InvalidParameter(
            f"{prompt or 'the prompt'} names no model: write `model: gpt-4o-mini` above it, or in the suite"
        )
    return found
