"""State machine of a deployment: what an environment serves of one prompt. Pure, without storage."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from coalmine_registry.errors import Conflict, NotFound
from coalmine_schemas.prompts import (
    Arm,
    Experiment,
    Rule,
    Serve,
    ServedPrompt,
    ServeExperiment,
    ServeVersion,
)


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What is served. Each change returns a new state; the store counts revisions."""

    defaults: tuple[str, ...]
    """Default versions, oldest first, without those that a rollback skipped. The last one is the default, or
    the version that an experiment in its place returns to."""
    default: Serve
    rules: tuple[Rule, ...] = ()
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    """Running experiments by name."""
    offered: tuple[str, ...] = ()
    """Versions that services may prefer for a user, sorted."""

    @property
    def version(self) -> str:
        """The default version."""
        return self.defaults[-1]

    def served(self, revision: int) -> ServedPrompt:
        """Returns the state as it stands in a snapshot."""
        return ServedPrompt(revision, self.default, self.rules, self.experiments, self.offered)

    def versions(self) -> frozenset[str]:
        """Returns every version that it can serve now."""
        return frozenset(self.served(0).versions())

    def assigned(self) -> frozenset[str]:
        """Returns those of them that it serves by itself, to who has preferred nothing."""
        return replace(self, offered=()).versions()

    def shown(self) -> frozenset[str]:
        """Returns those of them that anybody can be assigned: an arm without weight has shown nothing."""
        everybody = replace(self, experiments={}).assigned()
        arms = (arm for each in self.experiments.values() for arm in each.arms)
        return everybody | {arm.version for arm in arms if arm.weight > 0}

    def promoted(self, version: str) -> "DeploymentState":
        """Returns the state with another default.

        Raises:
            Conflict: An experiment replaces the default.
        """
        if isinstance(self.default, ServeExperiment):
            name = self.default.experiment
            raise Conflict(
                f"experiment {name} replaces the default: stop it first (keeping an arm, if you like), or "
                "roll back"
            )
        return replace(self, defaults=(*self.defaults, version), default=ServeVersion(version))

    def rolled_back(
        self,
        to_version: str | None,
        replaced: Mapping[str, str],
        can_be_served: Callable[[str], bool],
    ) -> "DeploymentState":
        """Returns the state with an earlier default and without experiments.

        Without a version it undoes the latest change: running experiments stop and the default stays; if none
        runs, the previous default returns. Rolling back twice goes back twice.

        Args:
            to_version: A version that was served before; None for the previous one.
            replaced: The version that each running experiment replaces.
            can_be_served: Returns True if a version may still be served.

        Raises:
            Conflict: There is no earlier version.
        """
        target = to_version
        if target is None:
            target = self.version if self.experiments else self.previous(can_be_served)
        if target is None:
            raise Conflict(
                f"nothing was served before {self.version}, or all of it is retired: name a version "
                "that served here"
            )
        rules = _without_experiments(self.rules, replaced)
        after = replace(self.returned(None, target), rules=rules, experiments={})
        return after.without_offers(self.assigned() - after.assigned())

    def previous(self, can_be_served: Callable[[str], bool]) -> str | None:
        """Returns the latest default before this one that may still be served; None if there is none."""
        earlier = [each for each in self.defaults if each != self.version and can_be_served(each)]
        return earlier[-1] if earlier else None

    def returned(self, rule: str | None, version: str) -> "DeploymentState":
        """Returns the state with a version that served before in a place; what came after it is skipped.

        Args:
            rule: Name of a rule; None for the default.
            version: The version.
        """
        serve = ServeVersion(version)
        if rule is not None:
            rules = tuple(replace(each, serve=serve) if each.name == rule else each for each in self.rules)
            return replace(self, rules=rules)
        defaults = (*self.defaults, version)
        if version in self.defaults:
            defaults = self.defaults[: len(self.defaults) - self.defaults[::-1].index(version)]
        return replace(self, defaults=defaults, default=serve)

    def serves(self, rule: str | None) -> Serve | None:
        """Returns what a place serves; None if there is no such rule."""
        if rule is None:
            return self.default
        return next((each.serve for each in self.rules if each.name == rule), None)

    def with_rules(self, rules: Sequence[Rule]) -> "DeploymentState":
        """Returns the state with other rules.

        Raises:
            Conflict: They serve an experiment that does not run here, or leave out a running one.
        """
        changed = replace(self, rules=tuple(rules))
        places = changed._experiments_placed()
        for name in sorted(places - self.experiments.keys()):
            raise Conflict(f"no experiment {name} runs here: rules can only serve one that does")
        for name in sorted(self.experiments.keys() - places):
            raise Conflict(f"experiment {name} would lose its rule: stop it first, or keep the rule")
        return changed

    def place(self, rule: str | None) -> ServeVersion:
        """Returns what an experiment would replace.

        Args:
            rule: Name of a rule; None for the default.

        Raises:
            NotFound: The rule does not exist.
            Conflict: Another experiment runs there.
        """
        serve = self.serves(rule)
        if serve is None:
            raise NotFound(f"no rule {rule!r:.100} here: set it first")
        if isinstance(serve, ServeExperiment):
            raise Conflict(f"experiment {serve.experiment} runs in that place: stop it first")
        return serve

    def with_experiment(self, name: str, rule: str | None, experiment: Experiment) -> "DeploymentState":
        """Returns the state with another experiment, in place of the default or of a rule's version.

        Raises:
            NotFound: The rule does not exist.
            Conflict: Another experiment runs there.
        """
        self.place(rule)
        serve = ServeExperiment(name)
        experiments = {**self.experiments, name: experiment}
        if rule is None:
            return replace(self, default=serve, experiments=experiments)
        rules = tuple(replace(each, serve=serve) if each.name == rule else each for each in self.rules)
        return replace(self, rules=rules, experiments=experiments)

    def with_arms(self, name: str, arms: Sequence[Arm], allocation_epoch: int) -> "DeploymentState":
        """Returns the state with other weights; the salt stays, so units keep their arm where possible."""
        changed = replace(self.experiments[name], arms=tuple(arms), allocation_epoch=allocation_epoch)
        return replace(self, experiments={**self.experiments, name: changed})

    def without_experiment(self, name: str, version: str) -> "DeploymentState":
        """Returns the state without an experiment.

        Args:
            name: The experiment.
            version: Version that replaces it wherever it ran.
        """
        kept = ServeVersion(version)
        stood = ServeExperiment(name)
        default, defaults = self.default, self.defaults
        if default == stood:
            default = kept
            defaults = defaults if defaults[-1] == version else (*defaults, version)
        return replace(
            self,
            defaults=defaults,
            default=default,
            rules=tuple(replace(each, serve=kept) if each.serve == stood else each for each in self.rules),
            experiments={each: what for each, what in self.experiments.items() if each != name},
        )

    def with_offer(self, version: str) -> "DeploymentState":
        """Returns the state with another version that services may prefer."""
        return replace(self, offered=tuple(sorted({*self.offered, version})))

    def without_offers(self, versions: Collection[str]) -> "DeploymentState":
        """Returns the state without some of the versions that services may prefer."""
        return replace(self, offered=tuple(each for each in self.offered if each not in versions))

    def _experiments_placed(self) -> frozenset[str]:
        serves = (self.default, *(rule.serve for rule in self.rules))
        return frozenset(each.experiment for each in serves if isinstance(each, ServeExperiment))


def first_state(version: str) -> DeploymentState:
    """Returns the first state of a deployment."""
    return DeploymentState((version,), ServeVersion(version))


def state_of(served: Any, defaults: Sequence[str]) -> DeploymentState:  # noqa: ANN401 - JSON
    """Reads a stored state."""
    found = ServedPrompt.from_json(served)
    return DeploymentState(tuple(defaults), found.default, found.rules, found.experiments, found.offered)


def _without_experiments(rules: Sequence[Rule], replaced: Mapping[str, str]) -> tuple[Rule, ...]:
    return tuple(
        replace(rule, serve=ServeVersion(replaced[rule.serve.experiment]))
        if isinstance(rule.serve, ServeExperiment)
        else rule
        for rule in rules
    )
