"""One case as JSON: reads it with every mistake named, and writes it."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from coalmine_evals.results.datasets import Case, Split
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of, object_of, optional_bool, optional_text, refuse_unknown
from coalmine_schemas.prompts.json_values import JsonObject, check_json
from coalmine_schemas.safe_text import printable

KEYS: Final = (*("id", "variables", "expected", "capabilities", "cluster", "split", "must_pass", "source"),)
"""Of a case, in the order in which people read them."""

_LONGEST: Final = 200
_MOST_CAPABILITIES: Final = 20


def read_case(value: object) -> Case:
    """Reads a case.

    Args:
        value: As `case_json` writes it: `id` and `variables` are needed.

    Raises:
        InvalidPrompt: It is not valid; names the field, its value and what to write instead.
    """
    found = object_of(value, "the case")
    refuse_unknown(found, KEYS, "")
    for key in ("id", "variables"):
        if key not in found:
            raise InvalidPrompt(key, None, "each case needs it; `--map` takes it from another column")
    variables = object_of(found["variables"], "variables")
    check_json(variables, "variables")
    check_json(found.get("expected"), "expected")
    name = _name(found["id"], "id")
    split = found.get("split", "test")
    if split not in get_args(Split):
        raise InvalidPrompt("split", split, f"give one of {', '.join(get_args(Split))}")
    source = optional_text(found, "source", "")
    return Case(
        id=name,
        variables=variables,
        expected=found.get("expected"),
        capabilities=_capabilities(found.get("capabilities") or ()),
        cluster=name if found.get("cluster") is None else _name(found["cluster"], "cluster"),
        split=split,
        must_pass=optional_bool(found, "must_pass", "", default=False),
        source=None if source is None else _name(source, "source"),
    )


def case_json(case: Case) -> JsonObject:
    """Returns a case as JSON without fields that say nothing: one added later changes no digest."""
    value: dict[str, Any] = {"id": case.id, "variables": _plain(case.variables)}
    if case.expected is not None:
        value["expected"] = _plain(case.expected)
    if case.capabilities:
        value["capabilities"] = list(case.capabilities)
    if case.cluster != case.id:
        value["cluster"] = case.cluster
    if case.split != "test":
        value["split"] = case.split
    if case.must_pass:
        value["must_pass"] = True
    if case.source is not None:
        value["source"] = case.source
    return value


def _capabilities(value: object) -> tuple[str, ...]:
    given = list_of(value, "capabilities")
    if len(given) > _MOST_CAPABILITIES:
        raise InvalidPrompt("capabilities", f"{len(given)} of them", f"give at most {_MOST_CAPABILITIES}")
    return tuple(dict.fromkeys(_name(each, f"capabilities[{at}]") for at, each in enumerate(given)))


def _name(value: object, where: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and printable(value, lines=False) == value:
        return value
    raise InvalidPrompt(where, value, f"give a text of 1 to {_LONGEST} printable characters")


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """With dicts and lists in place of other mappings and sequences, which `json` does not know."""
    match value:
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return value
