"""Effective settings as rows, for `coalmine settings show`. Secrets are masked."""

from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from coalmine_schemas.safe_text import MASK, masked
from coalmine_server.settings.keys import SETTING_KEYS, SettingKey
from coalmine_server.settings.load import LoadedSettings


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
