"""Prices that genai-prices does not have, as TOML: an operator's own, and published ones that it lacks.

[[price]]
model = "support-llama-*"   # as events name it; * stands for anything
provider = "azure"          # optional: only calls to this provider
service_tier = "priority"   # optional: only calls of this tier of service
input_mtok = 0.40           # USD per million tokens; keys as genai-prices has them
cache_read_mtok = 0.10
output_mtok = 1.20
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.leaf_prices import units
from coalmine_schemas.providers import provider_id

_TABLE = re.compile(r"\s*\[\[\s*price\s*\]\]")


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What a model costs."""

    model: str
    """Lower-case name of the model; `*` stands for anything."""
    provider: str | None
    """Only calls to this provider; genai-prices' id."""
    prices: Mapping[str, Decimal]
    """USD, by genai-prices' keys."""
    service_tier: str | None = None
    """Only calls of this tier, in lower case; None for those of any."""

    def is_for(self, provider: str | None, model: str, service_tier: str = "") -> bool:
        """Whether a call costs this.

        Args:
            provider: Who was called; None where unknown.
            model: The model; what a gateway puts before a slash need not match.
            service_tier: Tier of service, in lower case.
        """
        if self.provider is not None and (provider is None or provider_id(provider) != self.provider):
            return False
        if self.service_tier not in (None, service_tier):
            return False
        parts = model.lower().split("/")
        return any(fnmatchcase("/".join(parts[start:]), self.model) for start in range(len(parts)))


def read_own_prices(file: Path) -> list[OwnPrice]:
    """Reads a file of prices.

    Raises:
        InvalidParameter: It cannot be read or says what cannot be meant; names file, line and remedy.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"cannot read the prices in {file}: {error}") from error
    return _parse(text, str(file))


@cache
def published_prices() -> tuple[OwnPrice, ...]:
    """Returns published prices that genai-prices lacks."""
    return tuple(
        _parse(
            (files("coalmine_schemas") / "published_prices.toml").read_text("utf-8"), "published_prices.toml"
        )
    )


def _parse(text: str, name: str) -> list[OwnPrice]:
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InvalidParameter(f"{name} is not valid TOML: {error}") from error
    lines = text.splitlines()
    for key in document.keys() - {"price"}:
        raise _error(
            name, _line_of(lines, key, 0), f"unknown key {key!r}", "write a table [[price]] for each model"
        )
    tables = document.get("price", [])
    if not isinstance(tables, list):
        raise _error(
            name, _line_of(lines, "price", 0), "price is one table", "write [[price]] with two brackets"
        )
    starts = [number for number, line in enumerate(lines) if _TABLE.match(line)]
    return [
        _price(table, lines, starts[index] if index < len(starts) else 0, name)
        for index, table in enumerate(tables)
    ]


def _price(table: dict[str, Any], lines: list[str], start: int, name: str) -> OwnPrice:
    def wrong(key: str, what: str, remedy: str) -> InvalidParameter:
        return _error(name, _line_of(lines, key, start) if key in table else start + 1, what, remedy)

    model, provider, tier = table.get("model"), table.get("provider"), table.get("service_tier")
    if not isinstance(model, str) or not model.strip():
        raise wrong("model", f"model is {model!r}", 'name it as events do, e.g. model = "my-llama"')
    if provider is not None and (not isinstance(provider, str) or not provider.strip()):
        raise wrong(
            "provider", f"provider is {provider!r}", 'name it, e.g. provider = "azure", or leave it out'
        )
    if tier is not None and (not isinstance(tier, str) or not tier.strip()):
        raise wrong(
            "service_tier", f"service_tier is {tier!r}", 'name it as events do, e.g. "flex", or leave it out'
        )
    prices: dict[str, Decimal] = {}
    for key in table.keys() - {"model", "provider", "service_tier"}:
        if key not in units():
            near = nearest(key, units())
            remedy = f"write {near}" if near else "write input_mtok, cache_read_mtok, output_mtok ..."
            raise wrong(key, f"unknown key {key!r}", remedy)
        prices[key] = _amount(
            table[key], lambda what, key=key: wrong(key, f"{key} {what}", "give US dollars, e.g. 0.40")
        )
    if not prices:
        raise wrong("model", f"{model} has no price", "add input_mtok and output_mtok")
    for key in sorted(prices):
        whole = next((parent for parent in ("input_mtok", "output_mtok") if _is_part(key, parent)), None)
        if whole is not None and whole not in prices:
            raise wrong(key, f"{key} stands without {whole}", f"add {whole}, the price of all other tokens")
    return OwnPrice(
        model.strip().lower(),
        None if provider is None else provider_id(provider),
        prices,
        None if tier is None else tier.strip().lower(),
    )


def _amount(value: object, wrong: Any) -> Decimal:  # noqa: ANN401 - makes the error
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise wrong(f"is {value!r}, not a number")
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount <= 10**9:
        raise wrong(f"is {value}, which is no price")
    return amount


def _is_part(key: str, whole: str) -> bool:
    return units()[whole].dimensions < units()[key].dimensions


def _line_of(lines: list[str], key: str, start: int) -> int:
    pattern = re.compile(rf"\s*[\[\"']*{re.escape(key)}[\"']?\s*[=.\]]")
    return next((number for number in range(start, len(lines)) if pattern.match(lines[number])), start) + 1


def _error(name: str, line: int, what: str, remedy: str) -> InvalidParameter:
    return InvalidParameter(f"{name}, line {line}: {what}; {remedy}")
