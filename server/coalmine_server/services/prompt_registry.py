"""Opens the prompt registry that the settings name, and takes over tokens from before it kept them."""

import structlog

from coalmine_registry.errors import Invalid
from coalmine_registry.registry import Registry
from coalmine_server.errors import ConfigurationError
from coalmine_server.settings import Settings

OLD_TOKENS_FILE = "tokens.json"

_log = structlog.stdlib.get_logger("coalmine.registry")


def open_registry(settings: Settings) -> Registry:
    """The registry: in the database that the settings name, else in a file of the home.

    Raises:
        ConfigurationError: The old file of tokens is damaged.
        DatabaseMisconfigured: The address of the database is none.
        DatabaseTooNew: A newer Coalmine has migrated it.
        DatabaseUnavailable: It does not answer.
    """
    url = settings.registry.url
    settings.home.mkdir(parents=True, exist_ok=True)
    path = settings.registry_file
    if url is None:
        path.touch(mode=0o600)
    registry = Registry.open(path if url is None else url.get_secret_value())
    try:
        _take_over_tokens(settings, registry)
    except BaseException:
        registry.close()
        raise
    return registry


def _take_over_tokens(settings: Settings, registry: Registry) -> None:
    path = settings.home / OLD_TOKENS_FILE
    if not path.exists():
        return
    try:
        taken = registry.tokens.import_file(path)
    except Invalid as error:
        raise ConfigurationError(
            f"{path} is damaged", "delete it and make the tokens anew with `coalmine token create`"
        ) from error
    # Not deleted: an older Coalmine may have to be put back. Kept under this name nothing reads it.
    path.replace(path.with_name(f"{OLD_TOKENS_FILE}.taken-over"))
    _log.info("tokens taken over by the registry, as admins", tokens=taken)
