"""A snapshot in use, with the templates of it that were compiled so far."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from coalmine_schemas.prompts import InvalidPrompt, PromptContent, Snapshot
from coalmine_schemas.prompts.templating import CompiledPrompt, compile_prompt

SourceName: TypeAlias = Literal["registry", "disk", "fallback", "folder"]
"""Where a snapshot came from."""


class LoadedSnapshot:
    """A snapshot with its compiled prompts. It never changes; a newer one comes as another object.

    Args:
        snapshot: What an environment serves.
        source: Where it came from.
    """

    __slots__ = ("_compiled", "snapshot", "source")

    def __init__(self, snapshot: Snapshot, source: SourceName) -> None:
        self.snapshot = snapshot
        self.source: SourceName = source
        self._compiled: dict[str, CompiledPrompt] = {}

    def compiled(self, reference: str) -> CompiledPrompt:
        """The prompt `name@version` of this snapshot, ready to be rendered; compiled at its first use.

        Raises:
            InvalidTemplate: Its templates cannot be used.
        """
        found = self._compiled.get(reference)
        if found is None:
            contents = self.snapshot.contents
            found = _compiled(_Key(reference, contents))
            self._compiled[reference] = found
        return found

    def warm_up(self, older: "LoadedSnapshot") -> None:
        """Compiles what was used of an older snapshot, so that no request has to when this one takes over.

        What is used and gone, and what will be served where something else was, both count: versions of the
        same prompts.
        """
        names = {reference.partition("@")[0] for reference in tuple(older._compiled)}
        for name in names:
            served = self.snapshot.prompts.get(name)
            for version in served.versions() if served is not None else ():
                try:
                    self.compiled(f"{name}@{version}")
                except InvalidPrompt:
                    continue  # whoever renders it is told


class _Key:
    """A prompt with all it includes, and nothing else of its snapshot; equal to another by digests."""

    __slots__ = ("content", "digests", "included")

    def __init__(self, reference: str, contents: Mapping[str, PromptContent]) -> None:
        self.content = contents[reference]
        self.included: dict[str, PromptContent] = {}
        waiting = list(self.content.includes())
        while waiting:
            each = waiting.pop()
            if each not in self.included and each in contents:
                self.included[each] = contents[each]
                waiting.extend(contents[each].includes())
        included = sorted((name, each.digest()) for name, each in self.included.items())
        self.digests = (self.content.digest(), tuple(included))

    def __hash__(self) -> int:
        return hash(self.digests)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.digests == other.digests


@lru_cache(maxsize=1024)
def _compiled(key: _Key) -> CompiledPrompt:
    return compile_prompt(key.content, key.included.__getitem__)
