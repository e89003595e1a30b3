"""Sign-in by an identity provider (OIDC), which Streamlit does: whose token of the server somebody has.

`[auth]` in Streamlit's `secrets.toml` names the provider, as `st.login` wants it. Beside it stands what is
ours::

    [coalmine]
    claim = "email"                      # of the identity; this is the default

    [coalmine.tokens]
    "ann@example.com" = "TOKEN"          # by the value of that claim

Who is not in that table acts with the token that the provider gave them, where the server takes those
(`oidc.issuer`) and `[auth]` has `expose_tokens = ["id"]`.
"""

import base64
import json
import math
import time
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

__all__ = [
    "DEFAULT_CLAIM",
    "claim_name",
    "identity",
    "is_configured",
    "is_https",
    "provided_token_has_expired",
    "token_of",
]

DEFAULT_CLAIM: Final = "email"


def is_configured() -> bool:
    """True if people sign in with an identity provider."""
    return bool(_section("auth"))


def is_https() -> bool:
    """True if people come to the page by TLS, as the provider is told."""
    return str(_section("auth").get("redirect_uri", "")).startswith("https:")


def identity() -> Mapping[str, Any] | None:
    """The claims of who signed in with the provider; None if nobody did."""
    claims: dict[str, Any] = st.user.to_dict()
    return claims if claims.get("is_logged_in") else None


def claim_name() -> str:
    """The claim that tells people apart."""
    return str(_section("coalmine").get("claim", DEFAULT_CLAIM))


def token_of(claims: Mapping[str, Any]) -> str | None:
    """The token that an identity acts with; None if it has none.

    One of our own where the table has one for them, else the provider's, which the server checks. An e-mail
    address that the provider has not verified is nobody's: whoever wants to may claim it.
    """
    return _own_token(claims) or _provided()


def provided_token_has_expired(claims: Mapping[str, Any]) -> bool:
    """True if somebody acts with the provider's token, and it has ended: they are to sign in again."""
    token = None if _own_token(claims) else _provided()
    return token is not None and _expires_at(token) <= time.time()


def _provided() -> str | None:
    """The token that the provider gave who looks at the page, if it is exposed: of identity before access."""
    tokens = st.user.tokens
    found = tokens.get("id") or tokens.get("access")
    return str(found) if found else None


def _expires_at(token: str) -> float:
    """When a token ends, in seconds since 1970; never, as far as one can see, if it does not say.

    The server checks it. This only spares people a page without figures.
    """
    try:
        middle = token.split(".")[1]
        expires = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))["exp"]
        return float(expires)
    except (ValueError, KeyError, IndexError, TypeError):
        return math.inf


def _own_token(claims: Mapping[str, Any]) -> str | None:
    name = claim_name()
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        return None
    if name == DEFAULT_CLAIM and claims.get("email_verified") not in (None, True, "true"):
        return None
    tokens = _section("coalmine").get("tokens", {})
    found = {str(each).casefold(): str(token) for each, token in tokens.items()}
    return found.get(value.casefold())


def _section(name: str) -> Mapping[str, Any]:
    """A section of Streamlit's secrets; empty without one."""
    try:
        found: Mapping[str, Any] = st.secrets.get(name, {})
    except StreamlitSecretNotFoundError:
        return {}
    return found
