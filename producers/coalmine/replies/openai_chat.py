"""Chat completions as OpenAI's API and the many that speak it return them."""

from coalmine.replies.facts import ReplyFacts, error_of, first_of, get, items_of, text_of, usages_of


def read_chat_completion(reply: object, *, want_text: bool) -> ReplyFacts:
    """Reads a `chat.completion` or `text_completion` object, or a list of embeddings.

    Args:
        reply: The object or mapping.
        want_text: Whether to read the answer's text, too.
    """
    choice = first_of(get(reply, "choices"))
    message = get(choice, "message")
    refused = text_of(get(message, "refusal")) is not None
    finish_reason = text_of(get(choice, "finish_reason"))
    return ReplyFacts(
        response_model=text_of(get(reply, "model")),
        finish_reason="refusal" if refused else finish_reason,
        text=_message_text(choice, message) if want_text else None,
        service_tier=text_of(get(reply, "service_tier")),
        usages=usages_of(reply),
        # LiteLLM's own object has what it worked out beside what the provider sent.
        stated_cost=get(get(reply, "_hidden_params"), "response_cost"),
        error_type=_error_type(finish_reason, choice, reply),
    )


def read_chat_chunk(chunk: object, *, want_text: bool) -> ReplyFacts:
    """Reads a `chat.completion.chunk`; only a stream's last one has usage, and only if asked for."""
    choice = first_of(get(chunk, "choices"))
    delta = get(choice, "delta")
    refused = text_of(get(delta, "refusal")) is not None
    finish_reason = text_of(get(choice, "finish_reason"))
    return ReplyFacts(
        response_model=text_of(get(chunk, "model")),
        finish_reason="refusal" if refused else finish_reason,
        text=text_of(get(delta, "content")) if want_text else None,
        service_tier=text_of(get(chunk, "service_tier")),
        usages=usages_of(chunk) or usages_of(get(chunk, "x_groq")),
        error_type=_error_type(finish_reason, choice, chunk),
        is_piece=True,
    )


def is_first_chat_token(chunk: object) -> bool:
    """Returns True if a chunk carries something the model wrote, rather than only a role or usage."""
    delta = get(first_of(get(chunk, "choices")), "delta")
    return any(get(delta, name) for name in ("content", "tool_calls", "refusal", "reasoning_content"))


def _error_type(finish_reason: str | None, choice: object, reply: object) -> str | None:
    # OpenRouter's word where the provider behind it broke off.
    return error_of(choice) or error_of(reply) or "error" if finish_reason == "error" else None


def _message_text(choice: object, message: object) -> str | None:
    content = get(message, "content")
    if isinstance(content, list | tuple):
        parts = [text_of(get(part, "text")) for part in items_of(content)]
        return "".join(part for part in parts if part) or None
    return text_of(content) or text_of(get(message, "refusal")) or text_of(get(choice, "text"))
