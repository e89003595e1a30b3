"""Who answers for a model: chosen by its name, with the key that belongs to the address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import httpx2
from stamina.instrumentation import set_on_retry_hooks

from coalmine_evals.providers.api import ANTHROPIC, OPENAI, Api
from coalmine_evals.providers.http import HttpProvider, HttpSettings
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.providers import named_provider, provider_id

_APIS: Final = {"openai": OPENAI, "anthropic": ANTHROPIC}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API is, and its key."""

    base_url: str | None = None
    """None for the provider's own."""
    key: str | None = field(default=None, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], name: str) -> Self:
        """Reads the variables that the providers' own packages read, e.g. `OPENAI_API_KEY`.

        Args:
            environ: Variables of the environment.
            name: `openai` or `anthropic`.
        """
        base_url = environ.get(f"{name.upper()}_BASE_URL") or None
        if base_url is not None and name == "anthropic" and not httpx2.URL(base_url).path.strip("/"):
            base_url = f"{base_url.rstrip('/')}/v1"  # which Anthropic's package adds by itself
        return cls(base_url, environ.get(_APIS[name].key_variable) or None)


class OpenModels:
    """Finds who answers for a model, and keeps connections open. For one event loop.

    Args:
        access: By `openai` and `anthropic`.
        prices: What answers cost.
        settings: How APIs are asked.
    """

    def __init__(
        self, access: Mapping[str, Access], prices: PriceTable, settings: HttpSettings | None = None
    ) -> None:
        self._access, self._prices, self._settings = access, prices, settings or HttpSettings()
        self._open: dict[tuple[str, str], HttpProvider] = {}
        # Its log lines would cut through the progress bar; what goes on failing is in the answer's error.
        set_on_retry_hooks(())

    def of(self, model: str, provider: str | None = None, base_url: str | None = None) -> HttpProvider:
        """Returns who answers; see `Models`.

        Raises:
            InvalidParameter: The provider has no key, or the key does not belong to the address.
        """
        api = _api(model, provider)
        access = self._access.get(api.name, Access())
        own = access.base_url or api.base_url
        url, key = _checked(base_url or own), access.key
        if url != _checked(own):
            # A suite is a file that others may send in: it must not send our key anywhere.
            if url.host not in _LOOPBACK:
                raise InvalidParameter(
                    f"base_url is {base_url}, and the key of {api.name} belongs to {_checked(own)}: set "
                    f"{api.name.upper()}_BASE_URL to it, if that is where the key belongs"
                )
            key = None
        if key is None and url == _checked(api.base_url):
            raise InvalidParameter(
                f"no key for {api.name}, which answers for {model}: set {api.key_variable}, or evaluate "
                "answers that were recorded: --candidate FILE.jsonl"
            )
        place = (api.name, str(url))
        if place not in self._open:
            self._open[place] = HttpProvider(api, str(url), key, prices=self._prices, settings=self._settings)
        return self._open[place]

    def halt(self) -> None:
        """Asks for nothing any more; what was asked for is answered."""
        for provider in self._open.values():
            provider.halt()

    async def close(self) -> None:
        """Closes all connections."""
        for provider in self._open.values():
            await provider.close()
        self._open.clear()


def _api(model: str, provider: str | None) -> Api:
    name = provider_id(provider) if provider else named_provider(model)
    if name is None and model.lower().startswith("claude"):
        return ANTHROPIC
    # All others speak OpenAI's API, or there is a gateway in front of them that does.
    return _APIS.get(name or "openai", OPENAI)


def _checked(base_url: str) -> httpx2.URL:
    remedy = f"give one such as {OPENAI.base_url}"
    try:
        url = httpx2.URL(base_url.rstrip("/"))
    except httpx2.InvalidURL as error:
        raise InvalidParameter(f"base_url is {base_url!r} ({error}): {remedy}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidParameter(f"base_url is {base_url!r}: {remedy}")
    return url
