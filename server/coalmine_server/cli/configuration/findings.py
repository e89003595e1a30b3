"""What comparing collects, and what every comparison asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from coalmine_rollouts.plan import (
    DEFAULT_ENVIRONMENT,
    DEFAULT_PLACE,
    DEFAULT_TEMPLATE,
    RolloutPlan,
    plan_of_metadata,
    read_plan,
    template,
)
from coalmine_schemas.errors import nearest
from coalmine_server.cli.configuration.files import Files, Given
from coalmine_server.cli.configuration.history import Place, live_rollouts, running_experiment
from coalmine_server.cli.configuration.plan import Deployment, Kind, Said, Step
from coalmine_server.cli.configuration.registry_state import RegistryState
from coalmine_server.client.file_models import RolloutFile


@dataclass(frozen=True, slots=True)
class Target:
    """What a file of a rollout comes to."""

    place: Place
    version: str
    plan: RolloutPlan


@dataclass
class Findings:
    """Collects what differs."""

    files: Files
    state: RegistryState
    prune: bool
    steps: list[Step] = field(default_factory=list)
    left: list[Said] = field(default_factory=list)
    not_in_files: list[Said] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    blocked: dict[Deployment, str] = field(default_factory=dict)
    taken: dict[Place, str] = field(default_factory=dict)
    """Files whose experiments and rollouts this plan starts."""

    def leave(self, kind: Kind, name: str, why: str) -> None:
        """Notes what differs and is left alone."""
        self.left.append(Said(kind, name, why))

    def beyond(self, kind: Kind, name: str, why: str) -> None:
        """Notes what the registry has beyond the files."""
        self.not_in_files.append(Said(kind, name, why))

    def is_version(self, prompt: str, version: str, where: str) -> bool:
        """True if a version is in a file or in the registry; else it is a problem."""
        known = {each.version for each in self.files.prompts or () if each.name == prompt}
        known |= self.state.versions.get(prompt, {}).keys()
        if version in known:
            return True
        near = nearest(version, known)
        remedy = f"did you mean {near}?" if near else f"add prompts/{prompt}/{version}.md"
        self.problems.append(
            f"{where}: there is no {prompt}@{version}, neither as a file nor in the registry: {remedy}"
        )
        return False

    def can_be_served(self, prompt: str, version: str, where: str) -> bool:
        """True unless a version that is to be served now is retired: then it is a problem."""
        known = self.state.versions.get(prompt, {}).get(version)
        if known is None or known["status"] == "active":
            return True
        self.problems.append(
            f"{where}: {prompt}@{version} is {known['status']} and cannot be served: take another version"
        )
        return False

    def is_place(self, place: Place, where: str) -> bool:
        """True if something is served in a place, or is about to be; else it is a problem."""
        serving = self.state.deployments.get((place.environment, place.prompt))
        given = self.files.environments.get(place.environment)
        terms = None if given is None else (given.terms.prompts or {}).get(place.prompt)
        at_file = f"environments/{place.environment}.yaml"
        if serving is None and (terms is None or terms.version is None):
            said = f"serves nothing of {place.prompt}: give it a version in {at_file} first"
            self.problems.append(f"{where}: {place.environment} {said}")
            return False
        rules = {each["name"] for each in (serving or {}).get("rules", ())}
        rules |= {each.name for each in (terms and terms.rules) or ()}
        if place.rule is None or place.rule in rules:
            return True
        near = nearest(place.rule, rules)
        remedy = f"did you mean {near}?" if near else f"add it to {at_file}"
        self.problems.append(
            f"{where}: {place.prompt} has no rule {place.rule!r} in {place.environment}: {remedy}"
        )
        return False

    def is_free(self, kind: Kind, name: str, place: Place, path: str) -> bool:
        """True if nothing runs in a place, or is started there by another file; else that is noted."""
        experiment = running_experiment(self.state, place)
        rollout = next(iter(live_rollouts(self.state, place)), None)
        why = None
        if rollout is not None:
            why = f"rollout {rollout['id']} is {rollout['state']} in that place"
        elif experiment is not None:
            why = f"experiment {experiment['name']} runs in that place: `coalmine experiment stop` ends it"
        elif place in self.taken:
            why = f"{self.taken[place]} starts in that place"
        if why is not None:
            self.leave(kind, name, f"{why}; {path} waits for its end: apply again then")
            return False
        self.taken[place] = path
        return True

    def has_room(self, name: str, place: Place, path: str) -> bool:
        """True if one more rollout may hold a place of the environment; else that is noted."""
        most = self.state.most_rollouts
        holding = [each for each in self.state.rollouts if each["occupies"]]
        if most is None or any(place.has(each) for each in holding):  # there it replaces one, or waits
            return True
        there = sum(each["environment"] == place.environment for each in holding)
        started = (step.body for step in self.steps if step.kind == "rollout")
        begun = sum(body["environment"] == place.environment for body in started)
        if there + begun < most:
            return True
        starting = f", {begun} of these files start there" if begun else ""
        self.leave(
            "rollout",
            name,
            f"{there} rollouts hold places in {place.environment}{starting}, and at most {most} may: "
            f"{path} waits for one to end: apply again then, or raise rollouts.most_at_once",
        )
        return False

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """What the files of rollouts come to, by the name of the file."""
        return {name: self._target(given) for name, given in (self.files.rollouts or {}).items()}

    def _target(self, given: Given[RolloutFile]) -> Target:
        terms = given.terms
        plan = template(DEFAULT_TEMPLATE)
        if terms.plan is not None:
            plan = read_plan(terms.plan, "plan")
        else:
            plan = plan_of_metadata(self._metadata(terms.prompt, terms.version)) or plan
        rule = terms.rule or (None if plan.place == DEFAULT_PLACE else plan.place)
        environment = terms.environment or plan.environment or DEFAULT_ENVIRONMENT
        return Target(Place(environment, terms.prompt, rule), terms.version, plan)

    def _metadata(self, prompt: str, version: str) -> Mapping[str, Any]:
        for file in self.files.prompts or ():
            if (file.name, file.version) == (prompt, version):
                return file.content.metadata
        known = self.state.versions.get(prompt, {}).get(version)
        return {} if known is None else known["content"].get("metadata") or {}
