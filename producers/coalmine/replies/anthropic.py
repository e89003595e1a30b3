"""Replies of Anthropic's Messages API, whole and streamed."""

from coalmine.replies.facts import ReplyFacts, count_of, get, items_of, text_of


def read_message(reply: object, *, want_text: bool, is_piece: bool = False) -> ReplyFacts:
    """Reads a `message` object."""
    return _facts(
        usage=get(reply, "usage"),
        response_model=text_of(get(reply, "model")),
        finish_reason=text_of(get(reply, "stop_reason")),
        text=_text(reply) if want_text else None,
        is_piece=is_piece,
    )


def read_message_event(event: object, *, want_text: bool) -> ReplyFacts:
    """Reads one event of a stream: `message_start` has the input's tokens, `message_delta` the output's."""
    kind = get(event, "type")
    if kind == "message_start":
        return read_message(get(event, "message"), want_text=False, is_piece=True)
    delta = get(event, "delta")
    if kind == "message_delta":
        reason = text_of(get(delta, "stop_reason"))
        return _facts(usage=get(event, "usage"), finish_reason=reason, is_piece=True)
    text = text_of(get(delta, "text")) if kind == "content_block_delta" and want_text else None
    return ReplyFacts(text=text, is_piece=True)


def is_first_message_token(event: object) -> bool:
    """Returns True if an event carries something the model wrote."""
    return bool(get(event, "type") == "content_block_delta")


def _facts(
    *,
    usage: object,
    response_model: str | None = None,
    finish_reason: str | None = None,
    text: str | None = None,
    is_piece: bool,
) -> ReplyFacts:
    # Anthropic's input_tokens counts neither what was read from the cache nor what was written to it;
    # ours, like OpenAI's and OpenTelemetry's, counts all of the input.
    fresh = count_of(get(usage, "input_tokens"))
    read = count_of(get(usage, "cache_read_input_tokens"))
    written = count_of(get(usage, "cache_creation_input_tokens"))
    return ReplyFacts(
        response_model=response_model,
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        cached_input_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=count_of(get(get(usage, "cache_creation"), "ephemeral_1h_input_tokens")),
        output_tokens=count_of(get(usage, "output_tokens")),
        finish_reason=finish_reason,
        text=text,
        is_piece=is_piece,
    )


def _text(reply: object) -> str | None:
    parts = [text_of(get(part, "text")) for part in items_of(get(reply, "content"))]
    return "".join(part for part in parts if part) or None
