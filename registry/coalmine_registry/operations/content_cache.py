"""Contents that were read before: they never change, so each is parsed once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from coalmine_schemas.prompts import PromptContent

_KEPT: Final = 2000


class ContentCache:
    """Contents by digest, the least recently used forgotten first. Thread-safe."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._contents: OrderedDict[str, PromptContent] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> PromptContent | None:
        """The content with that digest, if it is known."""
        with self._lock:
            content = self._contents.get(digest)
            if content is not None:
                self._contents.move_to_end(digest)
            return content

    def get_or_make(self, digest: str, make: Callable[[], PromptContent]) -> PromptContent:
        """The content with that digest; `make` reads it if it is not known."""
        content = self.get(digest)
        if content is None:
            content = make()
            with self._lock:
                self._contents[digest] = content
                while len(self._contents) > self._kept:
                    self._contents.popitem(last=False)
        return content
