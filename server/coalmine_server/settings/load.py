"""Loads `Settings` from the command line, the environment and a file, with the origin of each value.

The command line takes precedence over the environment, that over the file, and that over the defaults.
Rows for `coalmine settings show` have secrets masked.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr, ValidationError

from coalmine_schemas.discovery import expanded, home_of, is_of_platform
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.safe_text import MASK, masked
from coalmine_server.errors import ConfigurationError, UnknownSetting
from coalmine_server.settings.keys import (
    CONFIG_VARIABLE,
    SETTING_KEYS,
    SettingKey,
    unknown_key,
    unknown_variable,
)
from coalmine_server.settings.model import Settings

FILE_NAME = "coalmine.toml"

_SHOWN_CHARS = 80
"""Of a value that is refused."""

OriginKind = Literal["command line", "environment", "file", "default"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting came from."""

    kind: OriginKind
    detail: str | None = None
    """The variable or the file."""

    def __str__(self) -> str:
        return self.kind if self.detail is None else f"{self.kind} ({self.detail})"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with their origins."""

    settings: Settings
    origins: Mapping[str, Origin]
    """By dotted name; every setting has one."""
    file: Path | None
    """The file that was read, if there was one."""
    ignored: tuple[str, ...] = ()
    """`COALMINE_*` variables that Kubernetes has set, for a service of that name."""


def load_settings(
    overrides: Mapping[str, object] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> LoadedSettings:
    """Merges all sources of settings.

    Args:
        overrides: Values from the command line, by dotted name; None means not given.
        config: The file to read. By default `$COALMINE_CONFIG`, else `coalmine.toml` in `directory`, else the
            one in the home directory of Coalmine.
        environ: Environment variables; those of the process by default.
        directory: Where to look for `coalmine.toml`; the working directory by default.

    Raises:
        UnknownSetting: A key or a `COALMINE_*` variable is unknown.
        ConfigurationError: A value is invalid, or a file is missing or not valid TOML.
    """
    everything = os.environ if environ is None else environ
    ignored = tuple(sorted(name for name, value in everything.items() if is_of_platform(name, value)))
    environ = {name: value for name, value in everything.items() if name not in ignored}
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    _refuse_unknown(given, environ)
    file = _settings_file(given, config, environ, directory or Path.cwd())
    document = {} if file is None else _read_toml(file)
    if (found := unknown_key(document)) is not None:
        raise UnknownSetting(found[0], str(file), found[1])

    environment = _of_environment(environ)
    merged: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for key in SETTING_KEYS:
        value, origin = _first_of(key, given, environment, document, file)
        origins[key.name] = origin
        if origin.kind != "default":
            _set(merged, key.path, value)
    _keep_secrets_from(file, origins, given, config, environ)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise _readable(error, origins) from None
    return LoadedSettings(settings, origins, file, ignored)


def check_prices(settings: Settings) -> None:
    """Reads the file of own prices, if there is one.

    Raises:
        ConfigurationError: It is not valid; names file, line and remedy.
    """
    if settings.pricing_file is not None:
        from coalmine_schemas.own_prices import read_own_prices  # noqa: PLC0415 - most homes have no file

        try:
            read_own_prices(settings.pricing_file)
        except InvalidParameter as error:
            raise ConfigurationError(str(error)) from error


def _refuse_unknown(given: Mapping[str, object], environ: Mapping[str, str]) -> None:
    known = [key.name for key in SETTING_KEYS]
    for name in given:
        if name not in known:
            raise UnknownSetting(name, "the command line", nearest(name, known))
    if (found := unknown_variable(environ)) is not None:
        raise UnknownSetting(found[0], "the environment", found[1])


def _settings_file(
    given: Mapping[str, object], config: Path | None, environ: Mapping[str, str], directory: Path
) -> Path | None:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        named = expanded(named)
        if not named.is_file():
            is_what = "is not a file" if named.exists() else "does not exist"
            raise ConfigurationError(f"settings file {named} {is_what}")
        return named
    home = home_of(str(given.get("home") or ""), environ)
    for candidate in (directory / FILE_NAME, home / FILE_NAME):
        if candidate.is_file():
            return candidate
    return None


def _keep_secrets_from(
    file: Path | None,
    origins: Mapping[str, Origin],
    given: Mapping[str, object],
    config: Path | None,
    environ: Mapping[str, str],
) -> None:
    """Refuses that a file which merely lies in the working directory says where a secret of the user goes.

    It may have come with a checkout. The user's own file, in the home or named, may say so.
    """
    home = home_of(str(given.get("home") or ""), environ)
    if file is None or config is not None or environ.get(CONFIG_VARIABLE) or file.parent == home:
        return
    from_file = [name for name, origin in origins.items() if origin.kind == "file" and _is_address(name)]
    for secret in (key.name for key in SETTING_KEYS if key.secret):
        if origins[secret].kind not in ("environment", "command line"):
            continue
        section = secret.rpartition(".")[0]
        addresses = () if section else ("server.url", "home")
        for name in from_file:
            if name in addresses or (section and name != secret and name.startswith(f"{section}.")):
                variable = next(key.variable for key in SETTING_KEYS if key.name == name)
                raise ConfigurationError(
                    f"{file} says where {secret} from the {origins[secret].kind} is sent ({name}); it may "
                    "have come with what else is in this directory",
                    f"set {variable}, or name the file with --config or {CONFIG_VARIABLE}",
                )


def _is_address(name: str) -> bool:
    if name.startswith("alerts."):  # tokens go to Slack and PagerDuty; the file says what else they go to
        return name == "alerts.file"
    return name == "home" or name.endswith(("url", "servers", "protocol", "mechanism", "location"))


def _read_toml(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most commands find no file

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error


def _of_environment(environ: Mapping[str, str]) -> dict[str, object]:
    """Values by dotted name; case does not matter, and an empty variable counts as unset."""
    texts = {name.upper(): text for name, text in environ.items() if text}
    found: dict[str, object] = {}
    for key in SETTING_KEYS:
        text = texts.get(key.variable)
        if text is not None:
            found[key.name] = _from_json(key, text) if key.is_json else text
    return found


def _from_json(key: SettingKey, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        shown = "a secret" if key.secret else repr(masked(text[:_SHOWN_CHARS]))
        sample = '{"key": "value"}' if key.is_table else '["first", "second"]'
        raise ConfigurationError(
            f"{key.variable} is not valid JSON: {error}; it is {shown}",
            f"write it like {sample}, in quotes of the shell, or set {key.name} in {FILE_NAME}",
        ) from error


def _first_of(
    key: SettingKey,
    given: Mapping[str, object],
    environment: Mapping[str, object],
    document: Mapping[str, Any],
    file: Path | None,
) -> tuple[object, Origin]:
    if key.name in given:
        return given[key.name], Origin("command line")
    if (value := environment.get(key.name)) is not None:
        return value, Origin("environment", key.variable)
    value = _get(document, key.path)
    if value is not None and not (value == "" and key.is_optional):
        return value, Origin("file", str(file))
    return None, Origin("default")


def _get(tree: Mapping[str, Any], path: tuple[str, ...]) -> object:
    node: object = tree
    for name in path:
        if not isinstance(node, Mapping):
            raise ConfigurationError(f"{path[0]} must be a table: write [{path[0]}] and its keys below")
        node = node.get(name)
        if node is None:
            return None
    return node


def _set(tree: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def _readable(error: ValidationError, origins: Mapping[str, Origin]) -> ConfigurationError:
    """One line per invalid value: name, origin and what is expected; never the value, it may be a secret."""
    lines = []
    for detail in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in detail["loc"])
        # What is within a setting, or one of its types, has the origin of the setting.
        found = (origin for key, origin in origins.items() if f"{name}.".startswith(f"{key}."))
        origin = next(found, Origin("default"))
        lines.append(f"{name}, from {origin}: {detail['msg']}")
    return ConfigurationError("invalid settings:\n  " + "\n  ".join(lines))


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting, as shown to people."""

    name: str
    value: str | int | float | bool | None
    """The value in effect; a mask if it is a secret."""
    origin: str
    variable: str
    description: str


def setting_rows(loaded: LoadedSettings) -> list[SettingRow]:
    """Returns every setting with its effective value and its origin."""
    return [
        SettingRow(
            key.name, _shown(loaded, key), str(loaded.origins[key.name]), key.variable, key.description
        )
        for key in SETTING_KEYS
    ]


def _shown(loaded: LoadedSettings, key: SettingKey) -> str | int | float | bool | None:
    value: object = loaded.settings
    for name in key.path:
        assert isinstance(value, BaseModel)
        value = getattr(value, "schema_" if name == "schema" else name)
    if value is None or isinstance(value, int | float):
        return value
    return MASK if isinstance(value, SecretStr) else masked(str(value))
