"""Runs prompts in sequence: outputs become inputs, and each step is a call and an event of its own.

```python
from coalmine import Chain, Coalmine, Step, StepRun

chain = Chain(
    Step("classify", prompt="support-classify", inputs={"text": "question"}),
    Step("answer", prompt="support-answer", inputs={"question": "question", "topic": "classify.topic"}),
)

def ask(run: StepRun) -> object:
    reply = openai_client.chat.completions.create(
        model=run.call.model, messages=run.messages, **run.call.parameters
    )
    run.call.record(reply)
    text = reply.choices[0].message.content
    return json.loads(text) if run.step.name == "classify" else text

done = chain.run(cm, ask, {"question": "Where is my refund?"}, unit_id=user_id)
print(done.output, done.request_ids["answer"])
```
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from coalmine.call import Call
from coalmine.prompts.prompt import Prompt
from coalmine_schemas.errors import CoalmineError, InvalidParameter
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.prompts import MissingVariables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coalmine.client import Coalmine


@dataclass(frozen=True, slots=True)
class Step:
    """One prompt of a chain."""

    name: str
    """Name of the step, and of its output for later steps."""
    prompt: str | None = None
    """Name of the prompt; the step's own unless given. Its version is chosen when the step runs."""
    inputs: Mapping[str, str] | None = None
    """Where each variable of the prompt comes from: a value given to the chain, an earlier step, or an entry
    of a step's output (`classify.topic`). Without it, everything known is passed by its own name."""
    model: str | None = None
    """Model to ask; the version's own unless given."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """A step in progress: what is needed to ask the model."""

    step: Step
    prompt: Prompt
    """The version that is served."""
    call: Call
    """Its call, already begun; give it the reply: `run.call.record(reply)`."""
    variables: Mapping[str, Any]
    """What the prompt was rendered with."""
    messages: list[Any]
    """The prompt as messages, as of `Prompt.messages`."""

    @property
    def text(self) -> str:
        """The prompt as one text."""
        return "\n\n".join(message["content"] for message in self.messages)


Ask: TypeAlias = Callable[[StepRun], Any]
"""Asks the model and returns the step's output: a text, or a mapping that later steps take entries of."""

AskAsync: TypeAlias = Callable[[StepRun], Awaitable[Any]]
"""The same, awaited."""


@dataclass(frozen=True, slots=True)
class ChainResult:
    """What a chain gave."""

    trace_id: str
    """Of the events of all its steps."""
    outputs: Mapping[str, Any]
    """By step."""
    request_ids: Mapping[str, str]
    """By step: for feedback and scores."""

    @property
    def output(self) -> Any:  # noqa: ANN401 - whatever the last step gave
        """Output of the last step."""
        return self.outputs[next(reversed(tuple(self.outputs)))]


class StepFailed(CoalmineError):
    """A step of a chain failed, and no later one was run. The step's own error is the cause.

    Args:
        step: Name of the step.
        prompt: Name of its prompt.
        trace_id: Of the events of the chain.
        request_id: Of the step's event; None when it failed before there was one.
        reason: What went wrong.
    """

    def __init__(self, step: str, prompt: str, trace_id: str, request_id: str | None, reason: str) -> None:
        super().__init__(step, prompt, trace_id, request_id, reason)
        self.step = step
        self.prompt = prompt
        self.trace_id = trace_id
        self.request_id = request_id
        self.reason = reason

    def __str__(self) -> str:
        return f"step {self.step} (prompt {self.prompt}) failed: {self.reason}"


@dataclass(slots=True)
class _Progress:
    """One run of a chain."""

    cm: "Coalmine"
    values: dict[str, Any]
    served: dict[str, Any]
    trace_id: str
    parent_request_id: str | None
    outputs: dict[str, Any] = field(default_factory=dict)
    request_ids: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def step(self, step: Step) -> "Iterator[StepRun]":
        """Runs a block within the call of a step; an error of it is raised as the step's."""
        call = None
        prompt_name = step.prompt or step.name
        try:
            prompt = self.cm.prompt(prompt_name, **self.served)
            call = prompt.call(
                model=step.model, trace_id=self.trace_id, parent_request_id=self.parent_request_id
            )
            with call:
                variables = self._variables(step)
                given = variables
                if step.inputs is None:  # everything so far, of which it takes what it declares
                    given = {name: value for name, value in variables.items() if name in prompt.variables}
                yield StepRun(step, prompt, call, variables, prompt.messages(**given))
        except Exception as error:
            request_id = call.request_id if call else None
            reason = f"{type(error).__name__}: {error}"
            raise StepFailed(step.name, prompt_name, self.trace_id, request_id, reason) from error
        self.request_ids[step.name] = self.parent_request_id = call.request_id

    def _variables(self, step: Step) -> Mapping[str, Any]:
        known = {**self.values, **self.outputs}
        if step.inputs is None:
            return known
        return {name: _find(source, known) for name, source in step.inputs.items()}

    def result(self) -> ChainResult:
        return ChainResult(self.trace_id, self.outputs, self.request_ids)


class Chain:
    """Prompts in sequence. Immutable, safe to share.

    Args:
        steps: In the order in which they run.

    Raises:
        InvalidParameter: There is no step, names repeat, or a step takes what a later one gives.
    """

    def __init__(self, *steps: Step) -> None:
        if not steps:
            raise InvalidParameter("a chain needs at least one step")
        names = [step.name for step in steps]
        if len(set(names)) < len(names):
            raise InvalidParameter(f"the steps are called {', '.join(names)}: give each a name of its own")
        self.steps = steps
        needed: dict[str, None] = {}
        for place, step in enumerate(steps):
            for variable, source in (step.inputs or {}).items():
                head = source.partition(".")[0]
                if head in names[place:]:
                    raise InvalidParameter(
                        f"step {step.name} takes {variable} from {head}, which has not run by then"
                    )
                if head not in names:
                    needed[head] = None
        self._needed = tuple(needed)

    def run(
        self,
        cm: "Coalmine",
        ask: Ask,
        variables: Mapping[str, Any],
        *,
        unit_id: str | None = None,
        session_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        environment: str | None = None,
        trace_id: str | None = None,
        parent_request_id: str | None = None,
    ) -> ChainResult:
        """Runs all steps, or as many as do not fail.

        Each step's event has the chain's `trace_id`, and the call of the step before as `parent_request_id`.

        Args:
            cm: Serves the prompts and takes the events.
            ask: Asks the model; called once for each step, within its call.
            variables: Values for the steps' inputs.
            unit_id: As for `Coalmine.prompt`, for every step.
            session_id: As for `Coalmine.prompt`, for every step.
            segments: As for `Coalmine.prompt`, for every step.
            environment: As for `Coalmine.prompt`, for every step.
            trace_id: Trace the chain belongs to; a new one unless given.
            parent_request_id: Call that the first step continues.

        Raises:
            MissingVariables: A step's input names a value that was not given; no step was run.
            StepFailed: A step failed; names it, and has its error as cause.
        """
        progress = self._begin(
            cm,
            variables,
            trace_id,
            parent_request_id,
            unit_id=unit_id,
            session_id=session_id,
            segments=segments,
            environment=environment,
        )
        for step in self.steps:
            with progress.step(step) as run:
                progress.outputs[step.name] = ask(run)
        return progress.result()

    async def run_async(
        self,
        cm: "Coalmine",
        ask: AskAsync,
        variables: Mapping[str, Any],
        *,
        unit_id: str | None = None,
        session_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        environment: str | None = None,
        trace_id: str | None = None,
        parent_request_id: str | None = None,
    ) -> ChainResult:
        """The same with an `ask` that is awaited; arguments and errors as for `run`."""
        progress = self._begin(
            cm,
            variables,
            trace_id,
            parent_request_id,
            unit_id=unit_id,
            session_id=session_id,
            segments=segments,
            environment=environment,
        )
        for step in self.steps:
            with progress.step(step) as run:
                progress.outputs[step.name] = await ask(run)
        return progress.result()

    def _begin(
        self,
        cm: "Coalmine",
        variables: Mapping[str, Any],
        trace_id: str | None,
        parent_request_id: str | None,
        **served: Any,  # noqa: ANN401 - as for `Coalmine.prompt`
    ) -> _Progress:
        missing = [name for name in self._needed if name not in variables]
        if missing:
            raise MissingVariables(missing)
        return _Progress(cm, dict(variables), served, trace_id or uuid7(), parent_request_id)


def _find(source: str, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - whatever a step gave
    head, *path = source.split(".")
    value = known[head]
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            what = f"entries {', '.join(map(str, value))}" if isinstance(value, Mapping) else "no entries"
            raise InvalidParameter(f"{source} is not there: {head} gave a {type(value).__name__} with {what}")
        value = value[part]
    return value
