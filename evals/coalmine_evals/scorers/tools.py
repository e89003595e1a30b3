"""Scorers of other tools, by names such as `autoevals:Factuality`.

None of the tools is a dependency: each is imported when one of its scorers is made. Those that ask models do
so by themselves, with the keys that they look for; their cost is not counted. The settings are those of the
tool's own class or function, and the two of `Fields`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import ModuleType
from typing import Any, Final

from coalmine_evals.records import Score, Scorer
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.optional import MissingLibrary, module_of
from coalmine_evals.scorers.reference import as_text, items_of, shown, unscored
from coalmine_schemas.errors import nearest
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.json_values import JsonValue


@dataclass(frozen=True, slots=True)
class Fields:
    """What a tool's scorer is shown of a case."""

    input: str | None
    """The variable that is the question; by default all of them."""
    context: str | None
    """The variable that holds the documents, one or several; by default none."""

    def question(self, case: Case) -> str:
        """What was asked."""
        if self.input is not None:
            return as_text(case.variables.get(self.input, ""))
        values = list(case.variables.values())
        return as_text(values[0] if len(values) == 1 else dict(case.variables))

    def documents(self, case: Case) -> list[str] | None:
        """What the answer should rest on."""
        if self.context is None or self.context not in case.variables:
            return None
        return [as_text(each) for each in items_of(case.variables[self.context])]


@dataclass(frozen=True, slots=True)
class ToolScorer:
    """A scorer of another tool."""

    name: str
    fields: Fields
    ask: Callable[[Fields, Case, str], Any]
    """Coroutine function: returns a number from 0 to 1 or None, and the reason or None."""

    async def score(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        try:
            value, reason = await self.ask(self.fields, case, output)
        except ImportError as error:
            raise MissingLibrary(f"{self.name} needs another package: {error}") from error
        why = {} if reason is None else {"reason": shown(str(reason))}
        return unscored(f"{self.name} gave no score") if value is None else Score(float(value), why)


def scorer_of(name: str, settings: Mapping[str, JsonValue]) -> Scorer:
    """Makes a scorer of another tool.

    Args:
        name: `TOOL:SCORER`.
        settings: `input` and `context` of `Fields`; the others are the tool's own.

    Raises:
        InvalidPrompt: The tool is not known, has no such scorer, or it does not take a setting.
        MissingLibrary: The tool is not installed.
    """
    tool, _, scorer = name.partition(":")
    if tool not in TOOLS:
        near = nearest(tool, TOOLS)
        remedy = f"did you mean {near}:{scorer}?" if near else f"tools are {', '.join(TOOLS)}"
        raise InvalidPrompt("scorer", name, remedy)
    module, package, make = TOOLS[tool]
    found = module_of(module, package, name)
    maker = getattr(found, scorer, None)
    if scorer.startswith("_") or not callable(maker):
        near = nearest(scorer, [each for each in dir(found) if not each.startswith("_")])
        raise InvalidPrompt(
            "scorer", name, f"did you mean {tool}:{near}?" if near else f"{tool} has none so named"
        )
    own: dict[str, Any] = {key: value for key, value in settings.items() if key not in ("input", "context")}
    fields = Fields(*(_text(settings, key) for key in ("input", "context")))

    if tool == "ragas" and "model" in own:
        own["llm"] = _ragas_model(own.pop("model"))

    def made() -> Any:  # noqa: ANN401 - whatever the tool makes
        return maker(**own)

    try:
        ask = make(made, found)
    except (InvalidPrompt, MissingLibrary):
        raise
    except Exception as error:
        raise InvalidPrompt("settings", dict(own), f"{name} does not take it: {error}") from error
    return ToolScorer(f"{name}@{version(package)}", fields, ask)


def _text(settings: Mapping[str, JsonValue], key: str) -> str | None:
    value = settings.get(key)
    if value is None or isinstance(value, str):
        return value
    raise InvalidPrompt(f"settings.{key}", value, "give the name of a variable")


def _expected(case: Case) -> str | None:
    return None if case.expected is None else as_text(case.expected)


def _autoevals(made: Callable[[], Any], _: ModuleType) -> Any:  # noqa: ANN401
    scorer = made()

    async def ask(fields: Fields, case: Case, output: str) -> tuple[float | None, object]:
        documents = fields.documents(case)
        more = {} if documents is None else {"context": documents}
        found = await scorer.eval_async(
            output=output, expected=_expected(case), input=fields.question(case), **more
        )
        return found.score, found.metadata.get("rationale")

    return ask


def _deepeval(made: Callable[[], Any], _: ModuleType) -> Any:  # noqa: ANN401
    made()
    cases = module_of("deepeval.test_case", "deepeval", "deepeval")

    async def ask(fields: Fields, case: Case, output: str) -> tuple[float | None, object]:
        # A metric keeps its last score: each answer has its own.
        metric, documents = made(), fields.documents(case)
        await metric.a_measure(
            cases.LLMTestCase(
                input=fields.question(case),
                actual_output=output,
                expected_output=_expected(case),
                context=documents,
                retrieval_context=documents,
            ),
            _show_indicator=False,
        )
        return metric.score, metric.reason

    return ask


def _ragas(made: Callable[[], Any], _: ModuleType) -> Any:  # noqa: ANN401
    metric = made()
    takes = inspect.signature(metric.ascore).parameters

    async def ask(fields: Fields, case: Case, output: str) -> tuple[float | None, object]:
        given = {
            "user_input": fields.question(case),
            "response": output,
            "reference": _expected(case),
            "retrieved_contexts": fields.documents(case),
        }
        found = await metric.ascore(**{name: value for name, value in given.items() if name in takes})
        return found.value, found.reason

    return ask


def _ragas_model(model: JsonValue) -> Any:  # noqa: ANN401
    """Its metrics want an object, which a suite cannot say."""
    client = module_of("openai", "openai", "ragas").AsyncOpenAI()
    return module_of("ragas.llms", "ragas", "ragas").llm_factory(model, client=client)


def _inspect(made: Callable[[], Any], module: ModuleType) -> Any:  # noqa: ANN401
    scorer = made()
    model = module_of("inspect_ai.model", "inspect-ai", "inspect")
    solver = module_of("inspect_ai.solver", "inspect-ai", "inspect")
    number = module.value_to_float()

    async def ask(fields: Fields, case: Case, output: str) -> tuple[float | None, object]:
        target = module.Target([as_text(each) for each in items_of(case.expected)])
        state = solver.TaskState(
            model=model.ModelName("none/none"),
            sample_id=case.id,
            epoch=1,
            input=fields.question(case),
            messages=[],
            target=target,
            output=model.ModelOutput.from_content("none", output),
        )
        found = await scorer(state, target)
        return (None, None) if found is None else (number(found.value), found.explanation)

    return ask


TOOLS: Final[Mapping[str, tuple[str, str, Callable[[Callable[[], Any], ModuleType], Any]]]] = {
    "autoevals": ("autoevals", "autoevals", _autoevals),
    "deepeval": ("deepeval.metrics", "deepeval", _deepeval),
    "ragas": ("ragas.metrics.collections", "ragas", _ragas),
    "inspect": ("inspect_ai.scorer", "inspect-ai", _inspect),
}
"""By the name before the colon: the module of its scorers, what to install, and how to ask one."""
