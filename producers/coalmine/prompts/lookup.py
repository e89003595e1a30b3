"""Looks prompts up in memory, and finds the registry for that."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from coalmine.call import Call
from coalmine.prompts.feed import EnvironmentFeed
from coalmine.prompts.folder_feed import FolderFeed
from coalmine.prompts.prompt import Prompt
from coalmine.settings import ClientSettings
from coalmine.values import as_text, optional_text, usable_texts
from coalmine_schemas.discovery import Endpoint, find_endpoint
from coalmine_schemas.events import ResolutionName
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.prompts import PREFERRED, Choice, Snapshot, UnknownPrompt

Feed: TypeAlias = EnvironmentFeed | FolderFeed
"""Where it is known what an environment serves."""

_MOST_TOLD: Final = 1000


class PromptLookup:
    """Finds prompts in memory, environment by environment.

    Args:
        settings: The client's settings.
        folder: What the folder of prompts holds, where one is given.
        log: Reports problems.
        misuse: Reports what a service does wrong.
    """

    def __init__(
        self,
        settings: ClientSettings,
        folder: Snapshot | None,
        log: RateLimitedLogger,
        misuse: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._misuse = misuse
        self._log = log
        self._feeds: dict[str, Feed] = {}
        self._told: set[tuple[str, str]] = set()
        self._is_closed = False

    def prompt(
        self,
        begin: Callable[..., Call],
        name: str,
        *,
        unit_id: str | None,
        session_id: str | None,
        segments: Mapping[str, str] | None,
        environment: str | None,
        version: str | None,
        prefer: str | None,
    ) -> Prompt:
        """What `Coalmine.prompt` promises."""
        try:
            environment = optional_text(environment) or self._settings.environment
            name, version = as_text(name), optional_text(version)
        except Exception as error:
            raise UnknownPrompt("its name, version or environment is an object without a text") from error
        unit_id, session_id = self._text("unit_id", unit_id), self._text("session_id", session_id)
        feed = self._feeds.get(environment) or self.feed(environment)
        if version is not None:
            loaded = feed.loaded_with(name, version)
            choice = Choice(version, loaded.snapshot.contents[f"{name}@{version}"], unit_id=unit_id)
            resolution: ResolutionName = "fixed"
        else:
            # Rules name texts, and events hold them; what is no mapping, the call complains about.
            named = usable_texts(segments) if isinstance(segments, Mapping) else None
            wanted = self._text("prefer", prefer)
            choice, resolution, loaded = feed.choose(name, unit_id or session_id, named, wanted)
            if wanted is not None and choice.variant != PREFERRED:
                self._not_offered(f"{name}@{wanted}", environment)
        return Prompt(
            begin,
            loaded,
            choice,
            name,
            environment=environment,
            resolution=resolution,
            session_id=session_id,
            segments=segments,
            misuse=self._misuse,
        )

    def _text(self, argument: str, value: object) -> str | None:
        try:
            return optional_text(value)
        except Exception:  # noqa: BLE001 - whatever a value's own methods raise
            self._misuse(f"prompt(): {argument} has no text and was left out")
            return None

    def _not_offered(self, reference: str, environment: str) -> None:
        """Says so once: offers come and go, and requests go on."""
        key = (reference, environment)
        if key in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(key)
        self._log.report(
            f"prefer {reference} {environment}",
            "environment %s does not offer %.200s: it is served as if nothing was preferred",
            environment,
            reference,
        )

    def feed(self, environment: str) -> Feed:
        """The feed of an environment, made at its first use."""
        known = self._feeds.get(environment)
        if known is not None:
            return known
        feed = self._feeds.setdefault(
            environment, self._made(environment)
        )  # atomic: of two threads, one wins
        if self._is_closed:
            feed.close()
        return feed

    def _made(self, environment: str) -> Feed:
        settings, folder = self._settings, self._folder
        if folder is not None and settings.prompts is not None and settings.server_url is None:
            # Not even the registry of this home: it would serve what is not in the files.
            return FolderFeed(settings.prompts, replace(folder, environment=environment))
        return EnvironmentFeed(
            environment,
            home=settings.home,
            fallback=settings.fallback if folder is None else replace(folder, environment=environment),
            find=self._endpoint,
            policy=settings.poll,
            startup_wait_s=settings.startup_wait_s,
            log=self._log,
        )

    def fallback_fault(self) -> str | None:
        """Why the fallback cannot serve the client's own environment; None if it can, or there is none."""
        settings = self._settings
        return None if settings.fallback is None else self.feed(settings.environment).fallback_fault()

    def close(self) -> None:
        """Stops following the registry. Does not wait; what is known is served on."""
        self._is_closed = True
        for feed in tuple(self._feeds.values()):
            feed.close()

    def _endpoint(self) -> Endpoint | None:
        """The registry that was named, else the one that runs in this home."""
        settings = self._settings
        return find_endpoint(settings.home, "registry", url=settings.server_url, token=settings.token)
