"""Measures the models of OpenAI's Agents SDK: `instrument()`, once, before agents run."""

from typing import Any

from agents import set_default_openai_client  # type: ignore[import-not-found, unused-ignore]
from openai import AsyncOpenAI

from coalmine.integrations import openai
from coalmine.mistakes import NOT_THE_SERVICE

NOT_THE_SERVICE.add("agents")


def instrument(client: AsyncOpenAI | None = None, **options: Any) -> AsyncOpenAI:  # noqa: ANN401
    """Makes an instrumented client the one that agents ask, where `using` says what for.

    Each request of a run is one event, streamed or not, by chat completions or responses. The SDK's tracing
    tells neither the finish reason of chat completions nor the first token, so it is the client that is
    measured. Models with a client of their own, and those of other providers, need an `instrument` of
    their own.

    Args:
        client: The client to use; by default one that is set up by the environment.
        options: As for `coalmine.integrations.openai.instrument`.

    Returns:
        The client.
    """
    client = openai.instrument(client or AsyncOpenAI(), **options)
    set_default_openai_client(client)
    return client
