"""Measures calls of Anthropic's client: `client = instrument(Anthropic())`."""

from typing import TypeVar

from coalmine.integrations.calls import measured

ClientT = TypeVar("ClientT")


def instrument(client: ClientT, *, provider: str = "anthropic") -> ClientT:
    """Measures `messages.create`, streamed or not, where `using` says what for.

    `with_raw_response` too, but not raw streams, nor the helper `messages.stream`.

    Args:
        client: An `Anthropic` or `AsyncAnthropic`.
        provider: Who answers, where the client asks a gateway.

    Returns:
        The same client.
    """
    messages = client.messages  # type: ignore[attr-defined]
    messages.create = measured(messages.create, provider)
    return client
