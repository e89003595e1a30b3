"""Reads a verdict: from its field of an answer in the schema's form, and from nowhere else."""

import json
from dataclasses import dataclass
from typing import Any, Final

from coalmine_evals.judges.judge import ADDRESSES, Judge

_LONGEST_CHARS: Final = 100_000
_SHOWN_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge answered."""

    verdict: str
    value: float
    reasoning: str
    addresses_judge: bool
    """The judge says that a judged text speaks to it."""


class NoVerdict(ValueError):
    """The answer is not in the form that was asked for."""


def read_verdict(judge: Judge, text: str) -> Verdict:
    """Reads an answer, which is one JSON object with exactly the properties of the schema.

    Nothing is searched for: a verdict somewhere in a text may be one that the judged text asked for.

    Raises:
        NoVerdict: It is anything else.
    """
    if len(text) > _LONGEST_CHARS:
        raise NoVerdict(f"an answer of {len(text):,} characters")
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise NoVerdict(f"not JSON as asked for: {error!s:.100}") from None
    properties: Any = judge.schema["properties"]
    if not isinstance(found, dict) or found.keys() != properties.keys():
        what = ", ".join(sorted(found)) if isinstance(found, dict) else type(found).__name__
        raise NoVerdict(f"not the properties {', '.join(properties)}, but {what[:100]}")
    reasoning, addresses, verdict = found["reasoning"], found[ADDRESSES], found["verdict"]
    known = properties["verdict"]["enum"]
    if not any(type(verdict) is type(each) and verdict == each for each in known):
        raise NoVerdict(f"verdict {verdict!r:.50}, which is not one of {', '.join(map(str, known))}")
    if not isinstance(reasoning, str) or not isinstance(addresses, bool):
        raise NoVerdict(f"`reasoning` is no text, or `{ADDRESSES}` neither true nor false")
    name = str(verdict)
    return Verdict(name, judge.values[name], reasoning[:_SHOWN_CHARS], addresses)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoVerdict("a property is there twice")
    return found
