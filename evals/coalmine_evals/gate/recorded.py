"""Answers that were recorded, of both sides, scored for the gate: no model is asked, and no key is needed."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_evals.datasets.columns import case_of_columns, column_of
from coalmine_evals.datasets.jsonl import read_lines
from coalmine_evals.gate.provenance import provenance_warnings
from coalmine_evals.providers.recorded import CASE_KEYS, read_outputs
from coalmine_evals.records import GateInput, MetricScores, Output, Score, Scorer
from coalmine_evals.reports.texts import CaseTexts
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.scoring import scored, why_unscored
from coalmine_evals.suites.suite import SuiteMetric
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt

USUAL_COLUMNS: Final[Mapping[str, str]] = {
    "id": "id|case|case_id|",
    "variables.input": "question|input|prompt|query|inputs|",
    "expected": "expected|ground_truth|answer|target|reference|",
    "capabilities": "capabilities|",
    "cluster": "cluster|",
    "must_pass": "must_pass|",
}
"""Where other people's files have the fields of cases, if nobody says."""

_NAMED: Final = 30
"""Columns that an error names."""
_AT_ONCE: Final = 16
"""Scorings under way: those of a judge wait for a model."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The same cases on both sides."""

    cases: Sequence[Case]
    candidate: Sequence[Sequence[Output]]
    """Repeats of each case."""
    baseline: Sequence[Sequence[Output]]

    def sample(self, size: int, seed: int) -> "Recorded":
        """So many cases drawn at random, in their order; all if there are no more."""
        drawn = np.random.default_rng(seed).permutation(len(self.cases))[:size]
        return self.chosen(sorted(drawn.tolist()))

    def chosen(self, places: Sequence[int]) -> "Recorded":
        """These cases."""
        return replace(
            self,
            cases=[self.cases[at] for at in places],
            candidate=[self.candidate[at] for at in places],
            baseline=[self.baseline[at] for at in places],
        )

    def texts(self) -> Mapping[str, CaseTexts]:
        """The first answer of each side to each case."""
        return {
            case.id: CaseTexts(old[0].text if old else None, new[0].text if new else None)
            for case, new, old in zip(self.cases, self.candidate, self.baseline, strict=True)
        }


def read_columns(
    path: Path, candidate: str, baseline: str, mapping: Mapping[str, str] | None = None
) -> Recorded:
    """Reads one file in which each line has a case and the answers of both sides.

    Args:
        path: JSON Lines; compressed if its name ends in `.gz`.
        candidate: Column of the candidate's answers; dots lead into columns, `new.solution`.
        baseline: Column of the baseline's.
        mapping: Fields of cases by column, beside the usual ones. A line without an id has its number as one.

    A line without one of the answers is a case that this side did not answer.

    Raises:
        InvalidFile: It has mistakes, of which each is named with file, line and remedy.
    """
    columns = {**USUAL_COLUMNS, **(mapping or {})}
    if any(field.startswith("variables") for field in mapping or {}):
        del columns["variables.input"]
    cases: list[Case] = []
    sides: tuple[list[Sequence[Output]], list[Sequence[Output]]] = ([], [])
    lines: dict[str, int] = {}
    mistakes = Mistakes(f"{path.name}:")
    for number, line in read_lines(path, mistakes):
        with mistakes.noted(f"{number}: "):
            named = column_of(line, columns["id"], default=None)
            case = case_of_columns(line if named is not None else {**line, "id": f"line {number}"}, columns)
            if case.id in lines:
                remedy = f"line {lines[case.id]} has it, too: give each case an id of its own"
                raise InvalidPrompt("id", case.id, remedy)
            outputs = [_output(line, name) for name in (candidate, baseline)]
            lines[case.id] = number
            cases.append(case)
            for side, output in zip(sides, outputs, strict=True):
                side.append([output])
    mistakes.tell()
    if not cases:
        raise InvalidFile([f"{path.name}: has no case: write one JSON object a line"])
    for column, side in zip((candidate, baseline), sides, strict=True):
        if all(output.text is None for outputs in side for output in outputs):
            raise InvalidFile([f"{path.name}: no line has the column {column}: {_columns_of(path)}"])
    return Recorded(cases, *sides)


def _columns_of(path: Path) -> str:
    """The columns of the first line, and those within them."""
    line = next((line for _, line in read_lines(path, Mistakes())), {})
    names = [
        f"{name}.{inner}"
        for name, value in line.items()
        for inner in (value if isinstance(value, dict) else {"": None})
    ]
    return f"the first one has {', '.join(name.removesuffix('.') for name in names[:_NAMED])}"


def read_sides(
    candidate: Path,
    baseline: Path,
    cases: Sequence[Case] | None = None,
    mapping: Mapping[str, str] | None = None,
) -> Recorded:
    """Reads a file of answers for each side: lines of `{"case": ..., "output": ...}`.

    Args:
        candidate: JSON Lines; several lines of a case are its repeats.
        baseline: The same of the baseline.
        cases: The cases; None: the lines of answers have their fields, too, such as `expected`, and each
            case that either side answered is one.
        mapping: Fields of cases by column, where lines have them.

    Raises:
        InvalidFile: A file has mistakes, lines expect different answers to one case, or a file of answers
            knows none of the cases.
    """
    known = _cases_beside((baseline, candidate), mapping) if cases is None else cases
    names = {case.id for case in known}
    found = []
    for path in (candidate, baseline):
        outputs = read_outputs(path)
        if names.isdisjoint(outputs.outputs):
            raise InvalidFile(
                [f"{path.name}: has answers to none of the cases: name each in `case`, by its id"]
            )
        repeats = max(len(outputs.outputs.get(name, ())) for name in names)
        found.append([[outputs.output(case.id, at) for at in range(repeats)] for case in known])
    return Recorded(known, *found)


def _cases_beside(paths: Sequence[Path], mapping: Mapping[str, str] | None) -> list[Case]:
    columns = {**USUAL_COLUMNS, "id": f"{'|'.join(CASE_KEYS)}|", **(mapping or {})}
    cases: dict[str, Case] = {}
    for path in paths:
        mistakes = Mistakes(f"{path.name}:")
        for number, line in read_lines(path, mistakes):
            with mistakes.noted(f"{number}: "):
                case = case_of_columns(line, columns)
                cases[case.id] = _joined(cases.get(case.id, case), case)
        mistakes.tell()
    return list(cases.values())


def _joined(known: Case, case: Case) -> Case:
    """A case of which several lines say something, one perhaps more than another."""
    if known.expected is None:
        known = replace(known, expected=case.expected)
    elif case.expected not in (None, known.expected):
        remedy = f"another line of {case.id} expects {known.expected!r:.100}: say the same, or give --cases"
        raise InvalidPrompt("expected", case.expected, remedy)
    return replace(
        known,
        capabilities=known.capabilities or case.capabilities,
        cluster=case.cluster if known.cluster == known.id else known.cluster,
        must_pass=known.must_pass or case.must_pass,
    )


def _output(line: Mapping[str, Any], column: str) -> Output:
    value = column_of(line, f"{column}|", default=None)
    if isinstance(value, dict):
        within = ", ".join(f"{column}.{name}" for name in value)
        raise InvalidPrompt("column", column, f"it has columns within it; name one of {within}")
    if value is None:
        return Output(None, "missing: no text was recorded", cached=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Output(text, cached=True)


def score_recorded(
    recorded: Recorded,
    metrics: Sequence[tuple[SuiteMetric, Scorer]],
    *,
    unscored_limit: float = 0.02,
    capabilities: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> GateInput:
    """Scores all answers.

    Args:
        recorded: Cases and answers.
        metrics: Each with its scorer.
        unscored_limit: As in `GateInput`.
        capabilities: As in `GateInput`.
        warnings: As in `GateInput`.
    """
    new, old = (
        [each for outputs in side for each in outputs] for side in (recorded.candidate, recorded.baseline)
    )
    notes = [*warnings, *provenance_warnings(new, old, "record both again")]

    async def all_scores() -> list[MetricScores]:
        gate = asyncio.Semaphore(_AT_ONCE)
        found = []
        for metric, scorer in metrics:
            new, why_new = await _scores(scorer, recorded.cases, recorded.candidate, gate)
            old, why_old = await _scores(scorer, recorded.cases, recorded.baseline, gate)
            for side, why in (("candidate", why_new), ("baseline", why_old)):
                if why is not None:
                    notes.append(f"{metric.name} has no score for answers of the {side}, e.g. {why}")
            advisory = "the suite says so" if metric.role == "advisory" else None
            found.append(MetricScores(metric.name, metric.margin, new, old, advisory))
        return found

    return GateInput(
        recorded.cases,
        asyncio.run(all_scores()),
        right_from={metric.name: metric.right_from for metric, _ in metrics},
        unscored_limit=unscored_limit,
        capabilities=capabilities,
        warnings=notes,
    )


async def _scores(
    scorer: Scorer, cases: Sequence[Case], side: Sequence[Sequence[Output]], gate: asyncio.Semaphore
) -> tuple[FloatArray, str | None]:
    """The scores of a side, NaN where there is none, and why not, of the first of those."""

    async def one(case: Case, output: Output) -> Score:
        async with gate:
            return await scored(scorer, case, output)

    asked = [(case, output) for case, outputs in zip(cases, side, strict=True) for output in outputs]
    found = await asyncio.gather(*(one(case, output) for case, output in asked))
    values = np.array([np.nan if each.value is None else each.value for each in found], np.float64)
    why = next(
        (
            f"{case.id}: {why_unscored(each)}"
            for (case, _), each in zip(asked, found, strict=True)
            if each.value is None
        ),
        None,
    )
    return values.reshape(len(cases), -1), why
