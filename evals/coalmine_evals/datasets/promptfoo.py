"""promptfoo's YAML: its tests as cases, and its assertions as a suite.

References:
    https://www.promptfoo.dev/docs/configuration/reference/
    https://www.promptfoo.dev/docs/configuration/expected-outputs/
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

from coalmine_evals.datasets.case import read_case
from coalmine_evals.results.datasets import Case
from coalmine_evals.suites.read import suite_of
from coalmine_evals.suites.suite import Suite
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of

_MOST_CASES: Final = 10_000
_MOST_OF_TEST: Final = 1_000
_PLACE: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_LONGEST_ID: Final = 80


@dataclass(frozen=True, slots=True)
class _Kind:
    """What stands for a kind of assertion here."""

    scorer: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    has_value: bool = True


_ANY: Final = {"of": "any"}
_IGNORE: Final = {"ignore_case": True}
_KINDS: Final[Mapping[str, _Kind]] = {
    "equals": _Kind("exact"),
    "contains": _Kind("contains"),
    "icontains": _Kind("contains", _IGNORE),
    "contains-all": _Kind("contains"),
    "icontains-all": _Kind("contains", _IGNORE),
    "contains-any": _Kind("contains", _ANY),
    "icontains-any": _Kind("contains", {**_ANY, **_IGNORE}),
    "not-contains": _Kind("contains", {"absent": True}),
    "not-icontains": _Kind("contains", {"absent": True, **_IGNORE}),
    "starts-with": _Kind("regex"),
    "regex": _Kind("regex"),
    "not-regex": _Kind("regex", {"absent": True}),
    "is-json": _Kind("json_schema", {"fenced": False}, has_value=False),
    "contains-json": _Kind("json_schema", has_value=False),
    "llm-rubric": _Kind("llm_judge"),
}
_RUBRIC: Final = "The answer meets what `expected` says under `llm_rubric`."
_READ: Final = ("description", "vars", "assert", "metadata")


@dataclass(frozen=True, slots=True)
class FromPromptfoo:
    """What promptfoo's file says, in our terms."""

    cases: Sequence[Case]
    suite: Suite
    left_out: Sequence[str]
    """What has no counterpart here, in sentences."""


def read_promptfoo(path: Path, *, dataset: str, prompt: str) -> FromPromptfoo:
    """Reads promptfoo's YAML.

    What a test asserts becomes part of the case's `expected`, under the kind of the assertion, and each kind
    becomes a metric that reads it there. The kind that most tests have decides; rarer ones are advisory.

    Args:
        path: `promptfooconfig.yaml`.
        dataset: Name of the dataset that the cases are for.
        prompt: Name of the prompt, which names the suite, too.

    Raises:
        InvalidFile: It has mistakes, of which each is named.
    """
    found = _read(path)
    mistakes = Mistakes(f"{path.name}: ")
    made = _Made()
    with mistakes.noted():
        default = object_of(found.get("defaultTest") or {}, "defaultTest")
        for at, test in enumerate(_tests(found.get("tests"), path)):
            with mistakes.noted():
                made.add(_merged(default, object_of(test, f"tests[{at}]")), f"tests[{at}]")
    if not mistakes.found and not made.cases:
        mistakes.note("tests has no test: nothing is there to import")
    mistakes.tell()
    return FromPromptfoo(made.cases, made.suite(dataset, prompt), made.told())


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_front_matter(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidFile([f"{path}: cannot be read ({reason}): name promptfoo's YAML"]) from None
    except InvalidPrompt as mistake:
        raise InvalidFile([str(mistake).replace("front matter", path.name, 1)]) from None


def _tests(value: object, path: Path) -> Sequence[Any]:
    if not isinstance(value, str):
        return list_of(value or (), "tests")
    name = value.removeprefix("file://")
    if not name.endswith((".yaml", ".yml")) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise InvalidPrompt(
            "tests",
            value,
            "name YAML in the same folder; JSON Lines go through `--map` by themselves",
        )
    # The file is a list, which the reader of mappings takes as the value of a name.
    try:
        lines = (path.parent / name).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InvalidPrompt("tests", value, "it cannot be read: name a file that is there") from None
    return list_of(read_front_matter("\n".join(["tests:", *(f"  {line}" for line in lines)]))["tests"], name)


def _merged(default: Mapping[str, Any], test: Mapping[str, Any]) -> Mapping[str, Any]:
    variables = {
        **object_of(default.get("vars") or {}, "defaultTest.vars"),
        **object_of(test.get("vars") or {}, "vars"),
    }
    asserts = [
        *list_of(default.get("assert") or (), "defaultTest.assert"),
        *list_of(test.get("assert") or (), "assert"),
    ]
    return {**default, **test, "vars": variables, "assert": asserts}


class _Made:
    """Cases so far, and what their metrics are."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.counts: Counter[str] = Counter()
        """Cases that have each kind of assertion."""
        self.left_out: Counter[str] = Counter()
        self.notes: list[str] = []

    def add(self, test: Mapping[str, Any], where: str) -> None:
        """Adds the cases of one test: one for each combination of variables that are lists."""
        for key in test:
            if key not in _READ:
                self.left_out[f"`{key}` of tests"] += 1
        names = list(test["vars"])
        choices = [each if isinstance(each, list) else [each] for each in test["vars"].values()]
        combinations = 1
        for each in choices:
            combinations *= len(each)
        if combinations > _MOST_OF_TEST or len(self.cases) + combinations > _MOST_CASES:
            remedy = f"give at most {_MOST_OF_TEST}, and {_MOST_CASES} in all"
            raise InvalidPrompt(f"{where}.vars", f"{combinations} combinations", remedy)
        for values in product(*choices):
            given = dict(zip(names, values, strict=True))
            variables = {name: _filled(each, given) for name, each in given.items()}
            for name, each in variables.items():
                if _is_template(each):
                    self.left_out["what a template makes of a variable"] += 1
                if isinstance(each, str) and each.startswith(("file://", "package:")):
                    raise InvalidPrompt(f"{where}.vars.{name}", each, "write the text itself")
            expected = dict(self._expected(test["assert"], variables, where))
            self.counts.update(expected.keys())
            self.cases.append(
                read_case(
                    {
                        "id": self._id(test.get("description")),
                        "variables": variables,
                        "expected": expected or None,
                        "capabilities": _capabilities(test.get("metadata")),
                    }
                )
            )

    def _expected(
        self, asserts: Sequence[Any], variables: Mapping[str, Any], where: str
    ) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Any] = {}
        for at, value in enumerate(asserts):
            each = object_of(value, f"{where}.assert[{at}]")
            name = each.get("type")
            kind = _KINDS.get(name) if isinstance(name, str) else None
            if kind is None or (isinstance(each.get("value"), str) and each["value"].startswith("file://")):
                self.left_out[f"assertion {name}"] += 1
                continue
            for key in ("threshold", "weight", "transform"):
                if key in each:
                    self.left_out[f"`{key}` of assertions"] += 1
            wanted = _filled(each.get("value"), variables)
            if _is_template(wanted):
                self.left_out[f"assertion {name} of a template"] += 1
                continue
            if kind.has_value and wanted is None:
                raise InvalidPrompt(f"{where}.assert[{at}].value", None, f"{name} needs one")
            key = str(name).replace("-", "_")
            if name == "starts-with":
                wanted = rf"\A{re.escape(str(wanted))}"
            elif not kind.has_value:
                wanted = _schema(wanted, f"{where}.assert[{at}].value")
            elif isinstance(wanted, str) and key.endswith(("_any", "_all")):
                wanted = [text.strip() for text in next(csv.reader([wanted], skipinitialspace=True), [])]
            if key in seen:
                # Several of one kind: all have to be met, which is what `contains` of a list means.
                if kind.scorer != "contains" or kind.settings.get("of") == "any":
                    self.left_out[f"a second {name} of one test"] += 1
                    continue
                wanted = [*_list(seen[key]), *_list(wanted)]
            seen[key] = wanted
        yield from seen.items()

    def suite(self, dataset: str, prompt: str) -> Suite:
        """The suite whose metrics are the kinds of assertions."""
        kinds = {name.replace("-", "_"): kind for name, kind in _KINDS.items()}
        most = max(self.counts.values(), default=0)
        metrics: dict[str, Any] = {}
        for key, count in self.counts.items():
            kind = kinds[key]
            settings = {"rubric": _RUBRIC} if kind.scorer == "llm_judge" else {**kind.settings, "field": key}
            role = "must" if count == most else "advisory"
            metrics[key] = {"scorer": kind.scorer, "settings": settings, "role": role}
            if count < len(self.cases):
                of = f"{count} of {len(self.cases)} cases"
                self.notes.append(f"{key} is asserted of {of}, and the others have no score of it")
        if not metrics:
            metrics = {"exact": "exact"}
            self.notes.append(
                "no assertion was taken over: the suite asks for the exact answer, so change it"
            )
        found: dict[str, Any] = {
            "prompt": prompt,
            "dataset": dataset,
            "file": f"{dataset}.jsonl",
            "metrics": metrics,
        }
        if 0 < most < len(self.cases):
            found["unscored_limit"] = 1 - most / len(self.cases)
        return suite_of(prompt, found, prompt)

    def told(self) -> list[str]:
        """What has no counterpart, in sentences."""
        left_out = [f"left out: {each}, {count} times" for each, count in self.left_out.items()]
        return [*left_out, *self.notes]

    def _id(self, description: object) -> str:
        text = " ".join(str(description).split())[:_LONGEST_ID] if isinstance(description, str) else ""
        known = {each.id for each in self.cases}
        if text and text not in known:
            return text
        return f"{text or 'test'}-{len(self.cases) + 1}"


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """An expected value with the variables of its test."""
    if isinstance(value, str):
        return _PLACE.sub(lambda found: str(variables.get(found[1], found[0])), value)
    return [_filled(each, variables) for each in value] if isinstance(value, list) else value


def _is_template(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Whether there is more in it than names of variables: it would be compared letter by letter."""
    if isinstance(value, list):
        return any(map(_is_template, value))
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _schema(value: Any, where: str) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    """A JSON Schema, which may be text of one; any JSON will do where there is none."""
    if isinstance(value, str):
        try:
            return read_front_matter(value)
        except InvalidPrompt:
            raise InvalidPrompt(where, value, "write the JSON Schema as YAML") from None
    return value if isinstance(value, Mapping) else {}


def _capabilities(metadata: object) -> list[str]:
    if not isinstance(metadata, Mapping):
        return []
    return [f"{name}={value}" for name, value in metadata.items() if isinstance(value, str | int)]


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, list) else [value]
