"""Measures the clients that OpenAI's and Anthropic's packages share: each call is one `client.post`."""

import json
from functools import wraps
from typing import Any, Final, TypeVar

from coalmine.call import Call
from coalmine.integrations.calls import Take, begin_call, measured, original, replaces, take_whole
from coalmine.integrations.http_pieces import MeasuredBody

ClientT = TypeVar("ClientT")
_CACHED: Final = ("beta", "chat", "completions", "embeddings", "messages", "responses")
"""Resources that a client makes when they are first used, each of which remembers `client.post`."""


def instrument_posts(client: ClientT, provider: str, paths: frozenset[str], *, asks_usage: bool) -> ClientT:
    """Measures what a client posts, and what its copies by `with_options` do.

    All ways to call (`create`, `parse`, helper streams, raw replies) come by `post`, once for each call,
    retries included.

    Args:
        client: Of OpenAI's or Anthropic's package.
        provider: Whom it asks.
        paths: What is measured.
        asks_usage: Whether to ask for the usage of streamed chat completions.

    Returns:
        The same client.
    """

    def begins(args: tuple[Any, ...], arguments: dict[str, Any]) -> tuple[Call, Take] | None:
        path = str(args[0] if args else arguments.get("path")).partition("?")[0]
        body = arguments.get("body")
        if path not in paths or not isinstance(body, dict):
            return None
        call = begin_call(model=body.get("model"), provider=provider)
        if call is None:
            return None
        is_stream = arguments.get("stream") is True
        hides = asks_usage and is_stream and "completions" in path and not body.get("stream_options")
        if hides:
            arguments["body"] = {**body, "stream_options": {"include_usage": True}}

        def take(call: Call, reply: Any) -> Any:  # noqa: ANN401
            # A raw reply has it under one name, a stream under the other.
            response = getattr(reply, "http_response", None)
            if response is None and is_stream:
                response = getattr(reply, "response", None)
            if response is None:
                return take_whole(call, reply)
            if response.is_closed:  # the package has read it
                take_whole(call, json.loads(response.content))
            else:
                MeasuredBody.follow(response, call, hides_usage=hides)
            return reply

        return call, take

    found: Any = client
    copy = original(found.copy)

    @wraps(copy)
    def copies(*args: Any, **arguments: Any) -> Any:  # noqa: ANN401
        return instrument_posts(copy(*args, **arguments), provider, paths, asks_usage=asks_usage)

    found.post = measured(found.post, begins)
    found.copy = found.with_options = replaces(copies)
    for name in _CACHED:
        vars(found).pop(name, None)
    return client
