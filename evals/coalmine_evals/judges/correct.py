"""Corrects a judge's means in a run by labels of people on some of its answers."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from coalmine_analytics.prediction_powered import corrected_mean
from coalmine_evals.datasets.jsonl import read_lines
from coalmine_evals.judges.judge import Judge
from coalmine_evals.results.judges import CorrectedMean
from coalmine_evals.runs.answers import KeptAnswer, SideName
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import refuse_unknown, text
from coalmine_schemas.prompts.json_values import JsonObject

Unit = tuple[str, int]
"""Case and repeat."""
_KEYS: Final = ("case", "side", "repeat", "output", "label")


def answers_to_label(answers: Iterable[KeptAnswer], metric: str, cases: int) -> list[JsonObject]:
    """Returns answers for people to label: all of some cases, drawn by hash, so never by their scores.

    Args:
        answers: Of a run.
        metric: The judge's; answers without its score are left out.
        cases: Number of cases.
    """
    judged = [each for each in answers if _value(each, metric) is not None]
    names = sorted({each.case for each in judged}, key=lambda case: hashlib.sha256(case.encode()).digest())
    drawn = set(names[:cases])
    return [
        {
            "case": each.case,
            "side": each.side,
            "repeat": each.repeat,
            "output": each.output.text,
            "label": None,
        }
        for each in sorted(judged, key=lambda each: (each.place, each.side, each.repeat))
        if each.case in drawn
    ]


def read_labels(path: Path, judge: Judge) -> dict[SideName, dict[Unit, float]]:
    """Reads what `answers_to_label` returned, with labels; lines whose label is null are not labelled.

    Raises:
        InvalidFile: It has mistakes, of which each is named with file, line and remedy.
    """
    found: dict[SideName, dict[Unit, float]] = {"candidate": {}, "baseline": {}}
    mistakes = Mistakes(f"{path.name}:")
    for number, line in read_lines(path, mistakes):
        with mistakes.noted(f"{number}: "):
            side, unit, value = _label(line, judge)
            if value is not None and found[side].setdefault(unit, value) != value:
                remedy = "a line above says something else of this answer: agree on one"
                raise InvalidPrompt("label", line["label"], remedy)
    mistakes.tell()
    if not any(found.values()):
        raise InvalidFile([f"{path.name}: has no label: give verdicts, e.g. {next(iter(judge.values))!r}"])
    return found


def corrections(
    answers: Sequence[KeptAnswer],
    metric: str,
    labels: Mapping[SideName, Mapping[Unit, float]],
    clusters: Mapping[str, str],
) -> list[CorrectedMean]:
    """Corrects the means of both sides, and their difference.

    Args:
        answers: Of a run.
        metric: The judge's.
        labels: What people say of some of them.
        clusters: Of cases, by id.

    Raises:
        InvalidParameter: A label is of an answer that the run does not have, or that has no score.
    """
    judged: dict[SideName, dict[Unit, float]] = {"candidate": {}, "baseline": {}}
    for each in answers:
        if (value := _value(each, metric)) is not None:
            judged[each.side][each.case, each.repeat] = value
    for side, known in labels.items():
        if unknown := sorted(known.keys() - judged[side].keys()):
            case, repeat = unknown[0]
            raise InvalidParameter(
                f"{case}, repeat {repeat} of the {side}: the run has no such answer that {metric} scored: "
                "label what `coalmine judge draw` wrote"
            )
    found = [_corrected(side, judged[side], labels[side], clusters) for side in judged if judged[side]]
    if all(judged.values()):
        both = judged["candidate"].keys() & judged["baseline"].keys()
        labelled = labels["candidate"].keys() & labels["baseline"].keys() & both
        moved = {unit: judged["candidate"][unit] - judged["baseline"][unit] for unit in both}
        said = {unit: labels["candidate"][unit] - labels["baseline"][unit] for unit in labelled}
        found.append(_corrected("difference", moved, said, clusters))
    return found


def _corrected(
    side: Literal["candidate", "baseline", "difference"],
    judged: Mapping[Unit, float],
    labels: Mapping[Unit, float],
    clusters: Mapping[str, str],
) -> CorrectedMean:
    units = sorted(judged)
    made = corrected_mean(
        [judged[unit] for unit in units],
        [labels.get(unit, np.nan) for unit in units],
        [clusters.get(case, case) for case, _ in units],
    )
    return CorrectedMean(
        side=side,
        raw=float(np.mean([judged[unit] for unit in units])) if units else 0.0,
        corrected=None if made is None else made.estimate,
        lower=None if made is None else made.lower,
        upper=None if made is None else made.upper,
        labels_only=None if made is None else made.labels_only,
        weight=None if made is None else made.weight,
        labels=len(labels),
        judged=len(units),
    )


def _label(line: Mapping[str, Any], judge: Judge) -> tuple[SideName, Unit, float | None]:
    refuse_unknown(line, _KEYS, "")
    side = line.get("side", "candidate")
    if side not in get_args(SideName):
        raise InvalidPrompt("side", side, f"give one of {', '.join(get_args(SideName))}")
    repeat = line.get("repeat", 0)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 0:
        raise InvalidPrompt("repeat", repeat, "give the number of the repeat, from 0")
    label = line.get("label")
    unit = (text(line, "case", ""), repeat)
    if label is None:
        return side, unit, None
    if isinstance(label, bool) or str(label) not in judge.values:
        raise InvalidPrompt("label", label, f"give one of the judge's verdicts: {', '.join(judge.values)}")
    return side, unit, judge.values[str(label)]


def _value(answer: KeptAnswer, metric: str) -> float | None:
    score = answer.scores.get(metric)
    return None if score is None else score.value
