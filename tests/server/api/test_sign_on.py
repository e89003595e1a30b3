"""Tokens of an identity provider, to a real server and of a real provider on this machine."""

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from coalmine_server.settings.oidc import OidcSettings
from tests.server.conftest import TRUSTING
from tests.server.registry_client import HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, with_constants
from tests.support.servers.identity_provider import CLIENT_ID, IdentityProvider

ROLES = {"readers": "reader", "authors": "author", "deciders": "approver", "support": "admin", "all": "admin"}
LEEWAY_S = OidcSettings().leeway_s
SETTINGS = {
    "COALMINE_OIDC_AUDIENCE": f"another-application,{CLIENT_ID}",
    "COALMINE_OIDC_ROLES": json.dumps(ROLES),
    "COALMINE_OIDC_PROMPTS": json.dumps({"support": ["support.*"], "authors": ["faq.*"]}),
    **TRUSTING,
}


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider().running() as provider:
        provider.person["groups"] = ["readers"]
        yield provider


ASKS_SOON = with_constants(coalmine_server__services__sign_on__keys__PAUSE_S=0.5)
"""The issuer is asked for its keys more often than each ten seconds."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[ServerProcess]:
    home = tmp_path_factory.mktemp("sign-on") / "home"
    env = {**SETTINGS, **ASKS_SOON, "COALMINE_OIDC_ISSUER": provider.url}
    with ServerProcess(home, env, part="registry") as server:
        yield server


def whoami(server: ServerProcess, token: str) -> httpx2.Response:
    return server.get("/v1/whoami", token=token)


def refused(server: ServerProcess, token: str, status: int = 401) -> str:
    answer = whoami(server, token)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert token not in answer.text
    return str(answer.json()["detail"])


def test_a_person_acts_under_their_name_with_the_role_of_their_group(
    server: ServerProcess, provider: IdentityProvider
) -> None:
    told = whoami(server, provider.token()).json()
    assert told == {"subject": "ann@example.com", "role": "reader", "environment": None, "prompts": None}
    with Person(server.url, provider.token(groups=["authors"])) as ann:
        ann.register("faq.hours", "1.0.0", HELLO)
        ann.register("other", "1.0.0", HELLO, expect=404)
    with Person.local(server) as admin:
        (entry,) = admin.get("/v1/audit-log?limit=1")["items"]
    assert (entry["action"], entry["actor"], entry["token_id"]) == ("register", "ann@example.com", "oidc:p-1")


@pytest.mark.parametrize(
    ("groups", "role", "prompts"),
    [
        (["readers"], "reader", None),
        ("readers", "reader", None),
        (["authors"], "author", ["faq.*"]),
        (["readers", "authors", "unknown", 7], "author", ["faq.*"]),
        (["deciders", "authors"], "approver", None),
        (["readers", "support"], "admin", ["support.*"]),
        (["support", "all"], "admin", None),
    ],
)
def test_the_largest_role_counts_with_the_prompts_of_its_groups(
    server: ServerProcess, provider: IdentityProvider, groups: object, role: str, prompts: object
) -> None:
    told = whoami(server, provider.token(groups=groups)).json()
    assert (told["role"], told["prompts"]) == (role, prompts)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"groups": ["strangers"]}, "is in no group"),
        ({"groups": []}, "is in no group"),
        ({"groups": None}, "is in no group"),
        ({"groups": {"readers": 1}}, "is in no group"),
        ({"email_verified": False}, "has not verified"),
        ({"email": None}, "no claim 'email'"),
        ({"email": ["ann@example.com"]}, "no claim 'email'"),
        ({"email": "system"}, "no name to act under"),
        ({"email": "System"}, "no name to act under"),
        ({"email": "rollout:x"}, "no name to act under"),
        ({"email": "a" * 65}, "no name to act under"),
        ({"email": "ann\nbob"}, "no name to act under"),
    ],
)
def test_who_is_nobody_here_is_told_why(
    server: ServerProcess, provider: IdentityProvider, claims: dict[str, Any], says: str
) -> None:
    assert says in refused(server, provider.token(**claims), 403)


def _other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _unsigned(provider: IdentityProvider, algorithm: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': algorithm, 'kid': 'first'})}.{part(provider.claims())}."


def _signed_with_the_public_key(provider: IdentityProvider) -> str:
    """As if the public key, which everybody has, were a shared secret."""
    import hmac  # noqa: PLC0415

    public = next(iter(provider.keys.values())).public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = _unsigned(provider, "HS256").split(".")
    signature = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _tampered(provider: IdentityProvider) -> str:
    head, _, signature = provider.token().split(".")
    claims = {**provider.claims(), "groups": ["all"]}
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}"


_CURVE: dict[str, str] = {
    **{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
    **{
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    },
}
"""The example of RFC 7515, A.3.1."""


BAD: dict[str, tuple[Any, str]] = {
    "of another key": (lambda p: p.token(key=_other_key()), "signature"),
    "tampered with": (_tampered, "signature"),
    "not signed": (lambda p: _unsigned(p, "none"), "oidc.algorithms"),
    "signed with None": (lambda p: _unsigned(p, "None"), "oidc.algorithms"),
    "not signed, and says it is": (lambda p: _unsigned(p, "RS256"), "signature"),
    "signed with the public key": (_signed_with_the_public_key, "oidc.algorithms"),
    "of an algorithm that is not allowed": (lambda p: p.token(algorithm="RS512"), "oidc.algorithms"),
    "of an algorithm that is not the key's": (
        lambda p: p.token(key=jwt.PyJWK.from_dict(_CURVE).key, algorithm="ES256"),
        "key cannot be for",
    ),
    "expired": (lambda p: p.token(exp=1_700_000_000), "expired"),
    "without an end": (lambda p: p.token(exp=None), "does not say exp"),
    "not good yet": (lambda p: p.token(nbf=4_000_000_000), "not good yet"),
    "for another application": (lambda p: p.token(aud="somebody"), "oidc.audience"),
    "for nobody": (lambda p: p.token(aud=None), "does not say aud"),
    "of another issuer": (lambda p: p.token(iss="https://evil.example.com"), "oidc.issuer"),
    "of the issuer with a slash": (lambda p: p.token(iss=f"{p.url}/"), "oidc.issuer"),
    "no token": (lambda _: "a.b.c", "no JSON Web Token"),
    "too long": (lambda p: p.token(more="x" * 20_000), "characters"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_is_not_the_issuers_for_us_and_now_is_refused(
    server: ServerProcess, provider: IdentityProvider, name: str
) -> None:
    make, says = BAD[name]
    assert says in refused(server, make(provider))
    assert whoami(server, provider.token()).status_code == 200


def test_clocks_may_differ_a_little(server: ServerProcess, provider: IdentityProvider) -> None:
    now = provider.claims()["iat"]
    assert whoami(server, provider.token(exp=now - 10, iat=now - 100)).status_code == 200
    assert whoami(server, provider.token(nbf=now + 10)).status_code == 200
    assert "expired" in refused(server, provider.token(exp=now - 60))


def test_tokens_of_the_server_are_as_ever(server: ServerProcess) -> None:
    assert whoami(server, server.token).json()["subject"] == "local"
    assert "unknown or was revoked" in refused(server, "cm_nothing")


def test_made_up_keys_do_not_have_the_issuer_asked(server: ServerProcess, provider: IdentityProvider) -> None:
    assert whoami(server, provider.token()).status_code == 200
    before, began_at = provider.asked["/keys"], time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        tokens = [provider.token(kid=f"made-up-{number}") for number in range(200)]
        answers = list(pool.map(lambda token: whoami(server, token).status_code, tokens))
    assert set(answers) == {401}
    most = 2 + (time.monotonic() - began_at) / 10
    assert provider.asked["/keys"] - before <= most
    assert whoami(server, provider.token()).status_code == 200


def _is_known(server: ServerProcess, token: str) -> bool:
    return whoami(server, token).status_code == 200


def test_a_new_key_is_found_and_the_old_one_is_worthless(
    server: ServerProcess, provider: IdentityProvider
) -> None:
    old = provider.token()
    assert whoami(server, old).status_code == 200
    for key_id, curve in (("second", False), ("third", True)):
        provider.rotate(key_id, curve=curve)
        new = provider.token()
        eventually(partial(_is_known, server, new), what="the new key", within_s=30)
    assert "no key" in refused(server, old)
    # A token that names no key is of the only one there is.
    assert whoami(server, provider.token(kid=None)).status_code == 200


def test_while_the_issuer_is_away_its_tokens_are_refused_and_others_work(tmp_path: Path) -> None:
    provider = IdentityProvider()
    provider.person["groups"] = ["readers"]
    env = {**SETTINGS, **ASKS_SOON, "COALMINE_OIDC_ISSUER": provider.url}
    with ServerProcess(tmp_path / "home", env, part="registry") as server:
        answer = whoami(server, provider.token())
        assert (answer.status_code, answer.json()["type"]) == (
            503,
            "urn:coalmine:identity-provider-unavailable",
        )
        assert provider.url in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert whoami(server, server.token).status_code == 200
        warned = [each for each in server.log_lines() if each["level"] == "warning"]
        assert [each["issuer"] for each in warned if "identity provider" in each["event"]] == [provider.url]
        with provider.running():
            eventually(
                lambda: whoami(server, provider.token()).status_code == 200, what="the issuer", within_s=30
            )
        assert whoami(server, provider.token()).status_code == 200  # its keys are known


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"/.well-known/openid-configuration": {"issuer": "https://evil.example.com"}}, "says that it is"),
        ({"/keys": {"keys": []}}, "no key"),
        ({"/keys": {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}]}}, "no key"),
        ({"/keys": {"keys": "none"}}, "no key"),
        ({"/keys": []}, "no JSON object"),
    ],
)
def test_an_issuer_that_makes_no_sense_is_not_believed(
    tmp_path: Path, broken: dict[str, Any], says: str
) -> None:
    with IdentityProvider().running() as provider:
        provider.broken = broken
        env = {**SETTINGS, "COALMINE_OIDC_ISSUER": provider.url}
        with ServerProcess(tmp_path / "home", env, part="registry") as server:
            assert says in refused(server, provider.token(), 503)


def test_who_waits_is_not_answered_once_their_token_has_ended(
    server: ServerProcess, provider: IdentityProvider
) -> None:
    """Longer than clocks may differ."""
    for good_for_s in (2, 4, 8):  # a busy machine may need longer to ask at all
        token = provider.token(exp=int(time.time()) - LEEWAY_S + good_for_s)
        with Person(server.url, token) as ann:
            first = ann.client.get("/v1/deployments/prod")
            if first.status_code == 401 and good_for_s < 8:
                continue
            assert first.status_code == 200
            headers = {"If-None-Match": first.headers["ETag"]}
            asked = f"/v1/deployments/prod?wait={good_for_s + 1}"
            assert ann.client.get(asked, headers=headers).status_code == 401
            break


def test_who_guesses_too_often_has_the_issuer_asked_no_more(
    tmp_path: Path, provider: IdentityProvider
) -> None:
    env = {
        **SETTINGS,
        "COALMINE_OIDC_ISSUER": provider.url,
        "COALMINE_SERVER_FAILED_LOGINS_PER_MINUTE": "3",
    }
    with ServerProcess(tmp_path / "home", env, part="registry") as server:
        assert whoami(server, provider.token()).status_code == 200
        over = provider.token(exp=1_700_000_000)  # of somebody who left a page open behind the same address
        assert [whoami(server, over).status_code for _ in range(5)] == [401] * 5
        bad = provider.token(key=_other_key(), algorithm="RS256")
        assert [whoami(server, bad).status_code for _ in range(5)] == [401, 401, 401, 429, 429]
        assert whoami(server, provider.token()).status_code == 200
        assert whoami(server, server.token).status_code == 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"COALMINE_OIDC_ISSUER": "https://id.example.com"}, "oidc.audience is not set"),
        (
            {"COALMINE_OIDC_ISSUER": "https://id.example.com", "COALMINE_OIDC_AUDIENCE": "x"},
            "oidc.roles is not set",
        ),
        ({"COALMINE_OIDC_ISSUER": "http://id.example.com"}, "write https://"),
        ({"COALMINE_OIDC_ALGORITHMS": '["none"]'}, "oidc.algorithms"),
        ({"COALMINE_OIDC_ALGORITHMS": '["HS256"]'}, "oidc.algorithms"),
        ({"COALMINE_OIDC_ROLES": '{"a": "service"}'}, "oidc.roles"),
        ({"COALMINE_OIDC_PROMPTS": '{"a": ["*!"]}'}, "oidc.prompts"),
        (
            {
                **SETTINGS,
                "COALMINE_OIDC_ISSUER": "https://id.example.com",
                "COALMINE_OIDC_PROMPTS": '{"a": ["*"]}',
            },
            "oidc.prompts has the group 'a'",
        ),
    ],
)
def test_settings_that_would_let_in_others_are_refused(
    tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    result = coalmine("serve", "registry", "--port", "0", home=tmp_path / "home", env=settings)
    assert result.returncode == 2, result.stderr
    assert says in result.stderr
