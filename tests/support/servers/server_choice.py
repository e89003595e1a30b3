"""How a test gets a real server: one that is named, a container, or a Java program."""

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from tests.support.servers import maven_cache
from tests.support.servers.ports import accepts_connections

Kind = Literal["named", "container", "java"]


class ServerUnavailable(Exception):
    """No way to get the server here; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """Where a server comes from."""

    kind: Kind
    address: str | None = None
    """The value of the environment variable, when `kind` is "named"."""


def _docker_listens() -> bool:
    host = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    if host.scheme != "unix":
        return accepts_connections(host.hostname or "127.0.0.1", host.port or 2375)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(host.path)
        except OSError:
            return False
    return True


@lru_cache(maxsize=1)
def docker_problem() -> str | None:
    """Why containers cannot be started here, or None when Docker's daemon answers."""
    try:
        import docker  # noqa: PLC0415 - costs 0.3 s and is only wanted when no server is named
    except ImportError as error:
        return f"no Docker client for Python ({error})"
    # Asked by hand first: when nobody answers, the Docker client leaves a socket open, which warns.
    if not _docker_listens():
        return "Docker's daemon does not answer"
    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException as error:
        return f"Docker's daemon does not answer ({type(error).__name__})"
    try:
        client.ping()
    except docker.errors.DockerException as error:
        return f"Docker's daemon does not answer ({type(error).__name__})"
    finally:
        client.close()
    return None


def choose_server(variable: str, *, allow_named: bool = True) -> ServerChoice:
    """Pick the way to get a server.

    Args:
        variable: The environment variable that may name a running one.
        allow_named: False for tests that stop or kill the server: never somebody's running one.

    Raises:
        ServerUnavailable: Nothing works here.
    """
    address = os.environ.get(variable)
    if address and allow_named:
        return ServerChoice("named", address)
    no_docker = docker_problem()
    if no_docker is None:
        return ServerChoice("container")
    no_java = maven_cache.missing_tools()
    if no_java is None:
        return ServerChoice("java")
    raise ServerUnavailable(f"{variable} is not set; {no_docker}; {no_java}")
