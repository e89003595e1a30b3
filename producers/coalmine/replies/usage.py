"""What a call used, out of the usage as the provider sent it. Runs in the background, never in a request."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from coalmine.replies.extraction import OtherReply, extracted
from coalmine.replies.facts import ReplyFacts, count_of, get, text_of

_PLAIN_COUNTS = (
    "input_tokens",
    "prompt_tokens",
    "output_tokens",
    "completion_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
_TICKS_PER_USD = 10**10
"""xAI's unit of cost."""
_ANYWHERE = ("global", "not_available")
"""Anthropic's words for calls that may be answered anywhere."""


class BilledUsage(NamedTuple):
    """What the provider bills for a call."""

    counts: dict[str, int | float]
    """By genai-prices' names; a whole includes its parts. Empty where the reply does not say."""
    service_tier: str | None
    """In the provider's words; where it was answered in one geography only, with that after a "+"."""
    cost_nano_usd: int | None
    """What a gateway says the call cost."""


def billed_usage(facts: ReplyFacts, provider: str | None) -> BilledUsage:
    """Reads what a reply says was used.

    Args:
        facts: Of the reply.
        provider: Who was called, which helps with shapes that are not known.
    """
    counts: dict[str, int | float] = {}
    tier, geo, cost = facts.service_tier, None, None
    for usage in facts.usages:
        found = extracted(usage, provider, counts_of) if isinstance(usage, OtherReply) else counts_of(usage)
        for key, count in found.items():
            counts[key] = max(count, counts.get(key, 0))
        tier = "fast" if get(usage, "speed") == "fast" else text_of(get(usage, "service_tier")) or tier
        geo = text_of(get(usage, "inference_geo")) or geo
        said = _stated_cost(usage)
        cost = cost if said is None else said
    if geo is not None and geo not in _ANYWHERE:
        tier = geo if tier in (None, "standard") else f"{tier}+{geo}"
    # LiteLLM says 0 for models it has no price of.
    return BilledUsage(counts, tier, cost if cost is not None else _usd(facts.stated_cost) or None)


def negative_counts(usage: object) -> list[str]:
    """Names of counts that are below zero, and so are left out."""
    found = ((name, get(usage, name)) for name in _PLAIN_COUNTS)
    return [name for name, count in found if isinstance(count, int | float) and count < 0]


def counts_of(usage: object) -> dict[str, int | float]:
    """Counts in a usage of OpenAI's or Anthropic's shape, as gateways and libraries extend them."""
    fresh = count_of(get(usage, "input_tokens"))
    read = _largest(get(usage, "prompt_tokens"), get(usage, "prompt_eval_count"))
    written = _largest(*(get(usage, name) for name in ("completion_tokens", "output_tokens", "eval_count")))
    total = count_of(get(usage, "total_tokens"))
    inputs = _first(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    outputs = _first(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    counts = {**_cached(usage, inputs), **_kinds(usage, inputs, outputs)}
    apart = counts.get("cache_read_tokens", 0) + counts.get("cache_write_tokens", 0)
    if read is None:
        read = fresh
        # Anthropic's input_tokens counts neither what was read from the cache nor what was written to it.
        beside = (get(usage, "cache_read_input_tokens"), get(usage, "cache_creation_input_tokens"))
        if fresh is not None and any(count is not None for count in beside):
            read = fresh + apart
    elif total is not None and written is not None and total - read - written == apart:
        read += apart
    if read is not None and written is None and total in (None, read):
        # Embeddings write nothing, and say so only by a total that equals what was read.
        written = 0 if total is not None else None
    elif read is None and written is None and total is not None:
        read, written = total, 0
    if written is not None:
        written += _unsaid(counts, usage, None if read is None or total is None else total - read - written)
    seconds = _number(_first(usage, "seconds", "prompt_audio_seconds"))
    known = {"input_tokens": read, "output_tokens": written, "audio_seconds": seconds}
    return {**{key: count for key, count in known.items() if count is not None}, **counts}


def _unsaid(counts: dict[str, int], usage: object, excess: int | None) -> int:
    """Output tokens that are billed but not in the output's count."""
    reasoning = counts.get("output_reasoning_tokens", 0)
    if (citations := count_of(get(usage, "citation_tokens"))) is not None:  # Perplexity
        counts["output_citation_tokens"] = citations
        return citations + reasoning
    if get(usage, "prompt_audio_seconds"):  # Mistral's total has tokens of audio, which it bills by time
        return 0
    if excess is not None and excess > 0 and reasoning in (0, excess):
        # xAI's completion_tokens, and those of Gemini behind OpenAI's shape, leave the reasoning out.
        counts["output_reasoning_tokens"] = excess
        return excess
    return 0


def _cached(usage: object, inputs: object) -> dict[str, int]:
    """Tokens read from the provider's cache and written to it."""
    lifetimes = [
        get(usage, "cache_creation"),
        get(inputs, "cache_creation_token_details"),
        get(inputs, "cache_creation"),
        inputs,
    ]
    short, long = (
        _largest(*(get(each, f"ephemeral_{lifetime}_input_tokens") for each in lifetimes))
        for lifetime in ("5m", "1h")
    )
    written = _largest(
        get(usage, "cache_creation_input_tokens"),
        get(usage, "cache_write_tokens"),
        *(get(inputs, name) for name in ("cache_write_tokens", "cache_creation_tokens", "cache_creation")),
        get(inputs, "cache_creation_input_tokens"),
        None if short is None and long is None else (short or 0) + (long or 0),
    )
    by_kind = get(inputs, "cached_tokens_details")
    found = {
        "cache_read_tokens": _largest(
            *(get(inputs, name) for name in ("cached_tokens", "cache_read", "cache_read_input_tokens")),
            *(get(usage, name) for name in ("cache_read_input_tokens", "prompt_cache_hit_tokens")),
            *(
                get(usage, name)
                for name in ("cached_tokens", "cached_prompt_text_tokens", "cache_read_tokens")
            ),
        ),
        "cache_write_tokens": written,
        "cache_write_5m_tokens": short,
        "cache_write_1h_tokens": long,
        "cache_audio_read_tokens": _largest(
            get(by_kind, "audio_tokens"), get(usage, "cache_audio_read_tokens")
        ),
        "cache_image_read_tokens": count_of(get(by_kind, "image_tokens")),
    }
    return {key: count for key, count in found.items() if count is not None}


def _kinds(usage: object, inputs: object, outputs: object) -> dict[str, int]:
    """Tokens of other kinds than text, and what else is billed."""
    found = {
        "input_audio_tokens": _largest(
            get(inputs, "audio_tokens"), get(inputs, "audio"), get(usage, "input_audio_tokens")
        ),
        "input_image_tokens": _largest(get(inputs, "image_tokens"), get(inputs, "image")),
        "input_video_tokens": _largest(get(inputs, "video_tokens"), get(inputs, "video")),
        "output_audio_tokens": _largest(
            get(outputs, "audio_tokens"), get(outputs, "audio"), get(usage, "output_audio_tokens")
        ),
        "output_image_tokens": _largest(get(outputs, "image_tokens"), get(outputs, "image")),
        "output_reasoning_tokens": _largest(
            *(get(outputs, name) for name in ("reasoning_tokens", "reasoning", "thinking_tokens")),
            get(usage, "reasoning_tokens"),
        ),
        "web_searches": _largest(
            get(get(usage, "server_tool_use"), "web_search_requests"), get(usage, "num_search_queries")
        ),
    }
    return {key: count for key, count in found.items() if count is not None}


def _stated_cost(usage: object) -> int | None:
    """What a gateway says the call cost, in nano-dollars."""
    ticks = count_of(get(usage, "cost_in_usd_ticks"))
    if ticks is not None:
        return _nano(Decimal(ticks) / _TICKS_PER_USD)
    cost = get(usage, "cost")
    found = _usd(cost)
    if found is None:
        return _usd(get(cost, "total_cost")) if cost is not None else _usd(get(usage, "estimated_cost"))
    # With a key of one's own, OpenRouter's cost is its fee alone.
    upstream = _usd(get(get(usage, "cost_details"), "upstream_inference_cost"))
    return found + upstream if get(usage, "is_byok") is True and upstream is not None else found


def _usd(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        return _nano(Decimal(str(value)))
    except InvalidOperation:
        return None


def _first(usage: object, *names: str) -> Any:  # noqa: ANN401
    return next((found for name in names if (found := get(usage, name)) is not None), None)


def _largest(*values: object) -> int | None:
    """The largest count. Several names of one count may stand side by side, some of them 0."""
    return _max(count_of(value) for value in values)


def _max(counts: Iterable[int | None]) -> int | None:
    return max((count for count in counts if count is not None), default=None)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _nano(usd: Decimal) -> int | None:
    from coalmine_schemas.prices import nano  # noqa: PLC0415 - loaded when a client is made

    return nano(usd)
