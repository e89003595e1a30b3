"""Checks tokens of an identity provider: signature, issuer, audience and times; then who it is."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Self

from coalmine_registry.roles import Actor
from coalmine_server.errors import ConfigurationError
from coalmine_server.services.sign_on.identity import actor_of_claims
from coalmine_server.services.sign_on.keys import IssuerKeys, UnknownKey
from coalmine_server.settings.oidc import OidcSettings
from coalmine_server.settings.sections import proxies

if TYPE_CHECKING:
    from jwt import PyJWK

LONGEST_TOKEN: Final = 16_384
"""Characters."""
_SIGNED: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_EXTRA: Final = "install the extra `jwt`: pip install 'coalmine[jwt]'"


class BadToken(Exception):
    """The token is not one that is taken here; the text says why."""


class Expired(BadToken):
    """The token was one that is taken here: who sends it guesses nothing."""


def looks_signed(token: str) -> bool:
    """Returns True if it has the form of a JSON Web Token, which no token of our own has: it has dots."""
    return _SIGNED.fullmatch(token) is not None


class SignOn:
    """Knows who has a token of the identity provider. Thread-safe."""

    def __init__(self, settings: OidcSettings, keys: IssuerKeys) -> None:
        """Prepares; see `of`."""
        self._settings = settings
        self._audience = proxies(settings.audience)
        self._keys = keys

    @classmethod
    def of(cls, settings: OidcSettings, make_keys: Callable[[str], IssuerKeys] = IssuerKeys) -> Self | None:
        """Returns the sign-on that settings describe, without asking the provider; None if there is none.

        Args:
            settings: Which provider.
            make_keys: From the issuer's URL.

        Raises:
            ConfigurationError: What a provider needs is missing.
        """
        if settings.issuer is None:
            return None
        if not proxies(settings.audience):
            raise ConfigurationError(
                "oidc.audience is not set: name whom tokens are for, such as the dashboard's client id; "
                "without it a token for any other application of the provider would be taken"
            )
        if not settings.roles:
            raise ConfigurationError("oidc.roles is not set: say which group may do what")
        for group in settings.prompts:
            if group not in settings.roles:
                raise ConfigurationError(
                    f"oidc.prompts has the group {group!r}: give it a role in oidc.roles"
                )
        try:
            import jwt  # noqa: F401, PLC0415 - an extra, which only this needs
        except ImportError as error:
            raise ConfigurationError(f"oidc.issuer is set, and {_EXTRA}") from error
        return cls(settings, make_keys(settings.issuer))

    def verify(self, token: str, *, may_ask: bool = True) -> Actor:
        """Returns whose token it is. Waits for the issuer where its keys have to be looked up.

        Args:
            token: As it was sent.
            may_ask: False to use the keys that are known.

        Raises:
            BadToken: It was not signed by the issuer for us, or not for now; `Expired` if it was.
            NotAllowed: It was, but who has it may do nothing here.
            IssuerAway: The issuer's keys cannot be had.
        """
        import jwt  # noqa: PLC0415 - an extra, which only this needs

        if len(token) > LONGEST_TOKEN:
            raise BadToken(f"the token has more than {LONGEST_TOKEN:,} characters")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise BadToken("the token is no JSON Web Token") from error
        if header.get("alg") not in self._settings.algorithms:
            allowed = ", ".join(self._settings.algorithms)
            raise BadToken(f"the token is not signed as oidc.algorithms says: {allowed}")
        key_id = header.get("kid")
        try:
            found = self._keys.key(key_id if isinstance(key_id, str) else None, may_ask=may_ask)
        except UnknownKey as error:
            raise BadToken(str(error)) from error
        if found.get("alg", header["alg"]) != header["alg"]:
            raise BadToken("the token is signed in another way than its key is for")
        try:
            key = jwt.PyJWK(found, header["alg"])
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise BadToken("the token is signed in a way that its key cannot be for") from error
        return actor_of_claims(self._claims(token, key), self._settings)

    def _claims(self, token: str, key: "PyJWK") -> dict[str, Any]:
        import jwt  # noqa: PLC0415 - an extra, which only this needs

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(self._settings.algorithms),
                audience=self._audience,
                issuer=self._settings.issuer,
                leeway=self._settings.leeway_s,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Expired("the token has expired: sign in again") from error
        except jwt.ImmatureSignatureError as error:
            raise BadToken("the token is not good yet: is the clock right?") from error
        except jwt.InvalidAudienceError as error:
            raise BadToken("the token is for another application (oidc.audience)") from error
        except jwt.InvalidIssuerError as error:
            raise BadToken("the token is of another issuer (oidc.issuer)") from error
        except jwt.MissingRequiredClaimError as error:
            raise BadToken(f"the token does not say {error.claim}") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise BadToken("the token's signature is not the issuer's") from error
        return claims
