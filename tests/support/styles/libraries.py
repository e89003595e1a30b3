"""The libraries that are measured, and their styles."""

from importlib import import_module
from importlib.util import find_spec
from typing import Final

from tests.support.styles.style import Style

PACKAGES: Final = {
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "google_genai": ("google.genai",),
    "bedrock": ("boto3",),
    "litellm": ("litellm",),
    "langchain": ("langchain_openai", "langchain_anthropic"),
    "pydantic_ai": ("pydantic_ai",),
    "openai_agents": ("agents",),
}
"""Modules by library, as our integrations are called."""


def is_installed(library: str) -> bool:
    """Returns True if all modules of a library can be imported."""
    return all(_found(module) for module in PACKAGES[library])


def styles_of(library: str) -> list[Style]:
    """The styles of an installed library."""
    styles: list[Style] = import_module(f"tests.support.styles.by_{library}").STYLES
    return styles


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
