"""Scorers of other packages: entry points of the group `coalmine.scorers`.

An entry point names a dataclass whose fields are the settings, or anything else that, called with the
settings by name, returns a scorer: an object with a `name` and a `score(case, output)`, which may be a
coroutine and returns a `Score`, a number from 0 to 1, or true or false. They run in this process, with its
keys.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from coalmine_evals.records import Score, Scorer
from coalmine_evals.results.datasets import Case
from coalmine_evals.results.scorers import KnownScorer
from coalmine_evals.scorers.settings import made
from coalmine_schemas.errors import Terminal
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.json_values import JsonValue

GROUP: Final = "coalmine.scorers"


class BrokenScorer(Terminal):
    """A scorer of another package cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Custom:
    """A scorer of another package, whose scores are numbers or coroutines, too."""

    name: str
    function: Callable[[Case, str], Any]

    async def score(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        found = self.function(case, output)
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, Score):
            return found
        if found is None:
            return Score(None, {"unscored": f"{self.name} gave no score"})
        return Score(float(found))


def names() -> tuple[str, ...]:
    """Names of the scorers that installed packages bring."""
    return tuple(_found())


def scorer_of(name: str, settings: Mapping[str, JsonValue]) -> Scorer:
    """Makes a scorer of another package.

    Raises:
        InvalidPrompt: A setting is not accepted.
        BrokenScorer: It cannot be loaded, or is no scorer.
    """
    point = _found()[name]
    try:
        maker = point.load()
        if isinstance(maker, type) and is_dataclass(maker):
            scorer: Any = made(maker, settings)
        else:
            try:
                bound = inspect.signature(maker).bind(**settings)
            except TypeError as error:
                raise InvalidPrompt("settings", dict(settings), f"{name} does not take it: {error}") from None
            scorer = maker(*bound.args, **bound.kwargs)
        return scorer if hasattr(scorer, "with_models") else Custom(str(scorer.name), scorer.score)
    except InvalidPrompt:
        raise
    except Exception as error:
        raise BrokenScorer(
            f"scorer {name} of {_origin(point)} ({point.value}) fails: {type(error).__name__}: {error}"
        ) from error


def known() -> list[KnownScorer]:
    """What is known of them without loading them."""
    return [
        KnownScorer(name=name, version=None, origin=_origin(point), description=point.value, settings=())
        for name, point in _found().items()
    ]


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an installed package"


@cache
def _found() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda each: each.name)}
