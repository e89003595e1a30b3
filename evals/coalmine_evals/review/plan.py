"""What people are asked about production requests, and about which."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Compared = Literal["<", "<=", ">", ">="]

RANDOM = "random"
"""Why an item is in a queue that no flag put there."""


@dataclass(frozen=True, slots=True)
class Flag:
    """What puts a request into the queue: a score, a rating or a thumb on one side of a limit."""

    text: str
    """As it is written, e.g. `faithfulness < 0.8`."""
    name: str
    """Name of a score; `rating` or `thumbs` of feedback."""
    compared: Compared
    limit: float
    """For thumbs: up is 1, down is 0."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and what each answer is worth."""

    name: str
    """Of the scores that the answers become."""
    ask: str
    answers: Mapping[str, float]
    """Value from 0 to 1 by answer."""


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """One queue."""

    name: str
    questions: tuple[Question, ...]
    prompts: tuple[str, ...] = ("*",)
    environments: tuple[str, ...] = ("prod",)
    random: float = 0.01
    """Share of the requests that are asked about whatever they are like: only these say how good all are."""
    flags: tuple[Flag, ...] = ()
    double: float = 0.1
    """Share of the items that two people answer for."""
    most_waiting: int = 500
    """Items that wait at most; what a flag finds beyond that is left out, what is random never."""

    def covers(self, environment: str, prompt: str) -> bool:
        """Returns True if requests for the prompt may come into the queue."""
        return environment in self.environments and any(fnmatchcase(prompt, each) for each in self.prompts)
