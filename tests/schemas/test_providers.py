"""Whose model a name means."""

import pytest

from coalmine_schemas.prices import PriceTable
from coalmine_schemas.providers import named_provider, provider_id


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", "aws"),
        ("bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
        ("bedrock/us-east-1/anthropic.claude-3-5-sonnet-20241022-v2:0", "aws"),
        ("eu.anthropic.claude-3-7-sonnet-20250219-v1:0", "aws"),
        ("amazon.nova-pro-v1:0", "aws"),
        ("amazon.titan-embed-text-v2:0", "aws"),
        ("cohere.embed-english-v3", "aws"),
        ("groq/llama-3.3-70b-versatile", "groq"),
        ("groq/openai/gpt-oss-120b", "groq"),
        ("gemini/gemini-2.5-flash", "google"),
        ("models/gemini-2.5-flash", "google"),
        ("vertex_ai/gemini-2.5-pro", "google"),
        ("vertex_ai/claude-sonnet-4-5@20250929", "google"),
        ("projects/p/locations/us/publishers/google/models/gemini-2.5-flash", "google"),
        ("gemini-embedding-001", "google"),
        ("openrouter/anthropic/claude-sonnet-4", "openrouter"),
        ("openrouter/openai/gpt-4o", "openrouter"),
        ("anthropic/claude-sonnet-4", "anthropic"),
        ("openai/gpt-4o", "openai"),
        ("azure/gpt-4o", "azure"),
        ("azure/eu/gpt-4o-2024-08-06", "azure"),
        ("azure_ai/gpt-4o", "azure"),
        ("ft:gpt-4o-mini-2024-07-18:acme::8dk2", "openai"),
        ("ft:gpt-4.1-mini-2025-04-14:acme::8dk2", "openai"),
        ("openai/ft:gpt-4o-2024-08-06:acme::8dk2", "openai"),
        ("text-embedding-3-large", "openai"),
        ("text-embedding-ada-002", "openai"),
        ("embed-english-v3.0", "cohere"),
        ("cohere/embed-v4.0", "cohere"),
        ("voyage-3", "voyageai"),
        ("mistral/mistral-embed", "mistral"),
        ("mistral-large-latest", "mistral"),
        ("xai/grok-4", "x-ai"),
        ("deepseek/deepseek-chat", "deepseek"),
        ("perplexity/sonar-pro", "perplexity"),
        ("sonar", "perplexity"),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", "together"),
        ("fireworks_ai/accounts/fireworks/models/llama-v3p3-70b-instruct", "fireworks"),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "fireworks"),
        ("litellm_proxy/gpt-4o", "openai"),
        ("openai:gpt-4o", "openai"),
        ("anthropic:claude-sonnet-4-5", "anthropic"),
        ("google-gla:gemini-2.5-flash", "google"),
        ("google_vertexai:gemini-2.5-pro", "google"),
        ("bedrock:us.anthropic.claude-3-haiku-20240307-v1:0", "aws"),
        ("bedrock_converse:anthropic.claude-3-5-sonnet-20241022-v2:0", "aws"),
        ("groq:llama-3.3-70b-versatile", "groq"),
        ("azure_openai:gpt-4o", "azure"),
        ("openrouter:anthropic/claude-sonnet-4.5", "openrouter"),
        ("mistral:mistral-large-latest", "mistral"),
        ("computer-use-preview", "openai"),
        ("gpt-4o", "openai"),
        ("claude-haiku-4-5", "anthropic"),
    ],
)
def test_a_name_alone_finds_provider_and_price(model: str, provider: str) -> None:
    cost = PriceTable().cost({"input_tokens": 1000, "output_tokens": 0}, models=(model,))
    assert cost is not None
    assert cost.provider == provider
    assert cost.nano_usd > 0


@pytest.mark.parametrize(
    "model",
    ["my-llama", "acme/my-llama", "groq/my-llama", "", "/", "a//b", "ft:acme", "mistral:7b", "openai:", ":"],
)
def test_a_name_that_says_nothing_finds_no_price(model: str) -> None:
    assert PriceTable().cost({"input_tokens": 1000, "output_tokens": 0}, models=(model,)) is None


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("aws.bedrock", "aws"),
        ("gcp.vertex_ai", "google"),
        ("gcp.gemini", "google"),
        ("azure.ai.openai", "azure"),
        ("mistral_ai", "mistral"),
        ("x_ai", "x-ai"),
        ("OpenAI", "openai"),
        ("acme", "acme"),
    ],
)
def test_providers_go_by_the_names_of_opentelemetry_too(name: str, provider: str) -> None:
    assert provider_id(name) == provider


def test_only_a_stated_provider_is_named() -> None:
    assert named_provider("groq/llama") == "groq"
    assert named_provider("acme/llama") is None
    assert named_provider("gpt-4o") is None
    assert named_provider("anthropic:claude") == "anthropic"
    for tag in ("mistral:latest", "mistral:7b-instruct-v0.3", "codestral:22b", "deepseek:v3"):
        assert named_provider(tag) is None  # as Ollama names models
