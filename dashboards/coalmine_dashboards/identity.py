"""Sign-in by an identity provider (OIDC), which Streamlit does: whose token of the server somebody has.

`[auth]` in Streamlit's `secrets.toml` names the provider, as `st.login` wants it. Beside it stands what is
ours::

    [coalmine]
    claim = "email"                      # of the identity; this is the default

    [coalmine.tokens]
    "ann@example.com" = "TOKEN"          # by the value of that claim
"""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

__all__ = ["DEFAULT_CLAIM", "claim_name", "identity", "is_configured", "token_of"]

DEFAULT_CLAIM: Final = "email"


def is_configured() -> bool:
    """True if people sign in with an identity provider."""
    return bool(_section("auth"))


def identity() -> Mapping[str, Any] | None:
    """The claims of who signed in with the provider; None if nobody did."""
    claims: dict[str, Any] = st.user.to_dict()
    return claims if claims.get("is_logged_in") else None


def claim_name() -> str:
    """The claim that tells people apart."""
    return str(_section("coalmine").get("claim", DEFAULT_CLAIM))


def token_of(claims: Mapping[str, Any]) -> str | None:
    """The token that an identity acts with; None if it has none.

    An e-mail address that the provider has not verified is nobody's: whoever wants to may claim it.
    """
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
