"""The same answer in the words of each provider's API: whole and streamed, cut, refused, and failed."""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

from tests.support.servers.llm import Asked, Reply

TEXT: Final = '{"answer": "On its way."}'
"""JSON, so that structured output can be parsed."""
INPUT_TOKENS: Final = 1000
CACHED_TOKENS: Final = 200
"""Of those."""
OUTPUT_TOKENS: Final = 50
STATUSES: Final = (400, 401, 429, 500)
_FINISH: Final[dict[str, dict[str, str]]] = {
    "chat": {"ok": "stop", "length": "length", "refusal": "content_filter"},
    "messages": {"ok": "end_turn", "length": "max_tokens", "refusal": "refusal"},
    "gemini": {"ok": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"},
    "converse": {"ok": "end_turn", "length": "max_tokens", "refusal": "content_filtered"},
}
_USAGE: Final[dict[str, dict[str, Any]]] = {
    "chat": {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "responses": {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS, "cache_write_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    },
    "messages": {
        "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
        "cache_read_input_tokens": CACHED_TOKENS,
        "cache_creation_input_tokens": 0,
        "output_tokens": OUTPUT_TOKENS,
    },
    "gemini": {
        "promptTokenCount": INPUT_TOKENS,
        "cachedContentTokenCount": CACHED_TOKENS,
        "candidatesTokenCount": OUTPUT_TOKENS,
        "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
    },
    "converse": {
        "inputTokens": INPUT_TOKENS - CACHED_TOKENS,
        "cacheReadInputTokens": CACHED_TOKENS,
        "cacheWriteInputTokens": 0,
        "outputTokens": OUTPUT_TOKENS,
        "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
    },
}


class Providers:
    """Answers as OpenAI, Anthropic, Google and Bedrock do, in the situation that is set.

    Args:
        pause_s: Before each piece of a stream.
    """

    def __init__(self, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.situation = "ok"
        """`ok`, `length`, `refusal`, `broken` and `stopped` (streams that say an error, or are held until
        they are closed), or a status of HTTP."""
        self.failures = 0
        """Requests still to be answered with 500, before the situation counts."""

    def answer(self, asked: Asked) -> Reply:
        """Answers a request."""
        if self.failures or self.situation.isdigit():
            status = 500 if self.failures else int(self.situation)
            self.failures = max(0, self.failures - 1)
            return _error(status)
        kind = next((kind for end, kind in _KINDS.items() if asked.path.partition("?")[0].endswith(end)))
        streamed = asked.body.get("stream") or kind.endswith("stream")
        if not streamed:
            return Reply(_WHOLE[kind](self.situation))
        pieces = _STREAMED[kind.removesuffix("-stream")](self.situation)
        if self.situation == "broken":
            pieces = (*pieces[:2], _BREAK[kind.removesuffix("-stream")])
        headers = {"content-type": "application/vnd.amazon.eventstream"} if kind.startswith("conv") else {}
        held = None
        if self.situation == "stopped":
            held = 1 + next(number for number, piece in enumerate(pieces) if "answer" in str(piece))
        return Reply("", pieces=pieces, pause_s=self.pause_s, headers=headers, held_after=held)


def _error(status: int) -> Reply:
    code = {400: "ValidationException", 401: "UnrecognizedClientException", 429: "ThrottlingException"}.get(
        status, "InternalServerException"
    )
    word = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}.get(
        status, "INTERNAL"
    )
    error = {"message": "no", "type": "x", "code": status, "status": word}
    body = {"type": "error", "error": error, "message": "no"}
    # OpenAI's and Anthropic's packages wait half a second before they try again, unless they are told.
    return Reply(body, status=status, headers={"x-amzn-errortype": code, "retry-after-ms": "1"})


def _finish(kind: str, situation: str) -> str:
    return _FINISH[kind].get(situation, _FINISH[kind]["ok"])


def _chat(situation: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "finish_reason": _finish("chat", situation), "message": message}
    return {**_CHAT, "object": "chat.completion", "choices": [choice], "usage": _USAGE["chat"]}


_CHAT: Final = {"id": "chatcmpl-1", "created": 1741569952, "model": "gpt-4o-mini-2024-07-18"}


def _chat_stream(situation: str) -> tuple[str, ...]:
    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return json.dumps({**_CHAT, "object": "chat.completion.chunk", "choices": choices})

    usage = {**_CHAT, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE["chat"]}
    texts = (chunk({"content": TEXT[:9]}), chunk({"content": TEXT[9:]}))
    role = chunk({"role": "assistant", "content": ""})
    return (role, *texts, chunk({}, _finish("chat", situation)), json.dumps(usage), "[DONE]")


def _response(situation: str) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "output_text", "text": TEXT, "annotations": []}
    reason = {"length": "max_output_tokens", "refusal": "content_filter"}.get(situation)
    status = "failed" if situation == "broken" else "incomplete" if reason else "completed"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1741476542,
        "status": status,
        "error": {"code": "server_error", "message": "no"} if situation == "broken" else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": "gpt-4o-mini-2024-07-18",
        "output": [
            {"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": [content]}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _USAGE["responses"],
    }


def _response_stream(situation: str) -> tuple[str, ...]:
    empty = {**_response("ok"), "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0}
    item = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    delta = {"type": "response.output_text.delta", **place, "content_index": 0, "logprobs": []}
    whole = _response(situation)
    events: tuple[dict[str, Any], ...] = (
        {"type": "response.created", "response": empty},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "content_index": 0, "part": part},
        {**delta, "delta": TEXT[:9]},
        {**delta, "delta": TEXT[9:]},
        {"type": f"response.{whole['status']}", "response": whole},
    )
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return tuple(f"{json.dumps(event)}\nevent: {event['type']}" for event in numbered)


def _message(situation: str) -> dict[str, Any]:
    return {
        **_MESSAGE,
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": _finish("messages", situation),
        "stop_sequence": None,
        "usage": _USAGE["messages"],
    }


_MESSAGE: Final[dict[str, Any]] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
}


def _message_stream(situation: str) -> tuple[str, ...]:
    start = {**_message(situation), "content": [], "stop_reason": None}
    start["usage"] = {**_USAGE["messages"], "output_tokens": 1}
    finish = {"stop_reason": _finish("messages", situation), "stop_sequence": None}
    texts = [{"type": "text_delta", "text": text} for text in (TEXT[:9], TEXT[9:])]
    events: tuple[dict[str, Any], ...] = (
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": text} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": finish, "usage": _USAGE["messages"]},
        {"type": "message_stop"},
    )
    return tuple(f"{json.dumps(event)}\nevent: {event['type']}" for event in events)


def _gemini(situation: str, text: str = TEXT) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    candidate = {"content": content, "finishReason": _finish("gemini", situation), "index": 0}
    return {**_GEMINI, "candidates": [candidate], "usageMetadata": _USAGE["gemini"]}


_GEMINI: Final[dict[str, Any]] = {"responseId": "r1", "modelVersion": "gemini-2.0-flash-001"}


def _gemini_stream(situation: str) -> tuple[str, ...]:
    content = {"role": "model", "parts": [{"text": TEXT[:9]}]}
    first = {**_GEMINI, "candidates": [{"content": content, "index": 0}]}
    first["usageMetadata"] = {"promptTokenCount": INPUT_TOKENS, "totalTokenCount": INPUT_TOKENS}
    return (json.dumps(first), json.dumps(first), json.dumps(_gemini(situation, TEXT[9:])))


def _converse(situation: str) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
        "stopReason": _finish("converse", situation),
        "usage": _USAGE["converse"],
        "metrics": {"latencyMs": 12},
    }


def _converse_stream(situation: str) -> tuple[bytes, ...]:
    return (
        _framed("messageStart", {"role": "assistant"}),
        _framed("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT[:9]}}),
        _framed("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT[9:]}}),
        _framed("contentBlockStop", {"contentBlockIndex": 0}),
        _framed("messageStop", {"stopReason": _finish("converse", situation)}),
        _framed("metadata", {"usage": _USAGE["converse"], "metrics": {"latencyMs": 12}}),
    )


def _framed(name: str, content: Mapping[str, Any], kind: str = "event") -> bytes:
    """One message of Amazon's event stream: lengths and their sum, headers, JSON, and the sum of all."""
    values = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        struct.pack("!B", len(key)) + key.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for key, value in values.items()
    )
    payload = json.dumps(content).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _embeddings(_: str) -> dict[str, Any]:
    usage = {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS}
    data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
    return {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}


_KINDS: Final = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/messages": "messages",
    ":generateContent": "gemini",
    ":streamGenerateContent": "gemini-stream",
    "/converse": "converse",
    "/converse-stream": "converse-stream",
}
_WHOLE: Final[Mapping[str, Any]] = {
    "chat": _chat,
    "responses": _response,
    "embeddings": _embeddings,
    "messages": _message,
    "gemini": _gemini,
    "converse": _converse,
}
_STREAMED: Final[Mapping[str, Any]] = {
    "chat": _chat_stream,
    "responses": _response_stream,
    "messages": _message_stream,
    "gemini": _gemini_stream,
    "converse": _converse_stream,
}
_BREAK: Final[Mapping[str, str | bytes]] = {
    "chat": json.dumps({"error": {"message": "no", "type": "server_error", "code": None}}),
    "responses": json.dumps({"type": "error", "code": "server_error", "message": "no", "sequence_number": 2})
    + "\nevent: error",
    "messages": json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "no"}})
    + "\nevent: error",
    "gemini": json.dumps({"error": {"code": 500, "message": "no", "status": "INTERNAL"}}),
    "converse": _framed("internalServerException", {"message": "no"}, "exception"),
}
