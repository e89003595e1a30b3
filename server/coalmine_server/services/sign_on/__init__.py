"""Sign-on: tokens of an identity provider (OpenID Connect), beside those of the server itself."""

from coalmine_server.services.sign_on.identity import NotAllowed
from coalmine_server.services.sign_on.keys import IssuerAway, IssuerKeys, UnknownKey
from coalmine_server.services.sign_on.verify import BadToken, SignOn, looks_signed

__all__ = ["BadToken", "IssuerAway", "IssuerKeys", "NotAllowed", "SignOn", "UnknownKey", "looks_signed"]
