"""Cache of parsed contents, which never change."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from coalmine_schemas.prompts import PromptContent

_KEPT: Final = 2000


class ContentCache:
    """Contents by digest; drops the least recently used. Thread-safe."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._contents: OrderedDict[str, PromptContent] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> PromptContent | None:
        """Returns the content with a digest, or None if it is not cached."""
        with self._lock:
            content = self._contents.get(digest)
            if content is not None:
                self._contents.move_to_end(digest)
            return content

    def get_or_make(self, digest: str, make: Callable[[], PromptContent]) -> PromptContent:
        """Returns the content with a digest; `make` parses it if it is not cached."""
        content = self.get(digest)
        if content is None:
            content = make()
            with self._lock:
                self._contents[digest] = content
                while len(self._contents) > self._kept:
                    self._contents.popitem(last=False)
        return content
