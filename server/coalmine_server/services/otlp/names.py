"""Which attribute of which convention says what, the current name first.

`gen_ai.*`: OpenTelemetry's semantic conventions for generative AI, their previous names behind them.
`llm.usage.*`, `llm.request.*` and `traceloop.*`: OpenLLMetry of Traceloop. Other `llm.*`, `embedding.*`,
`session.id`, `user.id`, `input.value`: OpenInference. `ai.*`: Vercel's AI SDK. `coalmine.*`: ours, for what
no convention has.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Final

from coalmine_server.services.otlp.spans import Value

REQUEST_ID: Final = "coalmine.request_id"
"""The call's id where the service chose it, e.g. to send feedback later."""
SEGMENT: Final = "coalmine.segments."
METRIC: Final = "coalmine.metrics."
"""Beginnings of the names of segments and metrics."""

PROMPT: Final = ("gen_ai.prompt.name", "traceloop.prompt.key", "prompt.id")
VERSION: Final = (
    "gen_ai.prompt.version",
    "traceloop.prompt.version",
    "traceloop.prompt.version_name",
    "llm.prompt_template.version",
)
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor")
REQUEST_MODEL: Final = (
    "gen_ai.request.model",
    "llm.request.model_name",
    "llm.request.model",
    "embedding.model_name",
)
RESPONSE_MODEL: Final = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "llm.response.model",
    "llm.model_name",
)

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "response_model": RESPONSE_MODEL,
    "label": ("coalmine.label",),
    "variant": ("coalmine.variant",),
    "experiment": ("coalmine.experiment",),
    "resolution": ("coalmine.resolution",),
    "parent_request_id": ("coalmine.parent_request_id",),
    "session_id": (
        "coalmine.session_id",
        "gen_ai.conversation.id",
        "session.id",
        "traceloop.association.properties.session_id",
    ),
    "unit_id": (
        "coalmine.unit_id",
        "enduser.id",
        "enduser.pseudo.id",
        "user.id",
        "traceloop.association.properties.user_id",
    ),
    "service_tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
}
"""Fields of a request that are texts."""

COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "allocation_epoch": ("coalmine.allocation_epoch",),
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
    ),
    "cached_input_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
    ),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "audio_input_tokens": ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
    "image_input_tokens": ("gen_ai.usage.image.input_tokens",),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "reasoning_output_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "audio_output_tokens": (
        "gen_ai.usage.audio.output_tokens",
        "llm.token_count.completion_details.audio",
    ),
    "image_output_tokens": ("gen_ai.usage.image.output_tokens",),
}
"""Fields of a request that are whole numbers."""

PARAMETERS: Final[Mapping[str, str]] = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.choice.count": "n",
    "gen_ai.request.reasoning.level": "reasoning_effort",
}
"""Parameters of a request by the names that providers give them."""
INVOCATION: Final = ("llm.invocation_parameters", "embedding.invocation_parameters")
"""OpenInference: all parameters of a request as JSON."""

FINISH_REASONS: Final = (
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "llm.finish_reason",
    "llm.response.finish_reason",
    "ai.response.finishReason",
)
STREAMED: Final = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
FIRST_CHUNK_S: Final = ("gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
FIRST_CHUNK_MS: Final = ("ai.response.msToFirstChunk",)
FIRST_CHUNK_EVENTS: Final = (
    "First Token Stream Event",
    "gen_ai.content.completion.chunk",
    "llm.content.completion.chunk",
)
"""Events whose first is the first piece of a streamed answer."""
INPUT: Final = ("gen_ai.input.messages", "input.value", "gen_ai.prompt", "traceloop.entity.input")
OUTPUT: Final = ("gen_ai.output.messages", "output.value", "gen_ai.completion", "traceloop.entity.output")

_BEGINNINGS: Final = tuple("[-0123456789")

SERVICE: Final = ("coalmine.app", "service.name")
ENVIRONMENT: Final = ("coalmine.environment", "deployment.environment.name", "deployment.environment")


def values(attributes: Mapping[str, Value], names: tuple[str, ...]) -> Iterator[Value]:
    """Yields what the attributes say under these names, in this order, where they say something."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value not in ("", [], {}):
            yield value


def parsed(value: Value) -> Value:
    """A number or a list in place of the text that Spring AI (Micrometer) makes of it; else the value."""
    if not isinstance(value, str) or not value.startswith(_BEGINNINGS):
        return value
    try:
        found: Value = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found


def text(attributes: Mapping[str, Value], names: tuple[str, ...]) -> str | None:
    """The first that is said; a number as its text."""
    for value in values(attributes, names):
        if isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return str(value)
    return None


def number(attributes: Mapping[str, Value], names: tuple[str, ...]) -> float | None:
    """The first that is said; a text of a number, too. Some write NaN for what they do not know."""
    for value in values(attributes, names):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            continue
        try:
            found = float(value) if isinstance(value, str) else value
        except ValueError:
            continue
        if math.isfinite(found):
            return found
    return None


def count(attributes: Mapping[str, Value], names: tuple[str, ...]) -> int | None:
    """The first that is said and is a whole number."""
    found = number(attributes, names)
    if found is None or found != int(found):
        return None
    return int(found)
