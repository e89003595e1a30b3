"""Which API answers for a model, and where keys go."""

import asyncio

import pytest

from coalmine_evals.providers.open import Access, OpenModels
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prices import PriceTable

_KEYS = {"openai": Access(None, "sk-1"), "anthropic": Access(None, "sk-2")}


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("gpt-4o-mini", None, "openai"),
        ("claude-sonnet-4-5", None, "anthropic"),
        ("anthropic/claude-sonnet-4-5", None, "anthropic"),
        ("claude-sonnet-4-5", "openai", "openai"),
        ("our-own-model", None, "openai"),
        ("llama-3.3-70b", "groq", "openai"),
    ],
)
def test_the_api_follows_from_the_model_or_is_said(model: str, provider: str | None, name: str) -> None:
    models = OpenModels(_KEYS, PriceTable())
    found = models.of(model, provider)
    assert found.name == name
    assert models.of(model, provider) is found
    asyncio.run(models.close())


def test_an_api_without_a_key_says_which_variable_to_set() -> None:
    with pytest.raises(InvalidParameter, match="set ANTHROPIC_API_KEY"):
        OpenModels({"openai": _KEYS["openai"]}, PriceTable()).of("claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTP_PROXY", "http://ann:hunter2@[::1"), ("ALL_PROXY", "foo://x"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_proxies_and_certificates_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidParameter, match="look at the proxies and certificates") as said:
        OpenModels(_KEYS, PriceTable()).of("gpt-4o-mini")
    assert "hunter2" not in str(said.value)


def test_a_gateway_of_our_own_may_need_no_key() -> None:
    models = OpenModels({"openai": Access("http://gateway.internal/v1")}, PriceTable())
    assert models.of("gpt-4o-mini").address == "http://gateway.internal/v1"
    assert (
        models.of("gpt-4o-mini", base_url="http://gateway.internal/v1/").address
        == "http://gateway.internal/v1"
    )
    asyncio.run(models.close())


@pytest.mark.parametrize("base_url", ["ftp://x/v1", "x", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(
        InvalidParameter, match=r"base_url is .*: give one such as https://api\.openai\.com/v1"
    ):
        OpenModels(_KEYS, PriceTable()).of("gpt-4o-mini", base_url=base_url)


@pytest.mark.parametrize(
    ("environ", "access"),
    [
        ({}, Access()),
        ({"ANTHROPIC_API_KEY": "k"}, Access(None, "k")),
        ({"ANTHROPIC_BASE_URL": "https://proxy.example"}, Access("https://proxy.example/v1")),
        ({"ANTHROPIC_BASE_URL": "https://proxy.example/llm/"}, Access("https://proxy.example/llm/")),
    ],
)
def test_variables_are_those_of_the_providers_own_packages(environ: dict[str, str], access: Access) -> None:
    assert Access.from_environ(environ, "anthropic") == access
    assert "k" not in repr(Access(None, "k")).replace("Access(base_url=None)", "")
