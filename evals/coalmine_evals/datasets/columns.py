"""Cases from the columns of other tools' files."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from coalmine_evals.datasets.case import KEYS, read_case
from coalmine_evals.results.datasets import Case
from coalmine_schemas.errors import nearest
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.json_values import canonical_json, check_json

PRESETS: Final[Mapping[str, Mapping[str, str]]] = {
    "langfuse": {
        "id": "id|",
        "variables": "input",
        "expected": "expectedOutput|expected_output|",
        "source": "sourceTraceId|source_trace_id|",
    },
    "langsmith": {
        "id": "id|",
        "variables": "inputs",
        "expected": "outputs.answer|outputs.output|outputs|",
    },
    # The messages before the last are the prompt itself, which has versions of its own here.
    "openai-evals": {"variables.input": "input.-1.content|input", "expected": "ideal"},
}
"""Columns of files that other tools export, by tool."""

_MISSING: Final = object()
_TEXTS: Final = ("id", "cluster", "source")


def read_mapping(entries: Sequence[str]) -> dict[str, str]:
    """Reads which columns hold the fields of cases.

    Args:
        entries: Each a tool of `PRESETS`, or `FIELD=COLUMN`; a field is one of a case or `variables.NAME`.
            Columns within columns are named with dots, elements of lists by number. `a|b`: `a`, or `b` where
            there is no `a`; `a|`: may be missing. Later ones win.

    Raises:
        InvalidPrompt: There is no such tool or field.
    """
    mapping: dict[str, str] = {}
    for entry in (part.strip() for each in entries for part in each.split(",")):
        field, separator, column = (part.strip() for part in entry.partition("="))
        if not separator:
            if entry not in PRESETS:
                near = nearest(entry, PRESETS)
                hint = f"did you mean {near}?" if near else f"tools are {', '.join(PRESETS)}"
                raise InvalidPrompt("--map", entry, f"write FIELD=COLUMN, or name a tool: {hint}")
            mapping |= PRESETS[entry]
            continue
        if not _is_field(field):
            if _is_field(column):
                raise InvalidPrompt("--map", entry, f"the field of the case comes first: {column}={field}")
            known = ", ".join((*KEYS, "variables.NAME"))
            raise InvalidPrompt("--map", entry, f"fields of a case are {known}")
        if not column:
            raise InvalidPrompt("--map", entry, "name the column behind =")
        mapping[field] = column
    return mapping


def case_of_columns(found: Mapping[str, Any], mapping: Mapping[str, str]) -> Case:
    """Returns the case of a line of another tool's file.

    Without a column for the id it is derived from the variables, so that the same question has the same id.

    Raises:
        InvalidPrompt: A column is missing, or holds what its field cannot.
    """
    value: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for field, column in mapping.items():
        item = column_of(found, column, default=None)
        if field == "variables":
            variables |= item if isinstance(item, dict) else {"input": item}
        elif field.startswith("variables."):
            variables[field.removeprefix("variables.")] = item
        elif item is not None:
            value[field] = _fitting(field, item)
    value["variables"] = variables
    if "id" not in value:
        check_json(variables, "variables")
        value["id"] = hashlib.sha256(canonical_json(variables)).hexdigest()[:16]
    return read_case(value)


def column_of(found: Mapping[str, Any], column: str, *, default: Any = _MISSING) -> Any:  # noqa: ANN401 - JSON
    """Returns what a line has in a column.

    Args:
        found: The line.
        column: As for `read_mapping`.
        default: Of a column that may be missing (`a|`).

    Raises:
        InvalidPrompt: It has no such column.
    """
    *names, last = column.split("|")
    for name in (*names, last) if last else names:
        if (value := _at(found, name)) is not _MISSING:
            return value
    if not last and default is not _MISSING:
        return default
    raise InvalidPrompt("a column", column, f"the line has {', '.join(list(found)[:20]) or 'none'}")


def _at(found: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    """What stands at a path; a name with a dot in it wins over a column within a column."""
    if isinstance(found, dict) and name in found:
        return found[name]
    head, _, rest = name.partition(".")
    if isinstance(found, list) and head.removeprefix("-").isdecimal() and len(head) < 10:
        at = int(head)
        inner = found[at] if -len(found) <= at < len(found) else _MISSING
    else:
        inner = found.get(head, _MISSING) if isinstance(found, dict) else _MISSING
    return _at(inner, rest) if rest and inner is not _MISSING else inner


def _fitting(field: str, item: Any) -> Any:  # noqa: ANN401 - JSON
    if field in _TEXTS and isinstance(item, int) and not isinstance(item, bool):
        return str(item)
    return [item] if field == "capabilities" and isinstance(item, str) else item


def _is_field(name: str) -> bool:
    return name in KEYS or (name.startswith("variables.") and len(name) > len("variables."))
