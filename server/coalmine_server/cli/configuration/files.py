"""Reads a folder of configuration whole, before anything is asked of a registry.

::

    DIR/prompts/NAME/VERSION.md   versions, as `coalmine push` reads them
    DIR/environments/NAME.yaml    the policy of an environment, and what it serves of each prompt
    DIR/experiments/NAME.yaml     an experiment of that name
    DIR/rollouts/NAME.yaml        a rollout
    DIR/alerts.yaml               rules, channels, owners and budgets of alerts
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_registry.operations.inputs import evidence_given, required_evidence
from coalmine_registry.operations.rules_given import check_rules
from coalmine_registry.records import ENVIRONMENTS
from coalmine_rollouts.plan import read_plan
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.mistakes import InvalidFile
from coalmine_schemas.prompt_files.folder import InvalidFiles, PromptFile, read_folder
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts import Arm, Rule, ServeVersion, check_arms, check_prompt_name
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_server.cli.configuration.mistakes import Place, at, mistake_at, mistakes_of
from coalmine_server.client.file_models import EnvironmentFile, ExperimentFile, RolloutFile, ServedTerms

if TYPE_CHECKING:  # needs what `[cli]` does without, as the file of alerts does
    from coalmine_alerts.configuration.records import Configuration

Terms = TypeVar("Terms")
Model = TypeVar("Model", bound=BaseModel)

FOLDERS: Final = ("prompts", "environments", "experiments", "rollouts")
ALERTS: Final = "alerts.yaml"
SUFFIX: Final = ".yaml"
_CONTROL: Final = "control"


@dataclass(frozen=True, slots=True)
class Given(Generic[Terms]):
    """What one file says."""

    path: Path
    terms: Terms
    text: str = ""
    """The file itself, to find lines in."""

    def at(self, *place: str | int) -> str:
        """Returns `FILE:LINE` of a value."""
        return at(self.path, self.text, place)


@dataclass(frozen=True, slots=True)
class Files:
    """All that a folder says. What is None has no folder or file: it is not compared."""

    prompts: tuple[PromptFile, ...] | None
    environments: Mapping[str, Given[EnvironmentFile]]
    experiments: Mapping[str, Given[ExperimentFile]] | None
    rollouts: Mapping[str, Given[RolloutFile]] | None
    alerts: "Given[Configuration] | None"

    @property
    def names(self) -> frozenset[str]:
        """Prompts that any file names: of others nothing is compared, since other folders may have them."""
        return frozenset(
            (
                *(file.name for file in self.prompts or ()),
                *(name for each in self.environments.values() for name in each.terms.prompts or ()),
                *(each.terms.prompt for each in (self.experiments or {}).values()),
                *(each.terms.prompt for each in (self.rollouts or {}).values()),
            )
        )


def read_files(directory: Path) -> Files:
    """Reads a folder.

    Raises:
        InvalidFiles: There are mistakes in it; names all of them, each with its file and line.
    """
    problems = list(_layout_problems(directory))
    prompts: tuple[PromptFile, ...] | None = None
    if (directory / "prompts").is_dir():
        try:
            prompts = tuple(read_folder(directory / "prompts"))
        except InvalidFiles as error:
            problems += error.problems
    environments = _each(directory / "environments", EnvironmentFile, _check_environment, problems)
    experiments = _each(directory / "experiments", ExperimentFile, _check_experiment, problems)
    rollouts = _each(directory / "rollouts", RolloutFile, _check_rollout, problems)
    alerts = _alerts(directory / ALERTS, problems)
    if problems:
        raise InvalidFiles(problems)
    return Files(prompts, environments or {}, experiments, rollouts, alerts)


def ordered_arms(terms: ExperimentFile) -> tuple[Arm, ...]:
    """The arms as the registry orders them: treatments as given, then the control."""
    last = _CONTROL if terms.control is None else terms.control
    arms = (Arm(each.variant, each.version, each.weight) for each in terms.arms)
    return tuple(sorted(arms, key=lambda arm: arm.variant == last))


def _layout_problems(directory: Path) -> Iterator[str]:
    """What stands where nothing reads it: most often a misspelt name."""
    if not directory.is_dir():
        yield f"{directory}: no such folder; it should hold {', '.join(FOLDERS)} or {ALERTS}"
        return
    known = (*FOLDERS, ALERTS)
    unread: list[str] = []
    found = [each for each in _entries(directory, unread) if each.name[0] not in "._"]
    if unread:
        raise InvalidFiles(unread)
    for path in found:
        near = nearest(path.name, known)
        if path.name in FOLDERS and not path.is_dir():
            yield f"{path}: is no folder, or a link to nothing: put a folder there, or delete it"
        if path.name not in known and (path.suffix in (SUFFIX, ".yml") or (path.is_dir() and near)):
            yield f"{path}: nothing reads it: " + (f"did you mean {near}?" if near else _LAYOUT)
    if not any(path.name in known for path in found):
        yield f"{directory}: none of {', '.join(known)} is in it: {_LAYOUT}"


_LAYOUT: Final = "docs/configuration-as-files.md says what stands where"


def _each(
    folder: Path,
    model: type[Model],
    check: Callable[[str, Model], Iterator[tuple[Place, str]]],
    problems: list[str],
) -> dict[str, Given[Model]] | None:
    """Reads each file of a folder by itself; None if there is no such folder."""
    if not folder.is_dir():
        return None
    found: dict[str, Given[Model]] = {}
    for path in _entries(folder, problems):
        if path.name[0] in "._" or path.name == "README.md":
            continue
        if path.suffix != SUFFIX:
            problems.append(f"{path}: nothing reads it: files in {folder.name} are called NAME{SUFFIX}")
            continue
        given = _read(path, model, problems)
        if given is None:
            continue
        try:
            mistakes = list(check(path.stem, given.terms))
        except InvalidPrompt as error:
            problems.append(mistake_at(path, given.text, error))
            continue
        problems += [f"{given.at(*place)}: {said}" for place, said in mistakes]
        found[path.stem] = given
    return found


def _entries(folder: Path, problems: list[str]) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        problems.append(f"{folder}: cannot be read: {error.strerror}")
        return []


def _read(path: Path, model: type[Model], problems: list[str]) -> Given[Model] | None:
    text = _text(path, problems)
    if text is None:
        return None
    try:
        return Given(path, model.model_validate(read_front_matter(text)), text)
    except InvalidPrompt as error:
        problems.append(mistake_at(path, text, error))
    except ValidationError as error:
        problems += mistakes_of(path, text, model, error)
    return None


def _text(path: Path, problems: list[str]) -> str | None:
    if not path.is_file():  # a pipe would be waited for
        problems.append(f"{path}: is no file, or a link to nothing: put a file there, or delete it")
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problems.append(f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8")
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
    return None


def _check_environment(name: str, terms: EnvironmentFile) -> Iterator[tuple[Place, str]]:
    if name not in ENVIRONMENTS:
        yield (), f"no environment is called {name!r}: name the file after one of {', '.join(ENVIRONMENTS)}"
    if terms.policy is not None:
        try:
            required_evidence(terms.policy.required_evidence)
        except InvalidParameter as error:
            yield ("policy", "required_evidence"), f"policy.{error}"
    for prompt, served in (terms.prompts or {}).items():
        names: set[str] = set()
        for number, rule in enumerate(served.rules or ()):
            place: Place = ("prompts", prompt, "rules", number)
            if rule.name in names:
                yield (
                    (*place, "name"),
                    f"a second rule {rule.name!r} of {prompt}: give each a name of its own",
                )
            names.add(rule.name)
            if not rule.when or not all(rule.when.values()):
                why = "name a segment and its values; what is for everybody is `version`"
                yield (*place, "when"), f"rule {rule.name!r} matches nobody: {why}"
            if rule.serve.keys() != {"version"} or not isinstance(rule.serve["version"], str):
                why = "give {version: 1.2.0}; an experiment or a rollout in its place has a file of its own"
                yield (*place, "serve"), f"rule {rule.name!r} does not serve a version: {why}"
        yield from _refused((*_of(prompt), "rules"), check_rules, _rules(served))
        yield from _refused((*_of(prompt), "evidence"), evidence_given, served.evidence)


def _of(prompt: str) -> Place:
    return ("prompts", prompt)


def _rules(served: ServedTerms) -> list[Rule]:
    """Those that have no mistake yet."""
    return [
        Rule(each.name, {name: tuple(values) for name, values in each.when.items()}, ServeVersion("1.0.0"))
        for each in served.rules or ()
        if each.when and all(each.when.values())
    ]


def _refused(place: Place, check: Callable[[Any], object], given: object) -> Iterator[tuple[Place, str]]:
    """What the registry would refuse, once a part of the plan was done."""
    try:
        check(given)
    except InvalidParameter as error:
        yield place, str(error)


def _check_experiment(name: str, terms: ExperimentFile) -> Iterator[tuple[Place, str]]:
    check_prompt_name(name, "the name of the file")
    variants = [each.variant for each in terms.arms]
    if terms.control is not None and terms.control not in variants:
        yield ("control",), f"control is {terms.control!r}: name one of the arms: {', '.join(variants)}"
    try:
        check_arms(ordered_arms(terms))
    except InvalidParameter as error:
        yield ("arms",), f"arms: {error}"
    yield from _refused(("evidence",), evidence_given, terms.evidence)
    if terms.plan is not None:
        ExperimentPlan.from_json(terms.plan)


def _check_rollout(_name: str, terms: RolloutFile) -> Iterator[tuple[Place, str]]:
    yield from _refused(("evidence",), evidence_given, terms.evidence)
    if terms.plan is not None:
        read_plan(terms.plan, "plan")
    if terms.environment is not None and terms.environment not in ENVIRONMENTS:
        yield (
            ("environment",),
            f"environment is {terms.environment!r}: give one of {', '.join(ENVIRONMENTS)}",
        )


def _alerts(path: Path, problems: list[str]) -> "Given[Configuration] | None":
    if not os.path.lexists(path) or (text := _text(path, problems)) is None:
        return None
    from coalmine_alerts.configuration.read import read_configuration

    try:
        return Given(path, read_configuration(text), text)
    except InvalidFile as error:
        problems += [f"{path}: {mistake}" for mistake in error.mistakes]
    return None
