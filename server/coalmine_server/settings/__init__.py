"""Typed settings from `coalmine.toml`, `COALMINE_*` and the command line, with the origin of each value."""

from coalmine_server.settings.keys import SETTING_KEYS, SettingKey
from coalmine_server.settings.load import (
    LoadedSettings,
    Origin,
    SettingRow,
    check_prices,
    load_settings,
    setting_rows,
)
from coalmine_server.settings.model import Settings
from coalmine_server.settings.sections import (
    AlertsSettings,
    DashboardSettings,
    EvalsSettings,
    EventsSettings,
    IngestSettings,
    KafkaSettings,
    LogSettings,
    RegistrySettings,
    RetentionSettings,
    RolloutSettings,
    SchemaSettings,
    Section,
    ServerSettings,
    SpoolSettings,
    StoreSection,
)

__all__ = [
    "SETTING_KEYS",
    "AlertsSettings",
    "DashboardSettings",
    "EvalsSettings",
    "EventsSettings",
    "IngestSettings",
    "KafkaSettings",
    "LoadedSettings",
    "LogSettings",
    "Origin",
    "RegistrySettings",
    "RetentionSettings",
    "RolloutSettings",
    "SchemaSettings",
    "Section",
    "ServerSettings",
    "SettingKey",
    "SettingRow",
    "Settings",
    "SpoolSettings",
    "StoreSection",
    "check_prices",
    "load_settings",
    "setting_rows",
]
