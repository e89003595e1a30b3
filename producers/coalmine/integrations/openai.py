"""Measures calls of OpenAI's client: `client = instrument(OpenAI())`."""

from typing import TypeVar

from coalmine.integrations.calls import measured

ClientT = TypeVar("ClientT")


def instrument(client: ClientT, *, provider: str = "openai", ask_for_usage: bool = True) -> ClientT:
    """Measures `create` of chat completions, responses and embeddings, where `using` says what for.

    Streams and `with_raw_response` too, but not raw streams, `parse`, nor clients made by `with_options`.

    Args:
        client: An `OpenAI` or `AsyncOpenAI`.
        provider: Who answers, where the client asks a gateway.
        ask_for_usage: Ask for the usage of streamed chat completions; for gateways that refuse
            `stream_options` set it to False.

    Returns:
        The same client.
    """
    resources = client.chat.completions, client.responses, client.embeddings  # type: ignore[attr-defined]
    for resource in resources:
        asks = ask_for_usage and resource is resources[0]
        resource.create = measured(resource.create, provider, asks_usage=asks)
    return client
