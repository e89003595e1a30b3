"""Keys of an issuer, over time: a clock that moves when told, and a real provider."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coalmine_server.services.sign_on import IssuerAway, IssuerKeys, UnknownKey
from coalmine_server.services.sign_on.keys import FRESH_S, OLDEST_S, PAUSE_S
from tests.support.eventually import eventually
from tests.support.servers.identity_provider import IdentityProvider


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider().running() as provider:
        yield provider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(provider: IdentityProvider, clock: Clock) -> IssuerKeys:
    return IssuerKeys(provider.url, clock)


def test_keys_are_asked_for_once(keys: IssuerKeys, provider: IdentityProvider) -> None:
    assert provider.asked == {}
    for _ in range(3):
        assert keys.key("first")["kid"] == "first"
    assert (provider.asked["/keys"], provider.asked["/.well-known/openid-configuration"]) == (1, 1)


def test_an_unknown_key_is_asked_for_after_a_pause(
    keys: IssuerKeys, provider: IdentityProvider, clock: Clock
) -> None:
    keys.key("first")
    provider.rotate("second")
    clock.now_s += PAUSE_S - 1
    with pytest.raises(UnknownKey, match="second"):
        keys.key("second")
    assert provider.asked["/keys"] == 1
    clock.now_s += 1
    assert keys.key("second")["kid"] == "second"
    with pytest.raises(UnknownKey):
        keys.key("first")
    assert provider.asked["/keys"] == 2


def test_a_withdrawn_key_is_worthless_once_keys_are_no_longer_fresh(
    keys: IssuerKeys, provider: IdentityProvider, clock: Clock
) -> None:
    keys.key("first")
    provider.rotate("second")
    clock.now_s += FRESH_S - 1
    keys.key("first")
    clock.now_s += 1
    with pytest.raises(UnknownKey):
        keys.key("first")


def test_keys_outlive_an_issuer_that_is_away_for_a_while(
    keys: IssuerKeys, provider: IdentityProvider, clock: Clock
) -> None:
    keys.key("first")
    provider.broken = {"/keys": []}
    clock.now_s += OLDEST_S - 1
    assert keys.key("first")["kid"] == "first"
    clock.now_s += 1
    with pytest.raises(IssuerAway, match="no JSON object"):
        keys.key("first")
    asked = provider.asked["/keys"]
    clock.now_s += PAUSE_S - 2  # the one before last was just asked
    with pytest.raises(IssuerAway):
        keys.key("made-up")
    assert provider.asked["/keys"] == asked
    provider.broken = {}
    clock.now_s += PAUSE_S
    assert keys.key("first")["kid"] == "first"


def test_who_may_not_ask_gets_what_is_known(keys: IssuerKeys, provider: IdentityProvider) -> None:
    with pytest.raises(IssuerAway, match="not been asked"):
        keys.key("first", may_ask=False)
    assert provider.asked == {}
    keys.key("first")
    assert keys.key("first", may_ask=False)["kid"] == "first"
    with pytest.raises(UnknownKey):
        keys.key("second", may_ask=False)


def test_who_may_not_ask_has_known_keys_looked_up_all_the_same(
    keys: IssuerKeys, provider: IdentityProvider, clock: Clock
) -> None:
    keys.key("first")
    provider.rotate("second")
    clock.now_s += FRESH_S
    with pytest.raises(UnknownKey):  # it was withdrawn
        keys.key("first", may_ask=False)
    assert keys.key("second", may_ask=False)["kid"] == "second"


def test_an_id_of_a_key_that_is_no_text_costs_the_others_nothing(
    keys: IssuerKeys, provider: IdentityProvider
) -> None:
    (good,) = provider.jwks()["keys"]
    odd = [{**good, "kid": each} for each in (["first"], {"first": 1}, 7)]
    provider.broken = {"/keys": {"keys": [*odd, good]}}
    assert keys.key("first") == good


def test_an_issuer_that_is_slow_keeps_only_who_asks_it_waiting(
    keys: IssuerKeys, provider: IdentityProvider, clock: Clock
) -> None:
    keys.key("first")
    clock.now_s += FRESH_S
    provider.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(keys.key, "first")
        try:
            eventually(lambda: provider.waiting, what="the question to the issuer")
            assert pool.submit(keys.key, "first").result(timeout=30)["kid"] == "first"
            assert not asking.done()
        finally:
            provider.may_answer.set()
        assert asking.result()["kid"] == "first"


def test_a_token_without_an_id_of_a_key_needs_a_single_one(
    keys: IssuerKeys, provider: IdentityProvider, clock: Clock
) -> None:
    assert keys.key(None)["kid"] == "first"
    first = provider.keys
    provider.rotate("second")
    provider.keys = {**first, **provider.keys}
    clock.now_s += FRESH_S
    with pytest.raises(UnknownKey):
        keys.key(None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTP_PROXY", "http://ann:hunter2@[::1"), ("ALL_PROXY", "foo://x"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_an_environment_that_cannot_be_used_is_an_issuer_away(
    keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(IssuerAway, match="look at the proxies and certificates") as said:
        keys.key("first")
    assert "hunter2" not in str(said.value)
