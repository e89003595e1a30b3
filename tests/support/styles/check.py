"""Runs a style against a server that answers as the providers do, and says what is wrong with its event."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from genai_prices import Usage, calc_price

from coalmine import Coalmine
from coalmine.integrations import using
from tests.support.oracles.produced import requests_of, spooled
from tests.support.servers.llm import LlmServer, llm_server
from tests.support.styles.answers import CACHED_TOKENS, Providers
from tests.support.styles.style import Server, Style

_CLASSES = {
    "400": "BadRequestError",
    "401": "AuthenticationError",
    "429": "RateLimitError",
    "500": "InternalServerError",
}
_CODES = {
    "400": "ValidationException",
    "401": "UnrecognizedClientException",
    "429": "ThrottlingException",
    "500": "InternalServerException",
}
_BY_STATUS = {
    "google_genai": {
        "400": "ClientError 400",
        "401": "ClientError 401",
        "429": "ClientError 429",
        "500": "ServerError 500",
    },
    "bedrock": _CODES,
    "pydantic_ai": {
        "400": "ModelRequestRejectedError",
        "401": "ModelAuthenticationError",
        "429": "ModelRateLimitError",
        "500": "ModelServerError",
    },
    "langchain": {
        "400": "InvalidRequestError",
        "401": "AuthenticationError",
        "429": "RateLimitError",
        "500": "APIError",
    },
}
"""What errors are called, where not as OpenAI's and Anthropic's packages call them."""
ALWAYS = ("ok", "length", "refusal", "400", "401", "429", "500")
_OUTCOMES = {"length": "truncated", "refusal": "refused"}


@dataclass(frozen=True, slots=True)
class Bench:
    """A server and the providers it stands in for."""

    server: LlmServer
    providers: Providers

    @property
    def root(self) -> str:
        """Address of the server."""
        return self.server.url.removesuffix("/v1")


@contextmanager
def bench(pause_s: float = 0.0) -> Iterator[Bench]:
    """A running server for the length of a block."""
    providers = Providers(pause_s)
    with llm_server(providers.answer) as server:
        yield Bench(server, providers)


def situations_of(style: Style) -> list[str]:
    """Those that can come to a style: `retried`, `stopped` and `broken` not to every one."""
    kinds = [("broken", style.streams), ("stopped", style.closes), ("retried", style.retries)]
    return [*ALWAYS, *(name for name, comes in kinds if comes)]


def faults(style: Style, on: Bench, home: Path) -> dict[str, list[str]]:
    """Calls once in each situation; returns what is wrong with the events, by situation, if anything is.

    Args:
        style: How to call.
        on: Whom to ask.
        home: Where the events go; empty.
    """
    situations = situations_of(style)
    raised: dict[str, str | None] = {}
    with Coalmine("styles", home=home) as cm:
        for number, situation in enumerate(situations):
            on.providers.situation = "ok" if situation == "retried" else situation
            on.providers.failures = int(situation == "retried")
            server = Server(on.root, stops=situation == "stopped", retries=int(situation == "retried"))
            with using(partial(cm.call, "support-refund", version=f"{number}.0.0")):
                raised[situation] = _run(style, server)
            gc.collect()  # a stream that was dropped ends its call then
        assert cm.flush(30)
        problems = [f"the client says {name}" for name in cm.stats().problems]
    records = requests_of(spooled(home))
    found = {"the client": problems} if problems else {}
    for number, situation in enumerate(situations):
        own = [record for record in records if record["version"] == f"{number}.0.0"]
        if words := wrong(style, situation, own):
            found[situation] = [*words, f"raised {raised[situation]}"]
    return found


def first_token_faults(style: Style, on: Bench, home: Path) -> list[str]:
    """Calls once while the server pauses before each piece; says if the first token is not where it was sent.

    For benchmarks alone, since a busy machine may make it wrong: not before the second piece, whose pause the
    answer's first cannot come before, and not at the end.
    """
    on.providers.situation, on.providers.failures = "ok", 0
    with Coalmine("styles", home=home) as cm:
        with using(partial(cm.call, "support-refund", version="1.0.0")):
            raised = _run(style, Server(on.root))
        assert cm.flush(30)
    for record in requests_of(spooled(home)):
        first_ms, latency_ms = record["time_to_first_token_ms"], record["latency_ms"]
        pause_ms = on.providers.pause_s * 1000
        if first_ms is not None and pause_ms <= first_ms <= latency_ms - pause_ms / 2:
            return []
        return [f"first token: {first_ms} ms of {latency_ms:.0f} ms"]
    return [f"first token: no event, raised {raised}"]


def _run(style: Style, server: Server) -> str | None:
    try:
        style.run(server)
    except Warning:
        raise
    except Exception as error:  # noqa: BLE001 - errors are among what is measured
        return repr(error)
    return None


def wrong(style: Style, situation: str, records: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the events that one call left, in words; empty if all is right."""
    if len(records) != 1:
        return [f"{len(records)} events"]
    (record,) = records
    expected: dict[str, Any] = {"request_model": style.request_model}
    if situation.isdigit():
        name = _BY_STATUS.get(style.library, _CLASSES)[situation]
        if style.library == "langchain":
            name = ("Anthropic" if style.provider == "anthropic" else "OpenAI") + name
        expected |= {"outcome": "error", "error_type": name}
    elif situation == "broken":
        expected |= {"outcome": "error"}
    elif situation == "stopped":
        expected |= {"outcome": "cancelled", "error_type": None}
    else:
        expected |= {
            "outcome": "ok" if style.embeds else _OUTCOMES.get(situation, "ok"),
            "error_type": None,
            "response_model": style.response_model,
            "input_tokens": style.input_tokens,
            "output_tokens": style.output_tokens,
            "cached_input_tokens": None if style.embeds else CACHED_TOKENS,
            "cost_nano_usd": _cost(style),
        }
    found = [
        f"{name} {record[name]!r} for {value!r}" for name, value in expected.items() if record[name] != value
    ]
    if situation in ("ok", "length", "refusal") and not style.embeds and record["finish_reason"] is None:
        found.append("no finish_reason")
    has_first = record["time_to_first_token_ms"] is not None
    if situation in ("ok", "stopped", "retried") and has_first != style.streams:
        found.append(f"time_to_first_token_ms {record['time_to_first_token_ms']!r}")
    return found


def _cost(style: Style) -> int:
    read = 0 if style.embeds else CACHED_TOKENS
    usage = Usage(input_tokens=style.input_tokens, cache_read_tokens=read, output_tokens=style.output_tokens)
    price = calc_price(usage, style.response_model or style.request_model, provider_id=style.provider)
    return round(price.total_price * 10**9)
