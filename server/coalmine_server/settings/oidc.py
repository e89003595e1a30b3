"""The section `oidc`: which provider's tokens the API takes, and what people may do by their groups."""

from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from coalmine_schemas.limits import MOST_PROMPT_PATTERNS, PROMPT_PATTERN
from coalmine_server.settings.sections import Section

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""How tokens may be signed: with a private key of the issuer's; never `none`, never a shared secret."""

GroupRole = Literal["ingest", "reader", "author", "approver", "admin"]
"""What a group may do. A service's token is for one environment, which no group says."""

Pattern = Annotated[str, Field(pattern=f"^{PROMPT_PATTERN}$")]
Patterns = Annotated[list[Pattern], Field(min_length=1, max_length=MOST_PROMPT_PATTERNS)]


class OidcSettings(Section):
    """An identity provider (OpenID Connect) whose tokens the API takes beside its own."""

    issuer: str | None = None
    """URL of the provider, as `iss` of its tokens has it; no sign-on if unset."""
    audience: str = ""
    """Whom tokens are for: values of `aud`, such as the client id of the dashboard; several with commas."""
    name_claim: str = Field(default="email", min_length=1)
    """Claim with the name that people act under. Choose one that nobody can set for themselves."""
    groups_claim: str = Field(default="groups", min_length=1)
    """Claim with a person's groups or roles; `realm_access.roles` is a claim within a claim."""
    roles: dict[str, GroupRole] = Field(default={})
    """Role of each group; of several, the largest counts. Who is in none may do nothing."""
    prompts: dict[str, Patterns] = Field(default={})
    """Patterns of the prompts that a group's role is for; all prompts for groups that are not named here."""
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(default=["RS256", "ES256"])
    """Algorithms that tokens may be signed with."""
    leeway_s: float = Field(default=30.0, ge=0, le=300)
    """How far the provider's clock may be from ours."""

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is not None and not is_safe_url(value):
            raise ValueError("write https://..., or http://127.0.0.1 for a provider on this machine")
        return value


def is_safe_url(url: str) -> bool:
    """Returns True for a URL with TLS, or of this machine: keys that come otherwise may be anybody's."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http" or not parts.hostname:
        return False
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"
