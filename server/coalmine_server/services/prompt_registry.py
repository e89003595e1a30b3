"""Opens the prompt registry, and imports tokens from the file that older versions of Coalmine kept."""

import structlog

from coalmine_registry.errors import Invalid
from coalmine_registry.registry import Registry
from coalmine_server.errors import ConfigurationError
from coalmine_server.settings import Settings

OLD_TOKENS_FILE = "tokens.json"

_log = structlog.stdlib.get_logger("coalmine.registry")


def open_registry(settings: Settings) -> Registry:
    """Opens the registry in the database that the settings name, else in a file in the home directory.

    Raises:
        ConfigurationError: The old file of tokens is damaged.
        DatabaseMisconfigured: The settings name no usable database URL.
        DatabaseTooNew: A newer version of Coalmine migrated the database.
        DatabaseUnavailable: The database does not respond.
    """
    url = settings.registry.url
    settings.home.mkdir(parents=True, exist_ok=True)
    path = settings.registry_file
    if url is None:
        path.touch(mode=0o600)
    registry = Registry.open(path if url is None else url.get_secret_value())
    try:
        _import_tokens(settings, registry)
    except BaseException:
        registry.close()
        raise
    return registry


def _import_tokens(settings: Settings, registry: Registry) -> None:
    path = settings.home / OLD_TOKENS_FILE
    if not path.exists():
        return
    try:
        imported = registry.tokens.import_file(path)
    except Invalid as error:
        raise ConfigurationError(
            f"{path} is damaged", "delete it and create the tokens again with `coalmine token create`"
        ) from error
    # Kept, in case an older version of Coalmine is installed again. Nothing reads it under this name.
    path.replace(path.with_name(f"{OLD_TOKENS_FILE}.taken-over"))
    _log.info("imported tokens into the registry, as admins", tokens=imported)
