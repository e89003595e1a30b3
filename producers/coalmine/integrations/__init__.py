"""One line each that measures the calls of a provider's own client; no provider's package is imported here."""

from coalmine.integrations.calls import using

__all__ = ["using"]
