"""Measures calls of Anthropic's client: `client = instrument(Anthropic())`."""

from typing import Final, TypeVar

from coalmine.integrations.http_clients import instrument_posts

ClientT = TypeVar("ClientT")
_PATHS: Final = frozenset(("/v1/messages",))


def instrument(client: ClientT, *, provider: str = "anthropic") -> ClientT:
    """Measures messages, where `using` says what for.

    `create`, `parse`, streams, helper streams, `with_raw_response` and `with_streaming_response`, also of
    copies by `with_options`, and those of `client.beta`. Not batches, nor resources taken from the
    client before.

    Args:
        client: An `Anthropic` or `AsyncAnthropic`, or a subclass for a cloud.
        provider: Who answers, where the client asks a gateway.

    Returns:
        The same client.
    """
    return instrument_posts(client, provider, _PATHS, asks_usage=False)
