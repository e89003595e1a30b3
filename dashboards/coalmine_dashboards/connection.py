"""Finds the server that the pages query."""

import os
import secrets
from collections.abc import Mapping

from coalmine_schemas.discovery import Endpoint, find_endpoint, home_of, read_local_token, viewer_key

__all__ = [
    "ANSWERS_VARIABLE",
    "DEFAULT_SERVER_URL",
    "VARIABLES",
    "connection_of_process",
    "find_connection",
    "key_of_link",
]

DEFAULT_SERVER_URL = "http://127.0.0.1:8321"
ANSWERS_VARIABLE = "COALMINE_DASHBOARD_ANSWERS_URL"
"""Of the environment: a replica that pages ask; what people do goes to the server."""
VARIABLES = ("COALMINE_SERVER_URL", "COALMINE_TOKEN", "COALMINE_HOME")
"""Of the environment, that say which server it is."""


def find_connection(environ: Mapping[str, str]) -> Endpoint:
    """Returns the server to query now. Call it again to find a server that has started since.

    Args:
        environ: Environment variables; reads COALMINE_SERVER_URL, COALMINE_TOKEN and COALMINE_HOME.
    """
    url, token = environ.get("COALMINE_SERVER_URL"), environ.get("COALMINE_TOKEN")
    found = find_endpoint(home_of(None, environ), "store", url=url, token=token)
    # A token is only for the server it was given with, or one that proves to be that of the home.
    return found or Endpoint(DEFAULT_SERVER_URL, None)


def connection_of_process() -> Endpoint:
    """Returns the server that this process's environment names, with the process's own token."""
    return find_connection(os.environ)


def key_of_link(environ: Mapping[str, str]) -> str:
    """Returns what the link has that signs a viewer in.

    The same whether or not the server answers by now: who started this process may have printed it already.
    """
    own = environ.get("COALMINE_TOKEN") or read_local_token(home_of(None, environ))
    return secrets.token_urlsafe() if own is None else viewer_key(own)
