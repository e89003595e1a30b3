"""Finds who can answer a command.

A server named by the settings is asked. Else, while nobody holds the store, the command opens it itself and
first ingests what the spool holds. Else the server that holds it is asked, with the credentials of the home.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog
from coalmine_consumers.errors import StoreLocked
from coalmine_consumers.store import Store
from coalmine_schemas.discovery import find_endpoint, find_server

from coalmine_server.errors import Unavailable
from coalmine_server.services.catch_up import CatchUpProgress, catch_up
from coalmine_server.services.experiment_plans import RegistryWhenAsked
from coalmine_server.services.http_client import ServerClient
from coalmine_server.services.local import LocalAnswers
from coalmine_server.services.questions import Answers
from coalmine_server.services.remote import RemoteAnswers
from coalmine_server.services.wiring import store_settings
from coalmine_server.settings import Settings
from coalmine_server.workers.readouts import make_readouts

PATIENCE_S = 10.0
"""How long to wait for a store that another command holds, or for a server that is starting."""

RETRY_S = 0.1

_log = structlog.stdlib.get_logger("coalmine.command")


@contextmanager
def open_answers(settings: Settings, *, progress: CatchUpProgress | None = None) -> Iterator[Answers]:
    """Who answers, for the length of a block.

    Args:
        settings: All of them.
        progress: Told how far ingesting the spool has come, if the command does it itself.

    Raises:
        Unavailable: Another process holds the store and does not answer.
        Unreachable: The server that the settings name does not answer.
    """
    if settings.server.url is not None:
        with _remote(settings, settings.server.url) as answers:
            yield answers
        return
    holder = _open_or_find(settings)
    if isinstance(holder, str):
        with _remote(settings, holder) as answers:
            yield answers
        return
    try:
        catch_up(holder, settings, progress)
        readouts = make_readouts(holder, settings.readout, RegistryWhenAsked(settings))
        yield LocalAnswers(holder, settings, datetime.now(UTC), readouts=readouts)
    finally:
        holder.close()


@contextmanager
def own_store(settings: Settings, *, purpose: str) -> Iterator[Store]:
    """The store itself, for what only its owner can do.

    Raises:
        Unavailable: Another process holds it.
    """
    try:
        store = Store.open(settings.store_dir, store_settings(settings.store))
    except StoreLocked as locked:
        raise Unavailable(str(locked), f"stop it first: {purpose} needs the store for itself") from locked
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _remote(settings: Settings, url: str) -> Iterator[Answers]:
    client = server_client(settings, url)
    try:
        yield RemoteAnswers(client)
    finally:
        client.close()


def server_client(settings: Settings, url: str) -> ServerClient:
    """A client of the server at a URL, with the token that may be sent there."""
    token = None if settings.token is None else settings.token.get_secret_value()
    endpoint = find_endpoint(settings.home, "store", url=url, token=token)
    return ServerClient(url, None if endpoint is None else endpoint.token, patience_s=PATIENCE_S)


def _open_or_find(settings: Settings) -> Store | str:
    """The store, or the URL of the server that holds it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Store.open(settings.store_dir, store_settings(settings.store))
        except StoreLocked as locked:
            running = find_server(settings.home, "store")
            if running is not None and (locked.pid is None or running.pid == locked.pid):
                return running.url
            if time.monotonic() > deadline:
                raise Unavailable(
                    str(locked),
                    "it is no server one could ask: wait until it ends, or stop it",
                ) from locked
            time.sleep(RETRY_S)
