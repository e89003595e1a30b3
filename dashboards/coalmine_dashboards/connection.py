"""The server that the pages ask, from the environment and the home directory."""

from collections.abc import Mapping

from coalmine_schemas.discovery import Endpoint, find_endpoint, home_of

__all__ = ["DEFAULT_SERVER_URL", "find_connection"]

DEFAULT_SERVER_URL = "http://127.0.0.1:8321"


def find_connection(environ: Mapping[str, str]) -> Endpoint:
    """Returns the server to ask now; a server that starts later is found by asking again.

    Args:
        environ: COALMINE_SERVER_URL, COALMINE_TOKEN and COALMINE_HOME are read.
    """
    url, token = environ.get("COALMINE_SERVER_URL"), environ.get("COALMINE_TOKEN")
    found = find_endpoint(home_of(None, environ), "store", url=url, token=token)
    return found or Endpoint(DEFAULT_SERVER_URL, token or None)
