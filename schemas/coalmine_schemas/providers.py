"""Who was called, found by the names that services, gateways and conventions use."""

import re
from collections.abc import Iterator
from typing import Final

_PROVIDERS: Final = {
    # As LiteLLM prefixes models, and as OpenTelemetry's gen_ai.provider.name has them.
    "ai21": "ai21",
    "anthropic": "anthropic",
    "aws": "aws",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "amazon": "aws",
    "azure": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "codestral": "mistral",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "github_copilot": "github-copilot",
    "google": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshotai": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "ovhcloud": "ovhcloud",
    "perplexity": "perplexity",
    "text-completion-openai": "openai",
    "together": "together",
    "together_ai": "together",
    "vertex_ai": "google",
    "vertex_ai_beta": "google",
    "voyage": "voyageai",
    "voyageai": "voyageai",
    "x-ai": "x-ai",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "zai": "zai",
}
"""Names to genai-prices' ids."""

_BY_MODEL: Final = tuple(
    (re.compile(pattern), provider)
    for pattern, provider in (
        (
            r"ft:|text-embedding-(3-|ada)|chatgpt-|codex-|davinci-|babbage-|dall-e-|omni-moderation|computer-use",
            "openai",
        ),
        (
            r"arn:aws:bedrock|([a-z-]{2,6}\.)?"
            r"(ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen|writer)\.[a-z]",
            "aws",
        ),
        (r"embed-|rerank-|c4ai-", "cohere"),
        (r"sonar", "perplexity"),
        (r"accounts/fireworks/", "fireworks"),
        (r"gemma-|text-embedding-0|imagen-|veo-", "google"),
    )
)
"""Beginnings of models' names that genai-prices does not tell the provider by."""

_TAG: Final = re.compile(r"latest|instruct|text|v?[0-9]|$")
"""What follows the colon in a name of Ollama's, such as `mistral:7b`."""


def provider_id(name: str) -> str:
    """Returns genai-prices' id of a provider, or the name in lower case where it is not known."""
    name = name.strip().lower()
    return _PROVIDERS.get(name, name)


def named_provider(model: str) -> str | None:
    """Returns the provider that a model's name states, e.g. `groq/...`; genai-prices' id."""
    name = _normal(model)
    stated = _PROVIDERS.get(name.partition("/")[0]) if "/" in name else None
    return stated or next((provider for pattern, provider in _BY_MODEL if pattern.match(name)), None)


def readings(provider: str | None, model: str) -> Iterator[tuple[str | None, str]]:
    """Yields what a model's name may mean, the likeliest first: who was called, and their name for it.

    Args:
        provider: Who was called, as the service says.
        model: The model's name, e.g. `bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0`. What stands
            before a slash may name a gateway or provider.

    Yields:
        genai-prices' id of the provider, or None to let genai-prices tell by the model; and the model.
    """
    model = _normal(model)
    if provider:
        known = provider_id(provider)
        yield known, model
        rest = model
        while "/" in rest:
            rest = rest.partition("/")[2]
            yield known, rest
    rest = model
    while True:
        yield from _without_provider(rest)
        prefix, slash, rest = rest.partition("/")
        if not slash:
            return
        if prefix in _PROVIDERS:
            yield from _within(_PROVIDERS[prefix], rest)


def _normal(model: str) -> str:
    """In lower case, and with a slash behind the provider, where pydantic-ai and LangChain have a colon."""
    model = model.strip().lower().removeprefix("models/")
    prefix, _, rest = model.partition(":")
    return f"{prefix}/{rest}" if prefix in _PROVIDERS and not _TAG.match(rest) else model


def _within(provider: str, model: str) -> Iterator[tuple[str | None, str]]:
    yield provider, model
    # Routes and regions: bedrock/converse/..., bedrock/us-east-1/..., publishers/google/models/...
    if "/" in model:
        yield provider, model.rpartition("/")[2]


def _without_provider(model: str) -> Iterator[tuple[str | None, str]]:
    for pattern, provider in _BY_MODEL:
        if pattern.match(model):
            yield provider, model
    if "/" not in model or model.startswith(("@cf/", "accounts/")):
        yield None, model
