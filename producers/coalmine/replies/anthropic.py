"""Replies of Anthropic's Messages API, whole and streamed."""

from coalmine.replies.facts import ReplyFacts, get, items_of, text_of, usages_of


def read_message(reply: object, *, want_text: bool, is_piece: bool = False) -> ReplyFacts:
    """Reads a `message` object."""
    return ReplyFacts(
        response_model=text_of(get(reply, "model")),
        finish_reason=text_of(get(reply, "stop_reason")),
        text=_text(reply) if want_text else None,
        usages=usages_of(reply),
        is_piece=is_piece,
    )


def read_message_event(event: object, *, want_text: bool) -> ReplyFacts:
    """Reads one event of a stream: `message_start` has the input's tokens, `message_delta` the output's."""
    kind = get(event, "type")
    if kind == "message_start":
        return read_message(get(event, "message"), want_text=False, is_piece=True)
    delta = get(event, "delta")
    if kind == "message_delta":
        return ReplyFacts(
            finish_reason=text_of(get(delta, "stop_reason")), usages=usages_of(event), is_piece=True
        )
    text = text_of(get(delta, "text")) if kind == "content_block_delta" and want_text else None
    return ReplyFacts(text=text, is_piece=True)


def is_first_message_token(event: object) -> bool:
    """Returns True if an event carries something the model wrote."""
    return bool(get(event, "type") == "content_block_delta")


def _text(reply: object) -> str | None:
    parts = [text_of(get(part, "text")) for part in items_of(get(reply, "content"))]
    return "".join(part for part in parts if part) or None
