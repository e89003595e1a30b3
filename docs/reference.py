"""Writes the pages of the documentation that the code knows by itself: `make reference`.

docs/api.md lists the routes of the HTTP API, and docs/settings.md every setting.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from coalmine_schemas.discovery import DEFAULT_HOME
from coalmine_server.api.app import openapi_document
from coalmine_server.settings import SettingRow, load_settings, setting_rows

FOLDER: Final = Path(__file__).parent

_API: Final = """\
# HTTP API

Every route of the server, with the least role that may use it ([security](security.md) says what roles are),
and the parameters of its query; those in bold are needed. Bodies and answers, with the meaning of each field:
[openapi.json](openapi.json), which a running server serves at `/openapi.json`, too. A list's answer has
`items` and `next_cursor`, which the next request gives as `cursor`. An error is a problem document
(RFC 9457).
"""
_SETTINGS: Final = """\
# Settings

Read from `coalmine.toml` and from variables: `server.port` is `port` in the table `[server]`, or
`COALMINE_SERVER_PORT`. A name that nobody knows stops the start. `coalmine settings show` prints what
holds, and where each value comes from.

| setting | default | meaning |
|---|---|---|
"""


def api_page() -> str:
    """docs/api.md, from the description that the server gives of itself."""
    document = openapi_document()
    parts: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = (
                f"`{method.upper()} {path}`",
                operation.get("x-coalmine-role", "nobody"),
                _cell(operation.get("description") or operation["summary"]),
                ", ".join(
                    _parameter(each) for each in operation.get("parameters", ()) if each["in"] == "query"
                ),
            )
            parts.setdefault(operation["tags"][0], []).append(f"| {' | '.join(row)} |")
    text = _API
    for tag, rows in parts.items():
        text += (
            f"\n## {tag.capitalize()}\n\n| route | least role | what it does | query |\n|---|---|---|---|\n"
        )
        text += "\n".join(rows) + "\n"
    return text


def settings_page() -> str:
    """docs/settings.md, from the settings themselves."""
    with TemporaryDirectory() as empty:  # no settings file but the defaults
        defaults = load_settings({"home": empty}, environ={}, directory=Path(empty))
    rows = [f"| `{row.name}` | {_value(row)} | {_cell(row.description)} |" for row in setting_rows(defaults)]
    return _SETTINGS + "\n".join(rows) + "\n"


def _parameter(parameter: Mapping[str, Any]) -> str:
    return f"**`{parameter['name']}`**" if parameter.get("required") else f"`{parameter['name']}`"


def _value(row: SettingRow) -> str:
    value = DEFAULT_HOME if row.name == "home" else row.value
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    """A text within one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


PAGES: Final = {"api.md": api_page, "settings.md": settings_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
