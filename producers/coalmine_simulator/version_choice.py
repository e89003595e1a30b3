"""Which version a simulated call gets: by a story, or by a registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from coalmine_simulator.assignment import assign, release_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coalmine_schemas.events import ResolutionName
    from coalmine_simulator.profiles import PromptProfile, VersionProfile
    from coalmine_simulator.users import User

__all__ = ["Chooser", "Chosen", "PromptSource", "RegistryChooser", "ServedPrompt", "StoryChooser"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A version and how it was chosen."""

    profile: VersionProfile
    """How the version behaves."""
    variant: str | None = None
    experiment: str | None = None
    allocation_epoch: int | None = None
    resolution: ResolutionName = "fixed"


class Chooser(Protocol):
    """Chooses versions."""

    def choose(self, prompt: PromptProfile, user: User, session_id: str, at_s: float) -> Chosen:
        """The version of a call.

        Args:
            prompt: What is called.
            user: Who calls.
            session_id: In which conversation.
            at_s: Simulated seconds since the start.
        """


class StoryChooser:
    """The releases of the configuration, each at its time."""

    def choose(self, prompt: PromptProfile, user: User, session_id: str, at_s: float) -> Chosen:
        """The arm of the release in force."""
        release = release_at(prompt.releases, at_s)
        arm = assign(release, user.unit_id)
        profile = prompt.profile(arm.version)
        if release.experiment is None:
            return Chosen(profile)
        return Chosen(profile, arm.variant, release.experiment, release.allocation_epoch, "live")


class ServedPrompt(Protocol):
    """What a client returns for a prompt; `coalmine.Prompt` fits."""

    @property
    def version(self) -> str:
        """Version that is served."""

    @property
    def variant(self) -> str | None:
        """Arm of the experiment."""

    @property
    def experiment(self) -> str | None:
        """Experiment that chose."""

    @property
    def allocation_epoch(self) -> int | None:
        """Counter of its allocations."""

    @property
    def model(self) -> str | None:
        """Model the version is meant for."""

    @property
    def resolution(self) -> ResolutionName:
        """Source of the choice."""


class PromptSource(Protocol):
    """A client that serves prompts; `coalmine.Coalmine` does."""

    def prompt(
        self,
        name: str,
        unit_id: str | None = None,
        *,
        session_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        environment: str | None = None,
    ) -> ServedPrompt:
        """The version a unit is served."""


class RegistryChooser:
    """The registry's choice, through the client that real services use.

    A version that the configuration describes behaves as described. One that it does not know behaves as the
    first one described, so that nothing differs that nobody made different.

    Args:
        client_of: The client of an app and environment.
    """

    def __init__(self, client_of: Callable[[str, str], PromptSource]) -> None:
        self._client_of = client_of

    def choose(self, prompt: PromptProfile, user: User, session_id: str, at_s: float) -> Chosen:
        """What is served now, regardless of the simulated time."""
        served = self._client_of(prompt.app, prompt.environment).prompt(
            prompt.name,
            user.unit_id,
            session_id=session_id,
            segments=dict(user.segments),
            environment=prompt.environment,
        )
        return Chosen(
            _profile(prompt, served.version, served.model),
            served.variant,
            served.experiment,
            served.allocation_epoch,
            served.resolution,
        )


def _profile(prompt: PromptProfile, version: str, model: str | None) -> VersionProfile:
    for profile in prompt.versions:
        if profile.version == version:
            return profile
    neutral = prompt.versions[0]
    return replace(neutral, version=version, model=model or neutral.model)
