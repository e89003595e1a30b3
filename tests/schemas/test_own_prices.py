"""Prices of one's own: which calls they are for, and what the file may not say."""

from decimal import Decimal
from pathlib import Path

import pytest

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.own_prices import OwnPrice, read_own_prices
from coalmine_schemas.prices import PriceTable

_GOOD = """\
# What we pay.
[[price]]
model = "support-llama-*"
provider = "azure"
input_mtok = 0.40
cache_read_mtok = 0.1
output_mtok = 2

[[price]]
model = "gpt-4o"
input_mtok = 1.25
output_mtok = 5
"""


def _read(folder: Path, text: str) -> list[OwnPrice]:
    file = folder / "pricing.toml"
    file.write_text(text, "utf-8")
    return read_own_prices(file)


def test_prices_are_read_exactly(tmp_path: Path) -> None:
    first, second = _read(tmp_path, _GOOD)
    expected = {"input_mtok": Decimal("0.40"), "cache_read_mtok": Decimal("0.1"), "output_mtok": Decimal(2)}
    assert (first.model, first.provider, dict(first.prices)) == ("support-llama-*", "azure", expected)
    assert second.provider is None
    assert _read(tmp_path, "") == []


def test_an_own_price_wins_over_the_list_for_the_calls_it_names(tmp_path: Path) -> None:
    table = PriceTable(_read(tmp_path, _GOOD))
    usage = {"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 100}

    def cost(model: str, provider: str | None = None) -> tuple[int, str] | None:
        found = table.cost(usage, models=(model,), provider=provider)
        return None if found is None else (found.nano_usd, found.source)

    own = 600 * 400 + 400 * 100 + 100 * 2000
    assert cost("support-llama-70b", "azure") == (own, "own_prices")
    assert cost("azure/Support-Llama-8B", "azure.ai.openai") == (own, "own_prices")
    assert cost("support-llama-70b", "openai") is None
    assert cost("support-llama-70b") is None
    # A kind of token without a price of its own costs what the whole does.
    assert (
        cost("gpt-4o", "openai")
        == cost("openrouter/openai/gpt-4o")
        == (1000 * 1250 + 100 * 5000, "own_prices")
    )
    listed = cost("gpt-4o-mini")
    assert listed is not None
    assert listed[1] == "price_list"


def test_an_own_price_of_a_tier_is_for_the_calls_of_that_tier(tmp_path: Path) -> None:
    priority = "[[price]]\nmodel = 'gpt-4o'\nprovider = 'azure'\nservice_tier = 'Priority'\n"
    table = PriceTable(_read(tmp_path, f"{priority}input_mtok = 9\noutput_mtok = 9\n{_GOOD}"))
    usage = {"input_tokens": 1000, "output_tokens": 100}
    found = [
        table.cost(usage, models=("gpt-4o",), provider=provider, service_tier=tier)
        for provider, tier in (
            ("azure", "priority"),
            ("azure", "default"),
            ("azure", None),
            ("openai", "priority"),
        )
    ]
    assert [cost and cost.nano_usd for cost in found] == [9_900_000, 1_750_000, 1_750_000, 1_750_000]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[[price]]\nmodel = 'a'\ninput_mtokk = 1\n", 3, "write input_mtok"),
        ("[[price]]\nmodel = 'a'\n\ninput_mtok = 'cheap'\n", 4, "not a number"),
        ("[[price]]\nmodel = 'a'\ninput_mtok = -1\n", 3, "no price"),
        ("[[price]]\nmodel = 'a'\ninput_mtok = nan\n", 3, "no price"),
        ("[[price]]\nmodel = 'a'\ninput_mtok = inf\n", 3, "no price"),
        ("[[price]]\nmodel = 'a'\ninput_mtok = true\n", 3, "not a number"),
        ("[[price]]\nmodel = 'a'\ninput_mtok = 1\n[[price]]\nmodel = ''\ninput_mtok = 1\n", 5, "name it"),
        ("[[price]]\nmodel = 'a'\ninput_mtok = 1\n\n[[price]]\ninput_mtok = 1\n", 5, "name it"),
        ("[[price]]\nmodel = 'a'\nprovider = 3\ninput_mtok = 1\n", 3, "leave it out"),
        ("[[price]]\nmodel = 'a'\nservice_tier = ''\ninput_mtok = 1\n", 3, "leave it out"),
        ("[[price]]\nmodel = 'a'\n", 2, "has no price"),
        ("[[price]]\nmodel = 'a'\noutput_mtok = 1\ncache_read_mtok = 1\n", 4, "add input_mtok"),
        ("[price]\nmodel = 'a'\n", 1, "two brackets"),
        ("\n[[prices]]\nmodel = 'a'\n", 2, "[[price]]"),
        ("currency = 'EUR'\n", 1, "unknown key"),
        ("[[price]]\nmodel = \n", 2, "not valid TOML"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_the_line_and_the_remedy(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        _read(tmp_path, text)
    message = str(caught.value)
    assert "pricing.toml" in message
    assert f"line {line}" in message
    assert words in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"nowhere\.toml"):
        read_own_prices(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidParameter, match=r"latin\.toml"):
        read_own_prices(tmp_path / "latin.toml")
