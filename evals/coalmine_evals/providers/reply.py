"""What an answer of a provider says: read as the client reads it, and priced as the collector prices it."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from coalmine.replies import ReplyFacts, billed_usage, merge, read_reply
from coalmine_evals.providers.provider import Request
from coalmine_evals.records import Output
from coalmine_schemas.prices import PriceTable, load_prices

_MOST_TOKENS = 2**53


def priced_provider(base_url: str) -> str | None:
    """Returns whose prices hold at an address, as genai-prices names providers; None to tell by the model."""
    try:
        return load_prices().find_provider(None, None, base_url).id
    except LookupError:
        return None


def output_of(
    facts: ReplyFacts, request: Request, prices: PriceTable, provider: str | None, latency_ms: float
) -> Output:
    """Returns the output that a reply stands for."""
    billed = billed_usage(facts, provider)
    cost = prices.cost(
        billed.counts,
        models=(facts.response_model, request.model),
        provider=provider,
        service_tier=billed.service_tier,
    )
    text, model = _whole(facts.text), _whole(facts.response_model)
    error = None if text is not None else _without_text(facts.finish_reason)
    return Output(
        text=text,
        error=error,
        response_model=model,
        input_tokens=_count(billed.counts.get("input_tokens")),
        output_tokens=_count(billed.counts.get("output_tokens")),
        cost_nano_usd=billed.cost_nano_usd
        if billed.cost_nano_usd is not None
        else (cost.nano_usd if cost else None),
        latency_ms=latency_ms,
        answered_at=datetime.now(UTC),
    )


def read_whole(body: bytes) -> ReplyFacts | None:
    """Reads a reply in one piece; None if it is not one that we know."""
    found = _json(body)
    return read_reply(found, want_text=True) if isinstance(found, dict) else None


def read_embedding(body: bytes) -> ReplyFacts | None:
    """Reads a reply with one embedding, as a JSON array of numbers; None if it is none."""
    match _json(body):
        case {"data": [{"embedding": [int() | float(), *_] as vector}]} as found:
            return ReplyFacts(
                response_model=str(found.get("model")), text=json.dumps(vector), usages=(found.get("usage"),)
            )
    return None


def read_stream(lines: Iterable[str]) -> ReplyFacts | None:
    """Reads server-sent events; None if they are not a reply that we know, or do not end as one does."""
    known: ReplyFacts | None = None
    ended = False
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        ended = ended or data == "[DONE]"
        piece = _json(data.encode())
        if isinstance(piece, dict):
            ended = ended or piece.get("type") == "message_stop"
            facts = read_reply(piece, want_text=True)
            known = facts if known is None else known if facts is None else merge(known, facts)
    return known if ended or (known is not None and known.finish_reason is not None) else None


def said_error(body: bytes) -> tuple[str | None, str]:
    """Returns the code and the message of an error as APIs word it: an object, or text of a proxy."""
    found = _json(body)
    error = found.get("error", found) if isinstance(found, dict) else None
    if isinstance(error, str):
        return None, _whole(error) or ""
    if not isinstance(error, dict):
        return None, body[:300].decode("utf-8", "replace")
    code = error.get("code") or error.get("type")
    message = error.get("message")
    said = _whole(str(message)) if message else None
    return (str(code) if code else None), said or json.dumps(error)


def _whole(text: str | None) -> str | None:
    """The text with a mark in place of each half of a surrogate pair, which no file could keep."""
    return text and text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _without_text(finish_reason: str | None) -> str:
    if finish_reason in ("refusal", "content_filter"):
        return f"refused: the model gave no answer ({finish_reason})"
    if finish_reason in ("length", "max_tokens"):
        return f"empty: no text within the limit of tokens ({finish_reason}): raise it in the parameters"
    return f"empty: the answer has no text (finish reason {finish_reason})"


def _count(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value < _MOST_TOKENS else None


def _json(body: bytes) -> Any:  # noqa: ANN401 - whatever was sent
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
