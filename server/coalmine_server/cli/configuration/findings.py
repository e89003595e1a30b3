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
from coalmine_server.cli.configuration.history import Place
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
