"""One line each that measures the calls of a provider's own client. No provider's package is imported."""

from coalmine.integrations.calls import using

__all__ = ["using"]
