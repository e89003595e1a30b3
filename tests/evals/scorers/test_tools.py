"""Scorers of other tools. These stand in for them, with the parts of their interfaces that are used."""

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from coalmine_evals.records import Output, Score
from coalmine_evals.scorers import tools
from coalmine_evals.scorers.optional import MissingLibrary
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.scorers.scoring import scored
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.scoring import case_of

_SHOWN: list[dict[str, Any]] = []


class Factuality:
    def __init__(self, model: str = "small") -> None:
        self.model = model

    async def eval_async(self, **shown: Any) -> Any:
        _SHOWN.append(shown)
        if shown["output"] == "without":
            raise ModuleNotFoundError("No module named 'openai'", name="openai")
        value = None if shown["output"] == "skip" else 0.6
        return SimpleNamespace(score=value, metadata={"rationale": f"says {self.model}"})


class AnswerRelevancyMetric:
    score, reason = 0.0, ""

    def __init__(self, threshold: float = 0.5) -> None:
        assert 0 <= threshold <= 1

    async def a_measure(self, case: Any, _show_indicator: bool) -> None:
        _SHOWN.append(vars(case))
        self.score, self.reason = 0.7, "because"


class Faithfulness:
    def __init__(self, llm: object = None) -> None:
        self.llm = llm

    async def ascore(self, response: str, retrieved_contexts: list[str]) -> Any:
        _SHOWN.append({"response": response, "retrieved_contexts": retrieved_contexts, "llm": self.llm})
        return SimpleNamespace(value=0.8, reason=None)


def includes(ignore_case: bool = True) -> Callable[[Any, Any], Any]:
    async def judged(state: Any, target: Any) -> Any:
        _SHOWN.append({"state": state, "target": target})
        value = "C" if any(each in state.output for each in target) else "I"
        return SimpleNamespace(value=value, explanation=state.output)

    return judged


_MODULES: dict[str, dict[str, Any]] = {
    "autoevals": {"Factuality": Factuality},
    "deepeval": {},
    "deepeval.metrics": {"AnswerRelevancyMetric": AnswerRelevancyMetric},
    "deepeval.test_case": {"LLMTestCase": SimpleNamespace},
    "ragas": {},
    "ragas.metrics": {},
    "ragas.metrics.collections": {"Faithfulness": Faithfulness},
    "ragas.llms": {"llm_factory": lambda model, client: f"{model} by {client}"},
    "openai": {"AsyncOpenAI": lambda: "a client"},
    "inspect_ai": {},
    "inspect_ai.scorer": {
        "includes": includes,
        "Target": list,
        "value_to_float": lambda: {"C": 1.0, "I": 0.0}.__getitem__,
    },
    "inspect_ai.model": {
        "ModelName": str,
        "ModelOutput": SimpleNamespace(from_content=lambda model, content: content),
    },
    "inspect_ai.solver": {"TaskState": SimpleNamespace},
}


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, members in _MODULES.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(tools, "version", lambda package: "9")
    _SHOWN.clear()


def _scored(name: str, output: str = "Paris", **settings: Any) -> Score:
    case = case_of("Paris", {"question": "Where?", "documents": ["one", "two"]})
    return asyncio.run(scored(scorer_of(name, settings), case, Output(output)))


@pytest.mark.usefixtures("_installed")
def test_autoevals_are_shown_the_question_and_what_is_expected() -> None:
    found = _scored("autoevals:Factuality", model="big", input="question", context="documents")
    assert found == Score(0.6, {"reason": "says big"})
    assert _SHOWN == [{"output": "Paris", "expected": "Paris", "input": "Where?", "context": ["one", "two"]}]
    assert _scored("autoevals:Factuality", "skip").value is None
    assert _SHOWN[-1]["input"] == '{"documents":["one","two"],"question":"Where?"}'
    assert "context" not in _SHOWN[-1]
    assert scorer_of("autoevals:Factuality").name == "autoevals:Factuality@9"


@pytest.mark.usefixtures("_installed")
def test_deepeval_gets_a_test_case() -> None:
    assert _scored("deepeval:AnswerRelevancyMetric", input="question") == Score(0.7, {"reason": "because"})
    assert _SHOWN == [
        {
            "input": "Where?",
            "actual_output": "Paris",
            "expected_output": "Paris",
            "context": None,
            "retrieval_context": None,
        }
    ]


@pytest.mark.usefixtures("_installed")
def test_ragas_gets_what_its_metric_takes_and_a_model() -> None:
    assert _scored("ragas:Faithfulness", model="big", context="documents") == Score(0.8)
    assert _SHOWN == [
        {"response": "Paris", "retrieved_contexts": ["one", "two"], "llm": "big by a client"},
    ]


@pytest.mark.usefixtures("_installed")
def test_inspect_gets_a_state_and_a_target_and_its_letters_are_numbers() -> None:
    assert _scored("inspect:includes") == Score(1.0, {"reason": "Paris"})
    assert _scored("inspect:includes", "Rome").value == 0.0
    assert _SHOWN[0]["target"] == ["Paris"]


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("autoeval:Factuality", {}, "did you mean autoevals:Factuality"),
        ("promptfoo:x", {}, "tools are autoevals, deepeval, ragas, inspect"),
        ("autoevals:Factualty", {}, "did you mean autoevals:Factuality"),
        ("autoevals:__name__", {}, "autoevals has none so named"),
        ("autoevals:Factuality", {"modl": "x"}, "unexpected keyword argument 'modl'"),
        ("autoevals:Factuality", {"input": 3}, "settings.input is 3: give the name of a variable"),
        ("deepeval:AnswerRelevancyMetric", {"threshold": 7}, "does not take it"),
    ],
)
def test_a_name_or_setting_that_the_tool_does_not_know_is_told(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPrompt, match=message):
        scorer_of(name, settings)


@pytest.mark.parametrize("name", ["deepeval:AnswerRelevancyMetric", "ragas:Faithfulness"])
def test_a_tool_that_is_not_installed_is_named_with_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = name.partition(":")[0]
    monkeypatch.setitem(sys.modules, tool, None)
    with pytest.raises(MissingLibrary, match=f"pip install '{tool}'"):
        scorer_of(name)


@pytest.mark.usefixtures("_installed")
def test_a_package_that_is_missed_only_later_ends_the_run() -> None:
    with pytest.raises(MissingLibrary, match="needs another package: No module named 'openai'"):
        _scored("autoevals:Factuality", "without")
