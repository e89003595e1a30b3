"""Libraries that only some scorers need."""

from importlib import import_module
from types import ModuleType

from coalmine_schemas.errors import Terminal


class MissingLibrary(Terminal):
    """A scorer needs a package that is not installed; the message says which."""


def module_of(name: str, install: str, scorer: str) -> ModuleType:
    """Imports a module.

    Args:
        name: Of the module.
        install: What to give to pip.
        scorer: What needs it.

    Raises:
        MissingLibrary: It is not installed, or cannot be imported.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(f"scorer {scorer} needs a package: pip install '{install}' ({error})") from error
