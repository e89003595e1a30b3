"""Finds out what shape a reply has and reads it, without importing any provider's package."""

from typing import Final, Protocol

from coalmine.replies.anthropic import is_first_message_token, read_message, read_message_event
from coalmine.replies.extraction import is_first_other_token, read_other, read_text_piece
from coalmine.replies.facts import ReplyFacts, count_of, error_of, get, text_of
from coalmine.replies.openai_chat import is_first_chat_token, read_chat_chunk, read_chat_completion
from coalmine.replies.openai_responses import is_first_response_token, read_response, read_response_event


class _Reader(Protocol):
    def __call__(self, reply: object, /, *, want_text: bool) -> ReplyFacts: ...


_BY_OBJECT: Final[dict[str, _Reader]] = {
    "chat.completion": read_chat_completion,
    "chat.completion.chunk": read_chat_chunk,
    "text_completion": read_chat_completion,
    "response": read_response,
}
"""Readers by what OpenAI calls the kind of a reply."""
_BY_TYPE: Final[dict[str, _Reader]] = {
    "message": read_message,
    "message_start": read_message_event,
    "message_delta": read_message_event,
    "message_stop": read_message_event,
    "content_block_start": read_message_event,
    "content_block_delta": read_message_event,
    "content_block_stop": read_message_event,
    "ping": read_message_event,
}
"""Readers by what Anthropic calls the kind of a reply."""
_RAW: Final = "LegacyAPIResponse"
"""What `with_raw_response` of OpenAI's and Anthropic's packages returns: a whole reply with its headers."""
_WITHIN: Final = (
    "chunk",
    "metadata",
    "delta",
    "raw",
    "_raw_response",
    "context_wrapper",
    "response_metadata",
    "llm_output",
)
"""Where libraries and streams keep what the provider sent, in objects of their own."""


def read_reply(reply: object, *, want_text: bool) -> ReplyFacts | None:
    """Reads a reply of OpenAI's chat completions or Responses API or of Anthropic's Messages API.

    Objects of those packages, mappings of the same shape (parsed JSON), and the pieces of a stream are known.
    Of others the parts that may have counts are noted, to be read in the background.

    Args:
        reply: What the provider's client returned.
        want_text: Whether to read the answer's text, too.

    Returns:
        The facts, or None for a shape that has nothing that may have counts and is no piece of a stream.
    """
    if type(reply).__name__ == _RAW and type(reply).__module__.startswith(("openai.", "anthropic.")):
        reply = get(reply, "parse")()  # the packages keep what it returns
    facts = _read(reply, want_text=want_text)
    for name in _WITHIN:
        if facts is None and (inner := get(reply, name)) is not None:
            facts = _read(inner, want_text=want_text)
    return read_text_piece(reply) if facts is None else facts


def _read(reply: object, *, want_text: bool) -> ReplyFacts | None:
    kind = get(reply, "object")
    if isinstance(kind, str) and kind in _BY_OBJECT:
        return _BY_OBJECT[kind](reply, want_text=want_text)
    kind = get(reply, "type")
    if isinstance(kind, str):
        if kind in _BY_TYPE:
            return _BY_TYPE[kind](reply, want_text=want_text)
        if kind == "error":
            return _read_error(reply)
        if kind.startswith("response."):
            return read_response_event(reply, want_text=want_text)
    return _read_by_fields(reply, want_text=want_text)


def _read_error(event: object) -> ReplyFacts:
    """Reads what ends a stream that broke off; OpenAI's event has its code in itself."""
    return ReplyFacts(error_type=error_of(event) or text_of(get(event, "code")) or "error", is_piece=True)


def is_first_token(piece: object) -> bool:
    """Returns True if a piece of a stream carries something the model wrote."""
    sent = get(piece, "chunk") or piece  # a helper's event has what the provider sent
    return (
        is_first_chat_token(sent)
        or is_first_message_token(sent)
        or is_first_response_token(sent)
        or is_first_other_token(sent)
    )


def _read_by_fields(reply: object, *, want_text: bool) -> ReplyFacts | None:
    """For embeddings, and for replies rebuilt by a proxy, which often leave out `object` and `type`."""
    choices = get(reply, "choices")
    if isinstance(choices, list | tuple):
        if choices and get(choices[0], "delta") is not None:
            return read_chat_chunk(reply, want_text=want_text)
        return read_chat_completion(reply, want_text=want_text)
    if isinstance(get(reply, "output"), list | tuple):
        return read_response(reply, want_text=want_text)
    usage = get(reply, "usage")
    if isinstance(get(reply, "content"), list | tuple) and usage is not None:
        return read_message(reply, want_text=want_text)
    # What is left of the known shapes has no name of its own: a list of embeddings.
    if count_of(get(usage, "prompt_tokens")) is not None:
        return read_chat_completion(reply, want_text=want_text)
    # OpenAI's package makes an answer without choices of what OpenRouter sends with a status of 200.
    said = isinstance(reply, dict) or isinstance(get(reply, "error"), dict | str)
    is_error = usage is None and said and error_of(reply) is not None
    return _read_error(reply) if is_error else read_other(reply)


def merge(known: ReplyFacts, new: ReplyFacts) -> ReplyFacts:
    """What is known of a call after one more reply or piece.

    A whole reply replaces what it speaks of. A piece appends its text, and its counts, being running totals,
    only ever raise those known.
    """
    merged = new._replace(
        response_model=new.response_model or known.response_model,
        service_tier=new.service_tier or known.service_tier,
        stated_cost=known.stated_cost if new.stated_cost is None else new.stated_cost,
    )
    if not new.is_piece:
        return merged._replace(
            finish_reason=new.finish_reason or known.finish_reason,
            text=new.text or known.text,
            usages=new.usages or known.usages,
        )
    return merged._replace(
        finish_reason=_finish(known.finish_reason, new.finish_reason),
        text=(known.text or "") + new.text if new.text else known.text,
        usages=(*known.usages[:1], *new.usages[-1:]) if new.usages else known.usages,
    )


def _finish(known: str | None, new: str | None) -> str | None:
    # A refusal is said in the middle of a stream, which then ends with "stop".
    return known if known == "refusal" else new or known
