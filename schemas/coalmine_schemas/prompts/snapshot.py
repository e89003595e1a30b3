"""What one environment serves: pointers, targeting rules, experiments, and every content they can lead to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts.assignment import Arm, check_arms, percent
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt, InvalidSnapshot
from coalmine_schemas.prompts.fields import integer, list_of, object_of, text
from coalmine_schemas.prompts.json_values import JsonObject
from coalmine_schemas.prompts.names import check_prompt_name, check_version, parse_reference, reference_to
from coalmine_schemas.results import result

_LONGEST_NAME: Final = 200


@result
class ServeVersion:
    """Serve one version."""

    version: str
    """Version of the prompt to serve."""


@result
class ServeExperiment:
    """Let an experiment of the same prompt choose."""

    experiment: str
    """Name of the experiment that chooses the version."""


Serve: TypeAlias = ServeVersion | ServeExperiment
"""What a pointer or a rule leads to."""


@result
class Rule:
    """A targeting rule: serves something else to some segments of users."""

    name: str
    """Name of the rule, unique within the deployment."""
    when: Mapping[str, tuple[str, ...]]
    """Values by segment. All segments have to match, each with any of its values."""
    serve: Serve
    """What is served to users who match: a version or an experiment."""


@result
class Experiment:
    """A running experiment."""

    salt: str
    """Random text that decides, with the unit id, which arm a unit gets; fixed for the experiment's life."""
    allocation_epoch: int
    """Number of the current epoch, from 1; each change of weights starts the next."""
    arms: tuple[Arm, ...]
    """Current arms: treatments first, control last."""


@dataclass(frozen=True, slots=True)
class ServedPrompt:
    """How the environment serves one prompt."""

    revision: int
    """Counts changes of this prompt in this environment, from 1."""
    default: Serve
    """What is served where no rule matches."""
    rules: tuple[Rule, ...] = ()
    """The first that matches wins."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    """Running experiments by name."""
    offered: tuple[str, ...] = ()
    """Versions that a service may prefer for a user, sorted; they are assigned to nobody."""

    def versions(self) -> tuple[str, ...]:
        """Every version it can serve, each once."""
        found = [serve.version for serve in self._serves() if isinstance(serve, ServeVersion)]
        found += [arm.version for each in self.experiments.values() for arm in each.arms]
        found += self.offered
        return tuple(dict.fromkeys(found))

    def to_json(self) -> JsonObject:
        """How it is served, from a snapshot's JSON."""
        return _prompt_json(self)

    @classmethod
    def from_json(cls, value: object, field: str = "served") -> "ServedPrompt":
        """Reads how a prompt is served; what it names is not looked up.

        Raises:
            InvalidPrompt: It does not describe one.
            InvalidSnapshot: Arms that cannot be assigned.
        """
        return _prompt(value, field)

    def _serves(self) -> tuple[Serve, ...]:
        return (self.default, *(rule.serve for rule in self.rules))

    def _check(self) -> None:
        for serve in self._serves():
            if isinstance(serve, ServeExperiment) and serve.experiment not in self.experiments:
                raise InvalidSnapshot(
                    f"it serves experiment {serve.experiment!r}, which it does not describe"
                )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one environment serves at one revision. Never changed, only replaced."""

    environment: str
    revision: int
    """Changes with every change of what the environment serves."""
    prompts: Mapping[str, ServedPrompt] = field(default_factory=dict)
    """By name."""
    contents: Mapping[str, PromptContent] = field(default_factory=dict)
    """By `name@version`: all that can be served, and all they include."""

    def narrowed(self, sees: Callable[[str], bool]) -> "Snapshot":
        """Returns what it says of some prompts, with all that those include.

        Args:
            sees: True for the name of a prompt that stays.
        """
        prompts = {name: served for name, served in self.prompts.items() if sees(name)}
        contents: dict[str, PromptContent] = {}
        wanted = [reference_to(name, each) for name, served in prompts.items() for each in served.versions()]
        while wanted:
            reference = wanted.pop()
            if reference not in contents:
                contents[reference] = self.contents[reference]
                wanted += contents[reference].includes()
        return Snapshot(self.environment, self.revision, prompts, dict(sorted(contents.items())))

    def to_json(self) -> JsonObject:
        """The snapshot as JSON."""
        return {
            "environment": self.environment,
            "revision": self.revision,
            "prompts": {name: _prompt_json(served) for name, served in self.prompts.items()},
            "contents": {reference: content.to_json() for reference, content in self.contents.items()},
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Reads a snapshot and checks it wholly: what it names it also describes.

        Unknown keys are ignored: a newer registry may send more.

        Raises:
            InvalidSnapshot: It is not valid; says what is wrong.
        """
        try:
            found = object_of(value, "the snapshot")
            snapshot = cls(
                environment=_name(found, "environment", ""),
                revision=integer(found, "revision", "", at_least=0),
                prompts={
                    check_prompt_name(name, "the name of a prompt"): _prompt(each, f"prompts.{name}")
                    for name, each in object_of(found.get("prompts"), "prompts").items()
                },
                contents={
                    reference_to(*parse_reference(reference, "a key of contents")): PromptContent.from_json(
                        each, f"contents.{reference}"
                    )
                    for reference, each in object_of(found.get("contents"), "contents").items()
                },
            )
            snapshot.check()
        except InvalidSnapshot:
            raise
        except InvalidParameter as error:
            raise InvalidSnapshot(f"this describes no environment: {error}") from error
        except RecursionError as error:
            raise InvalidSnapshot("this describes no environment: it nests too deep") from error
        return snapshot

    def check(self) -> None:
        """Refuses a snapshot that names what it does not describe.

        Raises:
            InvalidSnapshot: An experiment or a content is missing.
        """
        for name, served in self.prompts.items():
            try:
                served._check()
            except InvalidSnapshot as error:
                raise InvalidSnapshot(f"prompt {name}: {error}") from None
            for version in served.versions():
                if reference_to(name, version) not in self.contents:
                    raise InvalidSnapshot(f"it serves {reference_to(name, version)} without its content")
        for reference, content in self.contents.items():
            for included in content.includes():
                if included not in self.contents:
                    raise InvalidSnapshot(f"{reference} includes {included}, whose content is missing")


def _prompt(value: object, where: str) -> ServedPrompt:
    found = object_of(value, where)
    return ServedPrompt(
        revision=integer(found, "revision", where, at_least=0),
        default=parse_serve(found.get("default"), f"{where}.default"),
        rules=tuple(
            parse_rule(each, f"{where}.rules[{place}]")
            for place, each in enumerate(list_of(found.get("rules") or (), f"{where}.rules"))
        ),
        experiments={
            name: _experiment(each, f"{where}.experiments.{name}")
            for name, each in object_of(found.get("experiments") or {}, f"{where}.experiments").items()
        },
        offered=tuple(
            check_version(each, f"{where}.offered[{place}]")
            for place, each in enumerate(list_of(found.get("offered") or (), f"{where}.offered"))
        ),
    )


def parse_serve(value: object, where: str) -> Serve:
    """Reads what `serve_json` wrote.

    Raises:
        InvalidPrompt: It is something else; names where it stands.
    """
    match object_of(value, where):
        case {"version": version, **others} if "experiment" not in others:
            return ServeVersion(check_version(version, f"{where}.version"))
        case {"experiment": str(experiment), **others} if "version" not in others and experiment:
            return ServeExperiment(experiment)
    raise InvalidPrompt(where, value, 'give {"version": ...} or {"experiment": ...}')


def parse_rule(value: object, where: str) -> Rule:
    """Reads what `rule_json` wrote.

    Raises:
        InvalidPrompt: It is something else; names where it stands.
    """
    found = object_of(value, where)
    when: dict[str, tuple[str, ...]] = {}
    for segment, values in object_of(found.get("when"), f"{where}.when").items():
        when[segment] = tuple(list_of(values, f"{where}.when.{segment}"))
        if not all(isinstance(each, str) for each in when[segment]):
            raise InvalidPrompt(f"{where}.when.{segment}", values, "give a list of texts")
    return Rule(text(found, "name", where), when, parse_serve(found.get("serve"), f"{where}.serve"))


def _experiment(value: object, where: str) -> Experiment:
    found = object_of(value, where)
    salt = _name(found, "salt", where)
    if "\0" in salt:  # it ends at a zero byte in what is hashed
        raise InvalidPrompt(f"{where}.salt", salt, "give one without zero bytes")
    arms = tuple(
        parse_arm(each, f"{where}.arms[{place}]")
        for place, each in enumerate(list_of(found.get("arms"), f"{where}.arms"))
    )
    try:
        check_arms(arms)
    except InvalidParameter as error:
        raise InvalidSnapshot(f"{where}: {error}") from None
    return Experiment(salt, integer(found, "allocation_epoch", where, at_least=0), arms)


def parse_arm(value: object, where: str) -> Arm:
    """Reads what `arm_json` wrote.

    Raises:
        InvalidPrompt: It is something else; names where it stands.
    """
    found = object_of(value, where)
    weight = found.get("weight")
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise InvalidPrompt(f"{where}.weight", weight, "give a share from 0 to 1")
    version = check_version(found.get("version"), f"{where}.version")
    return Arm(_name(found, "variant", where), version, float(weight))


def _name(found: Mapping[str, Any], key: str, where: str) -> str:
    value = text(found, key, where)
    if 0 < len(value) <= _LONGEST_NAME:
        return value
    raise InvalidPrompt(f"{where}.{key}" if where else key, value, f"give 1 to {_LONGEST_NAME} characters")


def _prompt_json(served: ServedPrompt) -> JsonObject:
    return {
        "revision": served.revision,
        "default": serve_json(served.default),
        "rules": [rule_json(rule) for rule in served.rules],
        "experiments": {
            name: {
                "salt": each.salt,
                "allocation_epoch": each.allocation_epoch,
                "arms": [arm_json(arm) for arm in each.arms],
            }
            for name, each in served.experiments.items()
        },
        **({"offered": list(served.offered)} if served.offered else {}),
    }


def rule_json(rule: Rule) -> JsonObject:
    """A rule as JSON."""
    return {
        "name": rule.name,
        "when": {segment: list(values) for segment, values in rule.when.items()},
        "serve": serve_json(rule.serve),
    }


def arm_json(arm: Arm) -> JsonObject:
    """An arm as JSON."""
    return {"variant": arm.variant, "version": arm.version, "weight": arm.weight}


def serve_json(serve: Serve) -> JsonObject:
    """What a pointer or a rule leads to, as JSON."""
    if isinstance(serve, ServeVersion):
        return {"version": serve.version}
    return {"experiment": serve.experiment}


def served_words(served: Mapping[str, Any] | None) -> str | None:
    """What is served by default, in a few words; None for what is not a served prompt as JSON.

    For people only: what cannot be read is left out, whatever wrote it.
    """
    match (served or {}).get("default"):
        case {"version": str(version)}:
            return version
        case {"experiment": str(name)}:
            experiment = (served or {}).get("experiments", {}).get(name, {})
            arms = ", ".join(f"{a['version']} {percent(a['weight'])}" for a in experiment.get("arms", ()))
            return f"{name}: {arms}" if arms else name
        case _:
            return None
