"""Measures calls of OpenAI's client: `client = instrument(OpenAI())`."""

from typing import Final, TypeVar

from coalmine.integrations.http_clients import instrument_posts

ClientT = TypeVar("ClientT")
_PATHS: Final = frozenset(("/chat/completions", "/completions", "/responses", "/embeddings"))


def instrument(client: ClientT, *, provider: str = "openai", ask_for_usage: bool = True) -> ClientT:
    """Measures chat completions, responses and embeddings, where `using` says what for.

    `create`, `parse`, streams, helper streams, `with_raw_response` and `with_streaming_response`, also of
    copies by `with_options`. Not realtime sessions and batches, nor resources taken before.

    Args:
        client: An `OpenAI` or `AsyncOpenAI`, or a subclass such as `AzureOpenAI`.
        provider: Who answers, where the client asks a gateway.
        ask_for_usage: Ask for the usage of streamed chat completions; for gateways that refuse
            `stream_options` set it to False.

    Returns:
        The same client.
    """
    return instrument_posts(client, provider, _PATHS, asks_usage=ask_for_usage)
