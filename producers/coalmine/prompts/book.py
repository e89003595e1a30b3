"""All environments a client asks for, and how it finds the registry."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from coalmine.call import Call
from coalmine.limited_log import LimitedLog
from coalmine.prompts.feed import EnvironmentFeed
from coalmine.prompts.prompt import Prompt
from coalmine.prompts.registry_connection import Target
from coalmine.settings import ClientSettings
from coalmine_schemas.prompts import Choice

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class PromptBook:
    """Finds prompts in memory, environment by environment.

    Args:
        settings: What the client was told.
        log: Says what goes wrong.
    """

    def __init__(self, settings: ClientSettings, log: LimitedLog) -> None:
        self._settings = settings
        self._log = log
        self._feeds: dict[str, EnvironmentFeed] = {}
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
    ) -> Prompt:
        """What `Coalmine.prompt` promises."""
        environment = environment or self._settings.environment
        feed = self._feeds.get(environment) or self.feed(environment)
        if version is not None:
            loaded = feed.loaded_with(name, version)
            choice = Choice(version, loaded.snapshot.contents[f"{name}@{version}"], unit_id=unit_id)
            return Prompt(
                begin,
                loaded,
                choice,
                name,
                environment=environment,
                resolution="fixed",
                session_id=session_id,
                segments=segments,
            )
        choice, resolution, loaded = feed.choose(name, unit_id or session_id, segments)
        return Prompt(
            begin,
            loaded,
            choice,
            name,
            environment=environment,
            resolution=resolution,
            session_id=session_id,
            segments=segments,
        )

    def feed(self, environment: str) -> EnvironmentFeed:
        """The feed of an environment, made at its first use."""
        known = self._feeds.get(environment)
        if known is not None:
            return known
        settings = self._settings
        made = EnvironmentFeed(
            environment,
            home=settings.home,
            fallback=settings.fallback,
            target=self._target,
            policy=settings.poll,
            startup_wait_s=settings.startup_wait_s,
            log=self._log,
        )
        feed = self._feeds.setdefault(environment, made)  # atomic: of two threads, one wins
        if self._is_closed:
            feed.close()
        return feed

    def close(self) -> None:
        """Stops following the registry. Does not wait; what is known is served on."""
        self._is_closed = True
        for feed in tuple(self._feeds.values()):
            feed.close()

    def _target(self) -> Target | None:
        """The registry that was named, else the server that runs in this home."""
        settings = self._settings
        url = settings.server_url or _announced(settings.home)
        if url is None:
            return None
        token = settings.token
        if token is None and urlsplit(url).hostname in _LOOPBACK:
            token = _credentials(settings.home)  # a secret of this machine: it goes nowhere else
        return Target(url, token)


def _announced(home: Path) -> str | None:
    try:
        found: Any = json.loads((home / "server.json").read_text(encoding="utf-8"))
        return str(found["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _credentials(home: Path) -> str | None:
    try:
        return (home / "credentials").read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None
