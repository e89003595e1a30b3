"""The local token: an admin's, kept in the home directory for commands and clients of the same user.

`coalmine_schemas.discovery` says who reads it and where it is sent.
"""

from pathlib import Path

from coalmine_registry.roles import Actor, Role
from coalmine_registry.tokens import Tokens
from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.discovery import CREDENTIALS_FILE, read_local_token

LOCAL_TOKEN_NAME = "local"  # noqa: S105 - the name of a token, not a token


def ensure_local_token(home: Path, tokens: Tokens) -> str:
    """Returns the local token; makes another if the file is missing or the token was revoked."""
    token = read_local_token(home)
    if token is None or tokens.verify(token) is None:
        token = tokens.create(Actor.of_system(), LOCAL_TOKEN_NAME, Role.ADMIN, replace=True).token
        home.mkdir(parents=True, exist_ok=True)
        write_atomically(home / CREDENTIALS_FILE, token + "\n")
    (home / CREDENTIALS_FILE).chmod(0o600)
    return token
