"""Replies of OpenAI's Responses API, whole and streamed."""

from coalmine.replies.facts import ReplyFacts, error_of, get, items_of, text_of, usages_of

_FINISH_BY_INCOMPLETE = {"max_output_tokens": "length"}
# The Responses API has a status where chat completions have a finish reason; the same words for the
# same thing let one page compare both.

_LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed", "response.done")
# The Realtime API's last one is response.done.


def read_response(reply: object, *, want_text: bool) -> ReplyFacts:
    """Reads a `response` object.

    Its status is given as the finish reason that chat completions would have had: `stop`, `tool_calls`,
    `length`, `content_filter`; any other status is passed on as it is.
    """
    output = items_of(get(reply, "output"))
    parts = [part for item in output for part in items_of(get(item, "content"))]
    return ReplyFacts(
        response_model=text_of(get(reply, "model")),
        finish_reason=_finish_reason(reply, output, parts),
        text=_text(parts) if want_text else None,
        service_tier=text_of(get(reply, "service_tier")),
        usages=_usages(reply, output),
        error_type=error_of(reply) or "failed" if get(reply, "status") == "failed" else None,
    )


def read_response_event(event: object, *, want_text: bool) -> ReplyFacts:
    """Reads one event of a stream; the last one carries the whole response."""
    response = get(event, "response")
    kind = get(event, "type")
    if response is not None and kind in _LAST_EVENTS:
        return read_response(response, want_text=want_text)
    is_text = kind == "response.output_text.delta"
    return ReplyFacts(text=text_of(get(event, "delta")) if is_text and want_text else None, is_piece=True)


def is_first_response_token(event: object) -> bool:
    """Returns True if an event carries something the model wrote."""
    kind = get(event, "type")
    return isinstance(kind, str) and kind.endswith(".delta")


def _finish_reason(reply: object, output: list[object], parts: list[object]) -> str | None:
    if any(get(part, "type") == "refusal" for part in parts):
        return "refusal"
    reason = finish_of_status(reply)
    called = reason == "stop" and any(str(get(item, "type")).endswith("_call") for item in output[-1:])
    return "tool_calls" if called else reason


def finish_of_status(reply: object) -> str | None:
    """The finish reason that a response's status stands for, whether or not it calls tools."""
    status = text_of(get(reply, "status"))
    if status == "completed":
        return "stop"
    if status == "incomplete":
        reason = text_of(get(get(reply, "incomplete_details"), "reason"))
        return _FINISH_BY_INCOMPLETE.get(reason or "", reason or status)
    return status


def _usages(reply: object, output: list[object]) -> tuple[object, ...]:
    """The usage, and the web searches, which are billed but stand in the output alone."""
    searches = sum(
        get(item, "type") == "web_search_call" and get(get(item, "action"), "type") in (None, "search")
        for item in output
    )
    usages = usages_of(reply)
    return (*usages, {"num_search_queries": searches}) if usages and searches else usages


def _text(parts: list[object]) -> str | None:
    texts = [text_of(get(part, "text")) or text_of(get(part, "refusal")) for part in parts]
    return "".join(text for text in texts if text) or None
