"""Everything a simulation depends on besides its seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.incidents import Incident
from coalmine_simulator.profiles import PromptProfile
from coalmine_simulator.traffic import Traffic
from coalmine_simulator.users import Population

__all__ = ["SimulationConfig"]


@dataclass(frozen=True, slots=True)
class SimulationConfig:
    """Services, their prompts and users, and what happens to them."""

    prompts: tuple[PromptProfile, ...]
    traffic: Traffic = field(default_factory=Traffic)
    population: Population = field(default_factory=Population)
    incidents: tuple[Incident, ...] = ()

    def __post_init__(self) -> None:
        names = [prompt.name for prompt in self.prompts]
        if len(set(names)) != len(names):
            raise InvalidConfig("prompts", names, "each prompt once")
        if not any(prompt.weight > 0 for prompt in self.prompts):
            raise InvalidConfig("prompts", names, "at least one prompt with a weight above 0")
        for prompt in self.prompts:
            self._check_chain(prompt)

    def prompt(self, name: str) -> PromptProfile:
        """The prompt of that name."""
        return next(prompt for prompt in self.prompts if prompt.name == name)

    def with_rate(self, requests_per_s: float) -> SimulationConfig:
        """The same, with another mean number of calls per second."""
        return replace(self, traffic=replace(self.traffic, requests_per_s=requests_per_s))

    def _check_chain(self, start: PromptProfile) -> None:
        """A chain of `leads_to` must end, or one session would never."""
        seen = [start.name]
        following = start.leads_to
        while following is not None:
            if all(following.prompt != prompt.name for prompt in self.prompts):
                raise InvalidConfig("leads_to.prompt", following.prompt, "the name of a prompt")
            if following.prompt in seen:
                raise InvalidConfig("leads_to.prompt", following.prompt, "a chain that does not come back")
            seen.append(following.prompt)
            following = self.prompt(following.prompt).leads_to
