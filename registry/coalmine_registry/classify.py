"""Classifies a change of a prompt by what it means for callers.

- **major**: a caller breaks or gets something of another shape: a variable removed, added as required, made
  required or given another type; another output schema; other messages.
- **minor**: callers keep working, but the model is asked something else: an optional variable, another
  default, model or parameters, other included prompts.
- **patch**: wording, descriptions, metadata, a snapshot of the same model.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from coalmine_registry.errors import BumpTooSmall
from coalmine_registry.output_schema import schema_changes
from coalmine_registry.semantic_version import Step, largest, step_between, step_size
from coalmine_schemas.prompts import JsonValue, PromptContent, Variable, canonical_json, parse_reference
from coalmine_schemas.results import result

_SNAPSHOT: Final = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{3,4})")


def is_snapshot(model: str | None, other: str | None) -> bool:
    """Returns True if another model is what a name stands for on some day: gpt-4o, gpt-4o-2024-08-06."""
    if model is None or other is None:
        return False
    name = model.removesuffix("-latest")
    return other.startswith(name) and _SNAPSHOT.fullmatch(other.removeprefix(name)) is not None


@result
class Change:
    """One change between two versions, and the version bump it needs."""

    what: str
    """Description of the change, e.g. `variable question was removed`."""
    needs: Step
    """Smallest version bump that the change needs: patch, minor or major."""

    def __str__(self) -> str:
        return f"{self.what}: {self.needs}"


@result
class Classification:
    """All changes of a version against the one it is compared with."""

    previous: str
    """Version that it is compared with."""
    level: Step
    """Smallest version bump that all changes together need; `none` if nothing changed."""
    reasons: tuple[Change, ...]
    """The changes, those that need the largest bump first."""

    def check(self, version: str) -> None:
        """Checks that the version bump is large enough for the changes.

        Raises:
            BumpTooSmall: It is too small; names the changes that need more.
        """
        step = step_between(self.previous, version)
        if step_size(self.level) > step_size(step):
            short = [str(change) for change in self.reasons if step_size(change.needs) > step_size(step)]
            raise BumpTooSmall(version, self.previous, step, self.level, short)


def classify(
    previous: str,
    old: PromptContent,
    new: PromptContent,
    *,
    old_inherited: Mapping[str, Variable] | None = None,
    new_inherited: Mapping[str, Variable] | None = None,
) -> Classification:
    """Compares two contents.

    Args:
        previous: Version of the old one.
        old: Content of the previous version.
        new: Content of the new version.
        old_inherited: Variables declared by prompts that the old one includes; callers pass them, too.
        new_inherited: The same for the new one.
    """
    changes = [
        *_variables({**(old_inherited or {}), **old.variables}, {**(new_inherited or {}), **new.variables}),
        *_output_schema(old.output_schema, new.output_schema),
        *_messages(old, new),
        *_model(old, new),
        *_includes(old, new),
        *_text(old, new),
        *_metadata(old, new),
    ]
    changes.sort(key=lambda change: -step_size(change.needs))
    return Classification(previous, largest(change.needs for change in changes), tuple(changes))


def _variables(old: Mapping[str, Variable], new: Mapping[str, Variable]) -> Iterator[Change]:
    for name in sorted(old.keys() - new.keys()):
        yield Change(f"variable {name} was removed", "major")
    for name in sorted(new.keys() - old.keys()):
        if new[name].required:
            yield Change(f"required variable {name} was added", "major")
        else:
            yield Change(f"optional variable {name} was added", "minor")
    for name in sorted(old.keys() & new.keys()):
        yield from _variable(name, old[name], new[name])


def _variable(name: str, old: Variable, new: Variable) -> Iterator[Change]:
    if (old.type, new.type) == ("integer", "number"):
        yield Change(f"variable {name} takes any number instead of integers only", "minor")
    elif old.type != new.type:
        yield Change(f"variable {name} became {new.type} instead of {old.type}", "major")
    if new.required and not old.required:
        yield Change(f"variable {name} became required", "major")
    elif old.required and not new.required:
        yield Change(f"variable {name} became optional", "minor")
    elif canonical_json(old.default) != canonical_json(new.default):
        yield Change(f"the default of variable {name} changed", "minor")
    if old.description != new.description:
        yield Change(f"the description of variable {name} changed", "patch")


def _output_schema(
    old: Mapping[str, JsonValue] | None, new: Mapping[str, JsonValue] | None
) -> Iterator[Change]:
    if old is None and new is None:
        return
    if old is None or new is None:
        yield Change("the output schema was " + ("added" if old is None else "removed"), "major")
        return
    for what, needs in schema_changes(old, new):
        yield Change(what, needs)


def _messages(old: PromptContent, new: PromptContent) -> Iterator[Change]:
    if old.kind != new.kind:
        yield Change(f"the prompt became {new.kind} instead of {old.kind}", "major")
        return
    before, after = [each.role for each in old.messages], [each.role for each in new.messages]
    if before != after:
        yield Change(f"the messages became {', '.join(after)} instead of {', '.join(before)}", "major")


def _model(old: PromptContent, new: PromptContent) -> Iterator[Change]:
    if old.model != new.model:
        step: Step = "patch" if is_snapshot(old.model, new.model) else "minor"
        yield Change(f"the model became {new.model} instead of {old.model}", step)
    for name in sorted(old.parameters.keys() | new.parameters.keys()):
        before, after = old.parameters, new.parameters
        if (name in before) != (name in after):
            yield Change(f"parameter {name} was " + ("removed" if name in before else "added"), "minor")
        elif canonical_json(before[name]) != canonical_json(after[name]):
            yield Change(f"parameter {name} changed", "minor")


def _includes(old: PromptContent, new: PromptContent) -> Iterator[Change]:
    before, after = _included_versions(old), _included_versions(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Change(f"{name} is no longer included", "minor")
        elif name not in before:
            yield Change(f"{name} is included", "minor")
        elif before[name] != after[name]:
            was, now = (", ".join(sorted(versions[name])) for versions in (before, after))
            # What callers have to give is compared by variables, so even a major step is minor here.
            one_each = len(before[name]) == len(after[name]) == 1
            small = one_each and step_between(was, now) == "patch"
            yield Change(f"{name} is included at {now} instead of {was}", "patch" if small else "minor")


def _included_versions(content: PromptContent) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for reference in content.includes():
        name, version = parse_reference(reference)
        found.setdefault(name, set()).add(version)
    return found


def _text(old: PromptContent, new: PromptContent) -> Iterator[Change]:
    if old.kind != new.kind:
        return  # said already
    before, after = dict(old.templates()), dict(new.templates())
    if len(before) == len(after):
        for field, template in after.items():
            if before[field] != template:
                yield Change(f"the wording of {field} changed", "patch")


def _metadata(old: PromptContent, new: PromptContent) -> Iterator[Change]:
    if canonical_json(old.metadata) != canonical_json(new.metadata):
        yield Change("metadata changed", "patch")
