"""Opens the prompt registry that the settings name, and keeps the local token of the home."""

import fcntl
import hashlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from coalmine_registry.errors import DatabaseUnavailable, Invalid
from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_registry.tokens import Tokens
from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.discovery import CREDENTIALS_FILE, own_home, read_local_token
from coalmine_schemas.errors import Transient
from coalmine_schemas.retry import RetryPolicy, retry
from coalmine_server.errors import ConfigurationError
from coalmine_server.settings import Settings
from coalmine_server.settings.readout import ReadoutSettings

T = TypeVar("T")

OLD_TOKENS_FILE = "tokens.json"

_log = logging.getLogger("coalmine.registry")


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


def when_open(action: Callable[[], T], stop: threading.Event | None) -> T:
    """What opens the registry, once its database answers; until then it is tried again, and said.

    Raises:
        Stopped: `stop` was set while it waited.
    """

    def wait(error: Transient, pause_s: float) -> None:
        _log.warning("cannot start yet", extra={"reason": str(error), "again_in_s": round(pause_s, 1)})

    return retry(action, RetryPolicy(), stop or threading.Event(), wait)


def open_registry(
    settings: Settings, *, clock: Callable[[], datetime] = utc_now, reads_only: bool = False
) -> Registry:
    """The registry: in the database that the settings name, else in a file of the home.

    Args:
        settings: All of them.
        clock: Returns the current time, with a time zone.
        reads_only: True: neither makes nor migrates anything, and takes no old tokens over.

    Raises:
        ConfigurationError: The old file of tokens is damaged.
        DatabaseMisconfigured: Not a usable database URL.
        DatabaseTooNew: A newer Coalmine has migrated it.
        DatabaseUnavailable: It does not answer, or has no tables yet and is only to be read.
    """
    url = settings.registry.url
    own_home(settings.home)
    path = settings.registry_file
    if url is None and reads_only and not path.exists():
        raise DatabaseUnavailable(f"no registry in {settings.home} yet: `coalmine serve` makes it")
    if url is None:
        path.touch(mode=0o600)
    registry = Registry.open(
        path if url is None else url.get_secret_value(),
        clock=clock,
        check_plan=partial(_check_plan, settings=settings.readout),
        check_metadata=_check_metadata,
        migrates=not reads_only,
    )
    if reads_only:
        return registry
    try:
        _take_over_tokens(settings, registry)
    except BaseException:
        registry.close()
        raise
    return registry


def _check_plan(plan: ExperimentPlan, settings: ReadoutSettings) -> None:
    from coalmine_server.services.plan_metrics import check_metrics  # noqa: PLC0415 - numpy

    check_metrics(plan, settings)


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    from coalmine_rollouts.plan import plan_of_metadata  # noqa: PLC0415 - its YAML

    plan_of_metadata(metadata)


def _take_over_tokens(settings: Settings, registry: Registry) -> None:
    path = settings.home / OLD_TOKENS_FILE
    if not path.exists():
        return
    try:
        taken = registry.tokens.import_file(path)
    except Invalid as error:
        raise ConfigurationError(
            f"{path} is damaged", "delete it and create the tokens again with `coalmine token create`"
        ) from error
    # Kept, in case an older version of Coalmine is installed again. Nothing reads it under this name.
    path.replace(path.with_name(f"{OLD_TOKENS_FILE}.taken-over"))
    _log.info("imported tokens into the registry, as admins", extra={"tokens": taken})


LOCAL_TOKEN_NAME = "local"  # noqa: S105 - the name of a token, not a token


def ensure_local_token(home: Path, tokens: Tokens, *, shared: bool = False) -> str:
    """Returns the local token; makes another if the file is missing or the token was revoked.

    Args:
        home: The home.
        tokens: Of the registry.
        shared: True if other homes use the registry: their local tokens stay, under names of their own.
    """
    name = LOCAL_TOKEN_NAME
    if shared:
        name += f"-{hashlib.sha256(f'{socket.gethostname()} {home}'.encode()).hexdigest()[:8]}"
    with _alone(home):
        token = read_local_token(home)
        if token is None or tokens.verify(token) is None:
            token = tokens.create(Actor.of_system(), name, Role.ADMIN, replace=True).token
            write_atomically(home / CREDENTIALS_FILE, token + "\n")
        (home / CREDENTIALS_FILE).chmod(0o600)
    return token


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Has servers that start in one home at the same time make one token, not two of which one is revoked."""
    with (home / f"{CREDENTIALS_FILE}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
