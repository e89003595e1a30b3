"""Sign-on: tokens of an identity provider (OpenID Connect), beside those of the server itself."""

from coalmine_server.services.sign_on.identity import OIDC, NotAllowed
from coalmine_server.services.sign_on.keys import IssuerAway, IssuerKeys, UnknownKey
from coalmine_server.services.sign_on.verify import BadToken, Expired, SignOn, looks_signed

__all__ = [
    "OIDC",
    "BadToken",
    "Expired",
    "IssuerAway",
    "IssuerKeys",
    "NotAllowed",
    "SignOn",
    "UnknownKey",
    "looks_signed",
]
