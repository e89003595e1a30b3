"""Reads a suite, and names every mistake in it with its place and its remedy."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from coalmine_evals.suites.suite import Role, Suite, SuiteMetric, SuiteSplit
from coalmine_schemas.errors import nearest
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts import check_prompt_name
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, refuse_unknown
from coalmine_schemas.prompts.json_values import check_json
from coalmine_schemas.quantities import read_share
from coalmine_schemas.results import descriptions
from coalmine_schemas.safe_text import printable

_LONGEST: Final = 200
_LONGEST_TEXT: Final = 2_000
_MOST: Final = 50
_MOST_REPEATS: Final = 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_DEFAULT_MARGIN: Final = 0.05
_DEFAULT_UNSCORED: Final = 0.02


def read_suite(path: Path) -> Suite:
    """Reads the file of a suite, whose name is that of the suite.

    Raises:
        InvalidFile: It cannot be read or has mistakes; all of them are named.
    """
    try:
        source = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidFile([f"{path}: cannot be read ({reason}): name the YAML file of a suite"]) from None
    try:
        found = read_front_matter(source)
    except InvalidPrompt as mistake:
        raise InvalidFile([str(mistake).replace("front matter", path.name, 1)]) from None
    return suite_of(path.stem, found, path.name)


def suite_of(name: str, found: Mapping[str, Any], where: str) -> Suite:
    """Returns a suite.

    Args:
        name: Its name.
        found: As `Suite.to_json` writes it; people may leave out what has a default.
        where: What to call it in errors.

    Raises:
        InvalidFile: It has mistakes; all of them are named.
    """
    mistakes = Mistakes(f"{where}: ")
    values: dict[str, Any] = {"name": name, "metrics": ()}
    known = [each for each in descriptions(Suite) if each != "name"]
    for key in found:
        with mistakes.noted():
            refuse_unknown({key: None}, known, "")
    with mistakes.noted():
        check_prompt_name(name, "the name of the file")
    for key, read in _READ.items():
        with mistakes.noted():
            values[key] = read(found.get(key), key)
    with mistakes.noted():
        values["metrics"] = _metrics(found.get("metrics"), mistakes)
    mistakes.tell()
    return Suite(**values)


def _metrics(value: object, mistakes: Mistakes) -> tuple[SuiteMetric, ...]:
    given = object_of(value or {}, "metrics")
    if not 1 <= len(given) <= _MOST:
        remedy = f"give 1 to {_MOST}, e.g. `correct: {{scorer: exact, margin: 3%}}`"
        raise InvalidPrompt("metrics", f"{len(given)} of them", remedy)
    metrics = []
    for name, each in given.items():
        with mistakes.noted():
            metrics.append(_metric(name, each))
    if len(metrics) == len(given) and all(each.role == "advisory" for each in metrics):
        raise InvalidPrompt("metrics", "all advisory", "let one decide: `role: must`")
    return tuple(metrics)


def _metric(name: str, value: object) -> SuiteMetric:
    where = f"metrics.{name}"
    if not _NAME.fullmatch(name):
        raise InvalidPrompt(
            "a key of metrics", name, "begin with a letter, go on with letters, digits, '_.-'"
        )
    given = {"scorer": value} if isinstance(value, str) else object_of(value, where)
    refuse_unknown(given, [each for each in descriptions(SuiteMetric) if each != "name"], where)
    settings = object_of(given.get("settings") or {}, f"{where}.settings")
    check_json(settings, f"{where}.settings")
    return SuiteMetric(
        name=name,
        description=_optional_text(given.get("description"), f"{where}.description"),
        scorer=_short(given.get("scorer"), f"{where}.scorer"),
        settings=settings,
        margin=read_share(given.get("margin", _DEFAULT_MARGIN), f"{where}.margin"),
        role=_choice(given.get("role", "must"), f"{where}.role", get_args(Role)),
        right_from=read_share(given.get("right_from", 1.0), f"{where}.right_from"),
    )


def _short(value: object, where: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and printable(value, lines=False) == value:
        return value
    raise InvalidPrompt(where, value, f"give a text of 1 to {_LONGEST} printable characters")


def _optional(value: object, where: str) -> str | None:
    return None if value is None else _short(value, where)


def _optional_text(value: object, where: str) -> str | None:
    if value is None or (
        isinstance(value, str) and len(value) <= _LONGEST_TEXT and printable(value) == value
    ):
        return value
    raise InvalidPrompt(where, value, f"give a text of at most {_LONGEST_TEXT} characters")


def _digest(value: object, where: str) -> str | None:
    if value is None or (isinstance(value, str) and _DIGEST.fullmatch(value)):
        return value
    raise InvalidPrompt(where, value, "give 64 hexadecimal digits; `coalmine suite check --fix` writes them")


def _file(value: object, where: str) -> str | None:
    name = _optional(value, where)
    if name is not None and (Path(name).is_absolute() or ".." in Path(name).parts):
        raise InvalidPrompt(where, name, "name a file in the suite's own folder, or below it")
    return name


def _choice(value: object, where: str, known: Sequence[str]) -> Any:  # noqa: ANN401 - a Literal
    if value in known:
        return value
    near = nearest(str(value), known)
    raise InvalidPrompt(where, value, f"did you mean {near}?" if near else f"give one of {', '.join(known)}")


def _split(value: object, where: str) -> SuiteSplit:
    split: SuiteSplit = _choice("test" if value is None else value, where, get_args(SuiteSplit))
    return split


def _repeats(value: object, where: str) -> int:
    if value is None:
        return 1
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_REPEATS:
        return value
    raise InvalidPrompt(where, value, f"give an integer from 1 to {_MOST_REPEATS}")


def _unscored(value: object, where: str) -> float:
    return read_share(_DEFAULT_UNSCORED if value is None else value, where)


def _capabilities(value: object, where: str) -> tuple[str, ...]:
    given = list_of(value or (), where)
    if len(given) > _MOST:
        raise InvalidPrompt(where, f"{len(given)} of them", f"give at most {_MOST}")
    return tuple(dict.fromkeys(_short(each, f"{where}[{at}]") for at, each in enumerate(given)))


_READ: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "description": _optional_text,
    "prompt": check_prompt_name,
    "dataset": check_prompt_name,
    "dataset_digest": _digest,
    "file": _file,
    "split": _split,
    "repeats": _repeats,
    "capabilities": _capabilities,
    "unscored_limit": _unscored,
    "provider": _optional,
    "base_url": _optional,
    "model": _optional,
}
