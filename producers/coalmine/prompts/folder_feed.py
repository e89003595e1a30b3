"""Answers from a folder of prompt files what is served: no registry, no thread, no cache."""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from coalmine.prompts.loaded_snapshot import LoadedSnapshot
from coalmine_schemas.errors import nearest
from coalmine_schemas.events import ResolutionName
from coalmine_schemas.prompts import Choice, Snapshot, UnknownPrompt, resolve


class FolderFeed:
    """What `EnvironmentFeed` is for a registry, for files that were read when the client was made.

    Args:
        directory: The folder, for messages.
        snapshot: What was read.
    """

    def __init__(self, directory: Path, snapshot: Snapshot) -> None:
        self._directory = directory
        self._loaded = LoadedSnapshot(snapshot, "folder")

    def choose(
        self,
        prompt: str,
        unit_id: str | None,
        segments: Mapping[str, str] | None,
        prefer: str | None = None,
    ) -> tuple[Choice, ResolutionName, LoadedSnapshot]:
        """The highest version; `fixed`, since the service's own files say it.

        Raises:
            UnknownPrompt: The folder does not hold the prompt.
        """
        loaded = self._loaded
        if prompt not in loaded.snapshot.prompts:
            self._unknown(prompt)
        return resolve(loaded.snapshot, prompt, unit_id, segments, prefer), "fixed", loaded

    def loaded_with(self, prompt: str, version: str) -> LoadedSnapshot:
        """What was read, which holds one exact version.

        Raises:
            UnknownPrompt: It does not.
        """
        if f"{prompt}@{version}" not in self._loaded.snapshot.contents:
            self._unknown(prompt, version)
        return self._loaded

    def _unknown(self, prompt: str, version: str | None = None) -> NoReturn:
        known = self._loaded.snapshot.prompts
        what = f"prompt {prompt!r}" if version is None else f"{prompt}@{version}"
        near = nearest(str(prompt), known) if prompt not in known else None
        hint = f"did you mean {near}? Otherwise add" if near else "add"
        path = f"{prompt}/{version or '1.0.0'}.md"
        raise UnknownPrompt(f"{self._directory} holds no {what}: {hint} {path} there and restart the service")

    def fallback_fault(self) -> None:
        """Never one: a folder that cannot be used is refused when the client is made."""

    def wait_until_live(self, _timeout_s: float) -> bool:
        """False at once: there is no registry to wait for."""
        return False

    def close(self) -> None:
        """Does nothing: there is no thread."""
