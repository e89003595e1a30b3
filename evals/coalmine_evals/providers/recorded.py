"""Answers that were recorded: JSON Lines, one answer in a line.

{"case": "refund-1", "output": "You get it back.", "model": "gpt-4o-mini-2024-07-18"}

A case may have several lines: its repeats, in their order.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from coalmine_evals.datasets.jsonl import read_lines
from coalmine_evals.records import Output
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt

CASE_KEYS: Final = ("case", "id", "case_id")
"""Which of them names the case of a line: the first that it has."""
_OUTPUT: Final = "output"
_KEYS: Final = (
    *("output", "error", "model", "input_tokens", "output_tokens", "cost_nano_usd", "latency_ms"),
    "answered_at",
)
"""What is read of a line beside the case; other keys are notes."""
_LARGEST: Final = 2**53


@dataclass(frozen=True, slots=True)
class RecordedOutputs:
    """Answers by case."""

    name: str
    """Name of the file."""
    digest: str
    """SHA-256 of cases and answers as 64 hexadecimal digits."""
    outputs: Mapping[str, Sequence[Output]]
    """Repeats of each case."""

    def output(self, case: str, repeat: int) -> Output:
        """Returns an answer; one with an error where none was recorded."""
        found = self.outputs.get(case, ())
        if repeat < len(found):
            return found[repeat]
        most = max(map(len, self.outputs.values()))
        return Output(None, f"missing: {self.name} has {len(found)} of {most} answers to this case")


def read_outputs(path: Path) -> RecordedOutputs:
    """Reads a file of answers.

    Args:
        path: JSON Lines; compressed if its name ends in `.gz`.

    Raises:
        InvalidFile: It has mistakes, of which each is named with file, line and remedy.
    """
    outputs: dict[str, list[Output]] = {}
    digest = hashlib.sha256()
    mistakes = Mistakes(f"{path.name}:")
    for number, line in read_lines(path, mistakes):
        with mistakes.noted(f"{number}: "):
            case = next((line[key] for key in CASE_KEYS if key in line), None)
            case = str(case) if isinstance(case, int) and not isinstance(case, bool) else case
            if not isinstance(case, str) or not case:
                raise InvalidPrompt("case", case, "give the id of the case, a text")
            output = _output(line)
            outputs.setdefault(case, []).append(output)
            digest.update(repr((case, output.text, output.error)).encode())
    mistakes.tell()
    if not outputs:
        raise InvalidFile([f"{path.name}: has no answer: write one JSON object a line"])
    return RecordedOutputs(path.name, digest.hexdigest(), outputs)


def _output(line: Mapping[str, Any]) -> Output:
    text, error = line.get("output"), line.get("error")
    if "output" not in line and error is None:
        raise InvalidPrompt("output", None, "each line needs it: the text that the model answered")
    if text is not None and not isinstance(text, str):
        raise InvalidPrompt("output", text, "give the text that the model answered; JSON as a text")
    if text is None and error is None:
        error = "empty: no text was recorded"
    return Output(
        text=text,
        error=None if error is None else str(error)[:300],
        response_model=_kind(line, "model", str),
        input_tokens=_kind(line, "input_tokens", int),
        output_tokens=_kind(line, "output_tokens", int),
        cost_nano_usd=_kind(line, "cost_nano_usd", int),
        latency_ms=_kind(line, "latency_ms", float),
        answered_at=_time(line.get("answered_at")),
        cached=True,
    )


def _kind(line: Mapping[str, Any], key: str, kind: type) -> Any:  # noqa: ANN401 - of that type
    value = line.get(key)
    if value is None or (kind is str and isinstance(value, str)):
        return value
    is_number = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if kind is not str and is_number and 0 <= value <= _LARGEST:
        return kind(value)
    raise InvalidPrompt(key, value, "give a text" if kind is str else "give a number from 0, or leave it out")


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidPrompt("answered_at", value, "give a time such as 2026-11-28T20:00:00Z") from None
    return found.replace(tzinfo=found.tzinfo or UTC)
