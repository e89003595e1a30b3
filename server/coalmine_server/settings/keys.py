"""Names of settings: dotted as in `coalmine.toml`, and upper case as in the environment."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from coalmine_schemas.client_variables import CLIENT_VARIABLES
from coalmine_schemas.errors import nearest
from coalmine_server.settings.model import ENV_PREFIX, Settings
from coalmine_server.settings.sections import Section

CONFIG_VARIABLE = "COALMINE_CONFIG"
"""Path of the settings file; the only variable that is not a setting."""

TEST_PREFIX = "COALMINE_TEST_"
"""Prefix of variables of the test suite, such as the broker to use; these are ignored."""


@dataclass(frozen=True, slots=True)
class SettingKey:
    """One setting."""

    name: str
    """Dotted, `kafka.bootstrap_servers`."""
    variable: str
    """`COALMINE_KAFKA_BOOTSTRAP_SERVERS`."""
    secret: bool
    is_json: bool
    """True for lists and tables, which the environment has as JSON."""
    is_table: bool
    """True for tables alone."""
    is_optional: bool
    """True if it may be unset, which empty text is: an empty path would be the working directory."""
    section: type[BaseModel]
    """The model with its field."""
    field: str

    @property
    def description(self) -> str:
        """What its field's docstring says."""
        return _docstrings(self.section.__module__).get((self.section.__name__, self.field), "")

    @property
    def path(self) -> tuple[str, ...]:
        """The tables and the key in `coalmine.toml`."""
        return tuple(self.name.split("."))


@cache
def _docstrings(module: str) -> Mapping[tuple[str, str], str]:
    """Docstrings of fields, by the names of class and field.

    Read when somebody wants them: pydantic, which could keep them, would read the source in every command.
    """
    return {
        (model.name, field.target.id): inspect.cleandoc(said)
        for model in ast.parse(inspect.getsource(sys.modules[module])).body
        if isinstance(model, ast.ClassDef)
        for field, after in pairwise(model.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(said := after.value.value, str)
    }


def _key(path: tuple[str, ...], section: type[BaseModel], field: str, info: FieldInfo) -> SettingKey:
    annotation = info.annotation
    return SettingKey(
        name=".".join(path),
        variable=ENV_PREFIX + "_".join(path).upper(),
        secret="SecretStr" in str(annotation) or annotation is SecretStr,
        is_json=get_origin(annotation) in (dict, list, tuple),
        is_table=get_origin(annotation) is dict,
        is_optional=info.default is None or annotation is Path,
        section=section,
        field=field,
    )


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[SettingKey]:
    for field, info in model.model_fields.items():
        name = info.alias or field
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from _walk(info.annotation, (*path, name))
        else:
            yield _key((*path, name), model, field, info)


SETTING_KEYS: tuple[SettingKey, ...] = tuple(_walk(Settings, ()))
"""Every setting, in the order of the file."""


def unknown_variable(environ: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Returns the first unknown `COALMINE_*` variable, with the nearest known one.

    Those of the client are known: a shell may hold the settings of a service and run commands.
    """
    known = [*(key.variable for key in SETTING_KEYS), CONFIG_VARIABLE, *CLIENT_VARIABLES]
    for variable in sorted(environ):
        upper = variable.upper()
        if upper.startswith(ENV_PREFIX) and not upper.startswith(TEST_PREFIX) and upper not in known:
            return variable, nearest(upper, known)
    return None


def unknown_key(document: Mapping[str, object]) -> tuple[str, str | None] | None:
    """Returns the first unknown key of a settings file, dotted, with the nearest known one."""
    known = [key.name for key in SETTING_KEYS]
    tables = {key.path[0] for key in SETTING_KEYS if len(key.path) > 1}
    for name, value in document.items():
        if name in tables and isinstance(value, Mapping):
            for inner in value:
                dotted = f"{name}.{inner}"
                if dotted not in known:
                    return dotted, nearest(dotted, known)
        elif name not in known and name not in tables:
            return name, nearest(name, [*known, *tables])
    return None
