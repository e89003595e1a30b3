"""Measures calls of Google's client: `client = instrument(genai.Client())`."""

from typing import Any, Final, TypeVar

from coalmine.call import Call
from coalmine.integrations.calls import Begin, Take, begin_call, measured, take_whole
from coalmine.integrations.streams import MeasuredStream

ClientT = TypeVar("ClientT")
_METHODS: Final[dict[str, Take]] = {
    "generate_content": take_whole,
    "generate_content_stream": lambda call, stream: MeasuredStream(stream, call),
    "embed_content": take_whole,
}


def instrument(client: ClientT, *, provider: str = "google") -> ClientT:
    """Measures `generate_content`, its stream and `embed_content`, where `using` says what for.

    Also of `client.aio`, and chats, which call them. A call that runs tools by itself is one event, with the
    usage of its last request. Not live sessions, batches, images and videos.

    Args:
        client: A `google.genai.Client`.
        provider: Who answers.

    Returns:
        The same client.
    """
    found: Any = client
    for models in (found.models, found.aio.models):
        for name, take in _METHODS.items():
            setattr(models, name, measured(getattr(models, name), _begins(provider, take)))
    return client


def _begins(provider: str, take: Take) -> Begin:
    def begins(_: tuple[Any, ...], arguments: dict[str, Any]) -> tuple[Call, Take] | None:
        call = begin_call(model=arguments.get("model"), provider=provider)
        return None if call is None else (call, take)

    return begins
