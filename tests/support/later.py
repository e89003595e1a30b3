"""Modules that one file of tests needs, imported when its first test asks them for something.

Each process that shares the tests imports all files of them, and runs a part. A client of a model provider
takes as long to import as many tests take to run.
"""

from importlib import import_module
from typing import Any


class _Later:
    """Stands for a module that is not imported yet."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks for its own in all that a file of tests holds
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


def later(name: str) -> Any:
    """The module of that name, imported once somebody asks it for a name of its own.

    Type checkers need the import itself, under `TYPE_CHECKING`.
    """
    return _Later(name)
