"""Answers that people have labelled: what a judge is measured by."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from coalmine_evals.datasets.case import KEYS, case_json, read_case
from coalmine_evals.datasets.jsonl import read_lines
from coalmine_evals.judges.judge import Judge
from coalmine_evals.results.datasets import Case
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import object_of, refuse_unknown
from coalmine_schemas.prompts.json_values import JsonObject, canonical_json

_ANSWERS: Final = {"one": ("output",), "pair": ("first", "second")}


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer to a case, or two, and what people say of it."""

    case: Case
    answers: tuple[str, ...]
    """The answer; two of a pair."""
    label: str
    """One of the judge's verdicts."""
    segments: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """As a line of a file has it."""
        names = _ANSWERS["one" if len(self.answers) == 1 else "pair"]
        value = {**case_json(self.case), **dict(zip(names, self.answers, strict=True)), "label": self.label}
        return {**value, "segments": dict(self.segments)} if self.segments else value


def read_labelled(path: Path, judge: Judge) -> list[Labelled]:
    """Reads a file of labelled answers.

    Args:
        path: JSON Lines; each has what a case has (`id`, `variables`, ...), the answer as `output` (of a pair
            `first` and `second`), the `label`, which is one of the judge's verdicts, and perhaps `segments`.
        judge: Whose verdicts they are.

    Raises:
        InvalidFile: It has mistakes, of which each is named with file, line and remedy.
    """
    found: list[Labelled] = []
    lines: dict[str, int] = {}
    mistakes = Mistakes(f"{path.name}:")
    for number, line in read_lines(path, mistakes):
        with mistakes.noted(f"{number}: "):
            one = labelled_of(line, judge)
            if one.case.id in lines:
                raise InvalidPrompt("id", one.case.id, f"line {lines[one.case.id]} has it, too")
            lines[one.case.id] = number
            found.append(one)
    mistakes.tell()
    if not found:
        raise InvalidFile([f"{path.name}: has no answer: write one JSON object a line"])
    return found


def labelled_of(line: Mapping[str, Any], judge: Judge) -> Labelled:
    """Reads one line.

    Raises:
        InvalidPrompt: It is not valid.
    """
    names = _ANSWERS[judge.kind]
    refuse_unknown(line, (*KEYS, *names, "label", "segments"), "")
    answers = tuple(line.get(name) for name in names)
    for name, answer in zip(names, answers, strict=True):
        if not isinstance(answer, str):
            raise InvalidPrompt(name, answer, "give the text that was judged")
    label = line.get("label")
    if isinstance(label, bool) or str(label) not in judge.values:
        raise InvalidPrompt("label", label, f"give one of the judge's verdicts: {', '.join(judge.values)}")
    segments = object_of(line.get("segments") or {}, "segments")
    case = read_case({"variables": {}, **{key: line[key] for key in KEYS if key in line}})
    return Labelled(case, answers, str(label), {key: str(value) for key, value in segments.items()})  # type: ignore[arg-type]


def digest_of_labelled(labelled: Sequence[Labelled]) -> str:
    """SHA-256 of labelled answers in their order, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json([each.to_json() for each in labelled])).hexdigest()
