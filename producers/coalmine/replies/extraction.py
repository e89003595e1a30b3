"""Replies of shapes that are not ours to know: their counts are read by genai-prices, in the background."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MethodType
from typing import Any, Final, NamedTuple

from coalmine.replies.facts import ReplyFacts, count_of, first_of, get, text_of
from coalmine.replies.openai_responses import finish_of_status
from coalmine_schemas.providers import provider_id

_WITH_USAGE: Final = (
    "usage",
    "usage_metadata",
    "usageMetadata",
    "meta",
    "result",
    "usage_info",
    "tokenUsage",
    "token_usage",
    "prompt_eval_count",
    "eval_count",
)
"""Fields that have the counts, in any API that genai-prices knows."""
_BEDROCK_PIECES: Final = frozenset(
    ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop")
)
_COHERE_PIECES: Final = ("message-", "content-", "tool-", "citation-", "text-generation", "stream-start")
"""What the kinds of Cohere's events begin with."""
_OPENAI_HELPER: Final = ("content.", "refusal.", "logprobs.", "tool_calls.function.")
_OF_HELPERS: Final = frozenset(("text", "thinking", "signature", "citation", "input_json"))
"""Kinds of events that OpenAI's and Anthropic's packages make of a stream's pieces, and give beside them."""
_MAX_VALUES: Final = 2_000
_MAX_DEPTH: Final = 8
"""Bounds of what is looked at in a reply, which may be any object, even one that leads back to itself."""

Counts = dict[str, int | float]


class OtherReply(NamedTuple):
    """The parts of a reply that may have counts."""

    parts: Mapping[str, object]
    kind: str
    """Class of the reply, for the log."""


def read_other(reply: object) -> ReplyFacts | None:
    """Notes what may have counts in a reply of a shape that is not known; None if nothing may."""
    parts = {name: part for name in _WITH_USAGE if (part := get(reply, name))}
    last = reply
    if type(reply).__module__.startswith("pydantic_ai."):
        if isinstance(usage := parts.get("usage"), MethodType):  # since 2.0 it is a value
            parts["usage"] = usage()
        last = get(reply, "response") or reply  # a run's result has the last answer there
    if not parts:
        return None
    usages = (OtherReply(parts, f"{type(reply).__module__}.{type(reply).__qualname__}"),)
    # Of LangChain's chunks one may have the input's counts and a later one the output's.
    return _facts(last, usages, is_piece=type(reply).__name__.endswith("Chunk"))


def read_text_piece(reply: object) -> ReplyFacts | None:
    """Reads a piece without counts of a stream by LangChain, Ollama, Gemini, Bedrock, Cohere or a helper."""
    kind = get(reply, "type")
    if isinstance(kind, str) and (kind in _OF_HELPERS or kind.startswith(_OPENAI_HELPER)):
        is_piece = True
    elif type(reply).__name__.endswith("Chunk"):
        is_piece = isinstance(get(reply, "content"), str | list)
    elif isinstance(kind := kind or get(reply, "event_type"), str):
        is_piece = kind.startswith(_COHERE_PIECES)
    elif isinstance(reply, Mapping) and not _BEDROCK_PIECES.isdisjoint(reply):
        is_piece = True
    else:
        is_piece = get(reply, "done") is False or isinstance(get(reply, "candidates"), list)
    return _facts(reply, (), is_piece=True) if is_piece else None


def is_first_other_token(piece: object) -> bool:
    """Returns True if a piece by Gemini, Bedrock or LangChain carries something the model wrote."""
    if isinstance(piece, Mapping) and "contentBlockDelta" in piece:
        return True
    if type(piece).__name__.endswith("Chunk"):
        return bool(get(piece, "content") or get(piece, "tool_call_chunks"))
    return bool(get(get(first_of(get(piece, "candidates")), "content"), "parts"))


def _facts(reply: object, usages: tuple[OtherReply, ...], *, is_piece: bool) -> ReplyFacts:
    candidate = first_of(get(reply, "candidates"))
    return ReplyFacts(
        response_model=_first_text(
            get(reply, "model"),
            get(reply, "modelVersion"),
            get(reply, "model_version"),
            get(get(reply, "response_metadata"), "model_name"),
            get(reply, "model_name"),
        ),
        finish_reason=_first_text(
            get(reply, "stopReason"),
            get(reply, "finish_reason"),
            get(candidate, "finishReason"),
            get(candidate, "finish_reason"),
            get(get(reply, "response_metadata"), "finish_reason"),
            get(get(reply, "response_metadata"), "stop_reason"),
            _of_response(get(reply, "response_metadata"), get(reply, "tool_calls")),
            get(reply, "done_reason"),
            get(get(reply, "messageStop"), "stopReason"),
        ),
        usages=usages,
        is_piece=is_piece,
    )


def extracted(reply: OtherReply, provider: str | None, counts_of: Callable[[object], Counts]) -> Counts:
    """Returns the counts in the noted parts; empty if there are none.

    Args:
        reply: What was noted.
        provider: Who was called.
        counts_of: Reads counts of the shapes we know.
    """
    named = [reply.parts.get(name) for name in ("usage", "usage_metadata", "token_usage")]
    for part in (*named, get(reply.parts.get("meta"), "usage"), reply.parts):
        known = counts_of(part)
        if known:
            return known
    left = [_MAX_VALUES]
    document: dict[str, Any] = {name: _plain(part, left, _MAX_DEPTH) for name, part in reply.parts.items()}
    if isinstance(metadata := document.pop("usage_metadata", None), dict):
        document["usageMetadata"] = _camel(metadata)
    if get(get(document.get("meta"), "billed_units"), "output_tokens") is not None:
        document["usage"] = document["meta"]  # Cohere's first chat API
    for extractor in _extractors(provider):
        try:
            _, usage = extractor.extract(document)
        except (ValueError, TypeError, LookupError):
            continue
        found = {key: count_of(count) for key, count in vars(usage).items()}
        counts: Counts = {key: count for key, count in found.items() if count is not None}
        if counts:
            return {**counts, **({"output_tokens": 0} if set(counts) == {"input_tokens"} else {})}
    return {}


def _extractors(provider: str | None) -> Iterator[Any]:
    """Those of the provider that was called first."""
    called = provider_id(provider) if provider else None
    from coalmine_schemas.prices import load_prices  # noqa: PLC0415 - loaded when a client is made

    for each in sorted(load_prices().providers, key=lambda each: each.id != called):
        yield from each.extractors or ()


def _plain(value: object, left: list[int], depth: int) -> Any:  # noqa: ANN401 - JSON
    """The value as JSON would have it, whatever package's object it is."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    left[0] -= 1
    if left[0] < 0 or not depth:
        return None
    if isinstance(value, list | tuple):
        return [_plain(item, left, depth - 1) for item in value[: left[0] + 1]]
    fields = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return {
        str(name): _plain(item, left, depth - 1)
        for name, item in fields.items()
        if not str(name).startswith("_")
    }


def _camel(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Keys as Google's REST API has them; its Python package writes them with underscores."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name[:1] + name.title().replace("_", "")[1:] if "_" in name else name: _camel(item)
        for name, item in value.items()
    }


def _of_response(metadata: object, tool_calls: object) -> str | None:
    """The finish reason of OpenAI's Responses API, whose status LangChain keeps beside its message."""
    if get(metadata, "object") != "response":
        return None
    reason = finish_of_status(metadata)
    return "tool_calls" if reason == "stop" and tool_calls else reason


def _first_text(*values: object) -> str | None:
    return next((text for value in values if (text := text_of(value))), None)
