"""What tells one provider's API from another's: paths, headers, bodies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from coalmine_evals.providers.provider import Request
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue

_ANTHROPIC_TOKENS: Final = 1024
"""Its API wants a limit; a prompt that needs another says so in its parameters."""


@dataclass(frozen=True, slots=True)
class Api:
    """An API that answers requests."""

    name: str
    base_url: str
    """The provider's own."""
    path: str
    """Below the base URL."""
    embeddings_path: str | None
    """The same for embeddings; None if it has none."""
    key_variable: str
    """Environment variable of its key."""
    headers: Callable[[str], Mapping[str, str]]
    """Returns what goes with a key."""
    body: Callable[[Request], JsonObject]
    """Returns what is sent."""


def _openai_headers(key: str) -> Mapping[str, str]:
    # Azure takes keys in the second one only.
    return {"authorization": f"Bearer {key}", "api-key": key}


def _openai_body(request: Request) -> JsonObject:
    if request.embed:
        return {**request.parameters, "model": request.model, "input": request.messages[-1].content}
    body: JsonObject = {
        **request.parameters,
        "model": request.model,
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
    }
    if body.get("stream"):
        body.setdefault("stream_options", {"include_usage": True})
    if request.response_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "schema": dict(request.response_schema),
                "strict": _is_strict(request.response_schema),
            },
        }
    return body


def _is_strict(schema: JsonValue) -> bool:
    """Whether every object of a schema is closed and wants all its properties: what `strict` asks for."""
    if isinstance(schema, list | tuple):
        return all(_is_strict(each) for each in schema)
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if isinstance(properties, Mapping) or schema.get("type") == "object":
        names = set(properties) if isinstance(properties, Mapping) else set()
        required = schema.get("required")
        wanted = {each for each in required if isinstance(each, str)} if isinstance(required, list) else set()
        if schema.get("additionalProperties") is not False or wanted != names:
            return False
    return all(_is_strict(each) for each in schema.values())


def _anthropic_headers(key: str) -> Mapping[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


def _anthropic_body(request: Request) -> JsonObject:
    body: JsonObject = {"max_tokens": _ANTHROPIC_TOKENS, **request.parameters, "model": request.model}
    system = "\n\n".join(each.content for each in request.messages if each.role in ("system", "developer"))
    if system:
        body["system"] = system
    body["messages"] = [
        {"role": each.role, "content": each.content}
        for each in request.messages
        if each.role not in ("system", "developer")
    ]
    if request.response_schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.response_schema)}}
    return body


OPENAI: Final = Api(
    "openai",
    "https://api.openai.com/v1",
    "chat/completions",
    "embeddings",
    "OPENAI_API_KEY",
    _openai_headers,
    _openai_body,
)
"""And the many that speak its API."""

ANTHROPIC: Final = Api(
    "anthropic",
    "https://api.anthropic.com/v1",
    "messages",
    None,
    "ANTHROPIC_API_KEY",
    _anthropic_headers,
    _anthropic_body,
)
