"""From the claims of a token that was checked to who acts, and what they may do."""

import re
from collections.abc import Mapping
from typing import Any, Final

from coalmine_registry.roles import Actor, Role
from coalmine_registry.tokens import SUBJECT
from coalmine_schemas.safe_text import printable
from coalmine_server.settings.oidc import OidcSettings

OIDC: Final = "oidc:"
"""What the id of a provider's token begins with."""
_SUBJECT: Final = re.compile(SUBJECT)
_MOST_GROUPS_TOLD: Final = 5
_LONGEST_ID: Final = 200


class NotAllowed(Exception):
    """The token is good, but who has it may do nothing here; the text says why, and what to change."""


def actor_of_claims(claims: Mapping[str, Any], settings: OidcSettings) -> Actor:
    """Returns who acts: their name, and the largest role of their groups with the prompts of those groups.

    Args:
        claims: Of a token that was checked.
        settings: Which claims say what, and what groups may do.

    Raises:
        NotAllowed: The token names nobody, or nobody who may do anything.
    """
    name = _name(claims, settings.name_claim)
    groups = _groups(claims, settings.groups_claim)
    roles = {group: Role(settings.roles[group]) for group in groups if group in settings.roles}
    if not roles:
        known = ", ".join([*settings.roles][:_MOST_GROUPS_TOLD])
        raise NotAllowed(
            f"{name} is in no group that may do anything here ({settings.groups_claim}: one of {known}): ask "
            "who runs the identity provider"
        )
    largest = max(roles.values(), key=tuple(Role).index)
    # With the prompts of the groups that give it: a larger role for some never spreads to all.
    deciding = [group for group, role in roles.items() if role is largest]
    prompts: tuple[str, ...] | None = None
    if all(group in settings.prompts for group in deciding):
        prompts = tuple(
            dict.fromkeys(pattern for group in deciding for pattern in sorted(settings.prompts[group]))
        )
    token_id = f"{OIDC}{printable(str(claims.get('sub', name)))}"[:_LONGEST_ID]
    return Actor(name, largest, token_id, None, prompts)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    value = _claim(claims, claim)
    if not isinstance(value, str) or not value:
        raise NotAllowed(f"the token has no claim {claim!r}, which names who acts (oidc.name_claim)")
    if claim == "email" and claims.get("email_verified") not in (None, True, "true"):
        raise NotAllowed("the provider has not verified the e-mail address: whoever wants to may claim it")
    if _SUBJECT.fullmatch(value) is None or Actor(value, Role.READER, "").is_system:
        raise NotAllowed(
            f"the claim {claim!r} is no name to act under here: 1 to 64 letters, digits and . _ @ + -"
        )
    return value


def _groups(claims: Mapping[str, Any], claim: str) -> list[str]:
    value = _claim(claims, claim)
    values = value if isinstance(value, list) else [value]
    return sorted({each for each in values if isinstance(each, str)})


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """The value of a claim: by its whole name, else through the claims that dots tell apart."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
