"""Compatibility of output schemas, for code that reads answers by the old one.

Readers keep working as long as every answer that fits the new schema can be read as one of the old: an added
property, an added promise (`required`, fewer values of an `enum`). Anything else counts as breaking.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from coalmine_registry.semantic_version import Step
from coalmine_schemas.prompts import JsonValue, canonical_json

_ANNOTATIONS: Final = ("title", "description", "examples", "$comment", "default", "$id", "$schema")
_UNDERSTOOD: Final = ("properties", "required", "enum", "items")


def schema_changes(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], where: str = "the output schema"
) -> Iterator[tuple[str, Step]]:
    """Yields the changes between two JSON Schemas, each with the version bump it needs.

    Args:
        old: JSON Schema of the previous version.
        new: JSON Schema of the new version.
        where: Name of the schema in the changes.
    """
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if (key in old) == (key in new) and canonical_json(before) == canonical_json(after):
            continue
        if key in _ANNOTATIONS:
            yield f"{where}: {key} changed", "patch"
        elif key in _UNDERSTOOD and _comparable(key, before, after):
            yield from _part(key, before, after, where)
        else:
            yield f"{where}: {key} changed", "major"


def _comparable(key: str, before: object, after: object) -> bool:
    if key == "required":
        return all(part is None or _is_list_of_text(part) for part in (before, after))
    if key == "enum":
        return isinstance(before, list) and isinstance(after, list)
    return isinstance(before, Mapping) and isinstance(after, Mapping)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _part(key: str, before: Any, after: Any, where: str) -> Iterator[tuple[str, Step]]:  # noqa: ANN401 - JSON
    match key:
        case "properties":
            yield from _properties(before, after, where)
        case "items":
            yield from schema_changes(before, after, f"{where}[]")
        case "required":
            was, now = set(before or ()), set(after or ())
            if was == now:
                yield f"{where}: required has another order", "patch"
            for name in sorted(was - now):
                yield f"{where}: {name} is no longer required", "major"
            for name in sorted(now - was):
                yield f"{where}: {name} became required", "minor"
        case "enum":
            was, now = ({canonical_json(each) for each in values} for values in (before, after))
            if now - was:
                yield f"{where}: enum allows other values", "major"
            elif now == was:
                yield f"{where}: enum has another order", "patch"
            else:
                yield f"{where}: enum allows fewer values", "minor"


def _properties(
    before: Mapping[str, Any], after: Mapping[str, Any], where: str
) -> Iterator[tuple[str, Step]]:
    for name in sorted(before.keys() - after.keys()):
        yield f"{where}: property {name} was removed", "major"
    for name in sorted(after.keys() - before.keys()):
        yield f"{where}: property {name} was added", "minor"
    for name in sorted(before.keys() & after.keys()):
        was, now = before[name], after[name]
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from schema_changes(was, now, f"{where}.{name}")
        elif was != now:
            yield f"{where}: property {name} changed", "major"
