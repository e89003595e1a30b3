"""The one client of the HTTP API: over HTTP, or in this process where no server runs."""

from coalmine_server.client.connect import open_client, open_registry_client, open_tokens
from coalmine_server.client.http import Client, Parameters, read_as

__all__ = ["Client", "Parameters", "open_client", "open_registry_client", "open_tokens", "read_as"]
