"""Reads `evals.yaml`, what is scored and reviewed of production, and names every mistake in it."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from coalmine_analytics.metrics import BUILT_IN
from coalmine_evals.continuous.plan import DEADLINE_S, ContinuousPlan, Scored, Stratum
from coalmine_evals.review.plan import Compared, Flag, Question, ReviewPlan
from coalmine_schemas.events import ScoreSourceName
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, refuse_unknown
from coalmine_schemas.prompts.json_values import check_json
from coalmine_schemas.quantities import read_duration, read_share, seconds
from coalmine_schemas.safe_text import printable

Value = TypeVar("Value")

FILE: Final = "evals.yaml"
_MOST: Final = 50
_LONGEST: Final = 200
_LONGEST_QUESTION: Final = 1_000
_LONGEST_DEADLINE_S: Final = 300
_LARGEST_USD: Final = 1_000_000
_MOST_WAITING: Final = 10_000
_USUALLY_WAITING: Final = 500
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_FLAG: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.-]{0,99})\s*(<=|>=|<|>|=)\s*(\S+)\s*")
_THUMBS: Final = {"down": 0.0, "up": 1.0}
_TAKEN: Final = {metric.name for metric in BUILT_IN} - {"quality"}
"""Metrics that do not come from scores."""


@dataclass(frozen=True, slots=True)
class ProductionPlan:
    """What is scored and reviewed of production."""

    continuous: ContinuousPlan = field(default_factory=ContinuousPlan)
    review: tuple[ReviewPlan, ...] = ()


def read_production_file(path: Path) -> ProductionPlan:
    """Reads the file.

    Raises:
        InvalidFile: It cannot be read or has mistakes; all of them are named.
    """
    try:
        return read_production(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidFile([f"{path}: cannot be read ({reason})"]) from None


def read_production(source: str) -> ProductionPlan:
    """Reads the text of the file.

    Raises:
        InvalidFile: It has mistakes; all of them are named.
    """
    try:
        found = read_front_matter(source)
    except InvalidPrompt as mistake:
        raise InvalidFile([str(mistake).replace("front matter", FILE, 1)]) from None
    mistakes = Mistakes(f"{FILE}: ")
    with mistakes.noted():
        refuse_unknown(found, ("continuous", "review"), "")
    continuous = ContinuousPlan()
    with mistakes.noted():
        continuous = _continuous(object_of(found.get("continuous") or {}, "continuous"), mistakes)
    review = _each(found.get("review"), "review", _queue, mistakes)
    asked = [question.name for queue in review for question in queue.questions]
    for name in sorted({each.metric for each in continuous.scores} & {*asked}):
        remedy = "call one of them differently: a scorer's scores and people's are two series"
        mistakes.note(InvalidPrompt("a name of both scores and questions", name, remedy))
    mistakes.tell()
    return ProductionPlan(continuous, review)


def _continuous(found: Mapping[str, Any], mistakes: Mistakes) -> ContinuousPlan:
    refuse_unknown(found, ("scores", "budget_usd_per_day", "deadline"), "continuous")
    deadline_s, budget = DEADLINE_S, None
    with mistakes.noted():
        if "deadline" in found:
            deadline_s = seconds(read_duration(found["deadline"], "continuous.deadline"))
        if not 1 <= deadline_s <= _LONGEST_DEADLINE_S:
            remedy = f"give 1s to {_LONGEST_DEADLINE_S}s: rollouts decide with what is there"
            raise InvalidPrompt("continuous.deadline", found["deadline"], remedy)
    with mistakes.noted():
        budget = _usd(found.get("budget_usd_per_day"), "continuous.budget_usd_per_day")
    scores = _each(found.get("scores"), "continuous.scores", _scored, mistakes)
    return ContinuousPlan(scores, budget, deadline_s)


def _scored(metric: str, value: object, where: str) -> Scored:
    found = object_of(value, where)
    known = ("scorer", "settings", "source", "prompts", "environments", "rate", "rate_in_rollouts", "strata")
    refuse_unknown(found, known, where)
    settings = object_of(found.get("settings") or {}, f"{where}.settings")
    check_json(settings, f"{where}.settings")
    scorer = _short(found.get("scorer"), f"{where}.scorer")
    strata = list_of(found.get("strata") or (), f"{where}.strata")
    if len(strata) > _MOST:
        raise InvalidPrompt(f"{where}.strata", f"{len(strata)} of them", f"give at most {_MOST}")
    usual = "judge" if "judge" in scorer or ":" in scorer else "heuristic"
    return Scored(
        metric=metric,
        scorer=scorer,
        settings=settings,
        source=_choice(found.get("source", usual), f"{where}.source", get_args(ScoreSourceName)),
        prompts=_names(found.get("prompts", ["*"]), f"{where}.prompts"),
        environments=_names(found.get("environments", ["prod"]), f"{where}.environments"),
        rate=read_share(found.get("rate", 0.1), f"{where}.rate"),
        rate_in_rollouts=read_share(found.get("rate_in_rollouts", 1.0), f"{where}.rate_in_rollouts"),
        strata=tuple(_stratum(each, f"{where}.strata[{place}]") for place, each in enumerate(strata)),
    )


def _stratum(value: object, where: str) -> Stratum:
    found = object_of(value, where)
    refuse_unknown(found, ("segment", "value", "rate"), where)
    return Stratum(
        _short(found.get("segment"), f"{where}.segment"),
        _short(found.get("value"), f"{where}.value"),
        read_share(found.get("rate"), f"{where}.rate"),
    )


def _queue(name: str, value: object, where: str) -> ReviewPlan:
    found = object_of(value, where)
    known = ("questions", "prompts", "environments", "random", "flags", "double", "most_waiting")
    refuse_unknown(found, known, where)
    questions = object_of(found.get("questions") or {}, f"{where}.questions")
    if not 1 <= len(questions) <= _MOST:
        remedy = f"give 1 to {_MOST}, e.g. `correct: {{ask: Is the answer right?}}`"
        raise InvalidPrompt(f"{where}.questions", f"{len(questions)} of them", remedy)
    flags = list_of(found.get("flags") or (), f"{where}.flags")
    if len(flags) > _MOST:
        raise InvalidPrompt(f"{where}.flags", f"{len(flags)} of them", f"give at most {_MOST}")
    most = found.get("most_waiting", _USUALLY_WAITING)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _MOST_WAITING:
        raise InvalidPrompt(f"{where}.most_waiting", most, f"give 1 to {_MOST_WAITING}")
    return ReviewPlan(
        name=name,
        questions=tuple(_question(each, one, f"{where}.questions.{each}") for each, one in questions.items()),
        prompts=_names(found.get("prompts", ["*"]), f"{where}.prompts"),
        environments=_names(found.get("environments", ["prod"]), f"{where}.environments"),
        random=read_share(found.get("random", 0.01), f"{where}.random"),
        flags=tuple(_flag(each, f"{where}.flags[{place}]") for place, each in enumerate(flags)),
        double=read_share(found.get("double", 0.1), f"{where}.double"),
        most_waiting=most,
    )


def _question(name: str, value: object, where: str) -> Question:
    _check_name(name, where)
    found = object_of(value, where)
    refuse_unknown(found, ("ask", "answers"), where)
    ask = found.get("ask")
    if not isinstance(ask, str) or not 0 < len(ask) <= _LONGEST_QUESTION or printable(ask) != ask:
        remedy = f"give a question of 1 to {_LONGEST_QUESTION} characters"
        raise InvalidPrompt(f"{where}.ask", ask, remedy)
    # YAML reads yes and no without quotes as true and false.
    answers = found.get("answers", {"yes": 1.0, "no": 0.0})
    if isinstance(answers, Mapping):
        answers = {{True: "yes", False: "no"}.get(key, str(key)): each for key, each in answers.items()}
    given = object_of(answers, f"{where}.answers")
    if not 2 <= len(given) <= 10:
        raise InvalidPrompt(f"{where}.answers", f"{len(given)} of them", "give 2 to 10")
    worth = {}
    for answer, number in given.items():
        _short(answer, f"a key of {where}.answers")
        worth[answer] = read_share(number, f"{where}.answers.{answer}")
    return Question(name, ask, worth)


def _flag(value: object, where: str) -> Flag:
    found = _FLAG.fullmatch(value) if isinstance(value, str) else None
    remedy = "write a score, rating or thumbs and a limit: `faithfulness < 0.8`, `thumbs = down`"
    if found is None:
        raise InvalidPrompt(where, value, remedy)
    name, compared, limit = found.groups()
    if name == "thumbs":
        if compared != "=" or limit not in _THUMBS:
            raise InvalidPrompt(where, value, "write `thumbs = down` or `thumbs = up`")
        return Flag(f"thumbs = {limit}", name, "<=" if limit == "down" else ">=", _THUMBS[limit])
    try:
        number = float(limit)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or compared not in get_args(Compared):
        raise InvalidPrompt(where, value, remedy)
    return Flag(f"{name} {compared} {limit}", name, compared, number)  # type: ignore[arg-type]


def _each(
    value: object, section: str, read: Callable[[str, object, str], Value], mistakes: Mistakes
) -> tuple[Value, ...]:
    """Reads each entry of a section by itself."""
    made: list[Value] = []
    with mistakes.noted():
        given = object_of(value or {}, section)
        if len(given) > _MOST:
            raise InvalidPrompt(section, f"{len(given)} of them", f"give at most {_MOST}")
        for name, each in given.items():
            with mistakes.noted():
                _check_name(name, f"{section}.{name}")
                made.append(read(name, each, f"{section}.{name}"))
    return tuple(made)


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidPrompt(where, name, "begin with a letter, go on with letters, digits, '_.-'")
    if name in _TAKEN:
        raise InvalidPrompt(where, name, "choose another name: this metric does not come from scores")


def _names(value: object, where: str) -> tuple[str, ...]:
    given = list_of(value, where)
    if not 1 <= len(given) <= _MOST:
        raise InvalidPrompt(where, f"{len(given)} of them", f"give 1 to {_MOST}")
    return tuple(_short(each, f"{where}[{place}]") for place, each in enumerate(given))


def _short(value: object, where: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and printable(value, lines=False) == value:
        return value
    raise InvalidPrompt(where, value, f"give a text of 1 to {_LONGEST} printable characters")


def _choice(value: object, where: str, known: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a Literal
    if value in known:
        return value
    raise InvalidPrompt(where, value, f"give one of {', '.join(known)}")


def _usd(value: object, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST_USD:
        raise InvalidPrompt(where, value, f"give an amount in USD from 0 to {_LARGEST_USD:,}")
    return round(value * 1e9)
