"""MLflow: prompts of its registry, from the SQLite database or the folder of files that it keeps.

A prompt is a registered model with the tag `mlflow.prompt.is_prompt`, its versions are model versions, and
the template is a tag of the version. Aliases are our labels.

References:
    mlflow/prompt/constants.py (names of tags), mlflow/store/model_registry/dbmodels/models.py (tables) and
    mlflow/store/model_registry/file_store.py (folders), https://github.com/mlflow/mlflow
    https://mlflow.org/docs/latest/genai/prompt-registry/
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from coalmine_registry.prompt_imports.export_file import read_text
from coalmine_registry.prompt_imports.imported import Exported, texts_of
from coalmine_registry.prompt_imports.templates import Language
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts.errors import InvalidPrompt

_IS_PROMPT: Final = "mlflow.prompt.is_prompt"
_TEXT: Final = "mlflow.prompt.text"
_TYPE: Final = "_mlflow_prompt_type"
_RESPONSE_FORMAT: Final = "_mlflow_prompt_response_format"
_MODEL_CONFIG: Final = "_mlflow_prompt_model_config"
_OURS: Final = frozenset({_IS_PROMPT, _TEXT, _TYPE, _RESPONSE_FORMAT, _MODEL_CONFIG})
_VERSIONS: Final = """
SELECT name, version, description FROM model_versions
WHERE coalesce(current_stage, '') <> 'Deleted_Internal'
  AND name IN (SELECT name FROM registered_model_tags WHERE key = ? AND lower(value) = 'true')
ORDER BY name, version
"""
_TAGS: Final = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?"
_ALIASES: Final = "SELECT alias FROM registered_model_aliases WHERE name = ? AND version = ? ORDER BY alias"


def read_mlflow(path: Path) -> Iterator[Exported]:
    """Each version of each prompt.

    Args:
        path: The database (`mlflow.db`), or the folder (`mlruns`).

    Raises:
        InvalidParameter: It is neither, or cannot be read.
    """
    if path.is_dir():
        yield from _from_folder(path)
    elif path.is_file():
        yield from _from_database(path)
    else:
        raise InvalidParameter(f"{path}: does not exist; name MLflow's database or its mlruns folder")


def _from_database(path: Path) -> Iterator[Exported]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            for name, version, description in database.execute(_VERSIONS, (_IS_PROMPT,)).fetchall():
                # SQLite keeps values of any type in any column.
                tags = database.execute(_TAGS, (name, version))
                texts = {str(key): value for key, value in tags if isinstance(value, str)}
                aliases = [str(alias) for (alias,) in database.execute(_ALIASES, (name, version))]
                yield _version(str(name), version, texts, aliases, description)
    except sqlite3.Error as error:
        raise InvalidParameter(f"{path}: is not a database of MLflow's ({error})") from None


def _from_folder(path: Path) -> Iterator[Exported]:
    models = path / "models" if (path / "models").is_dir() else path
    for folder in sorted(each for each in models.iterdir() if each.is_dir()):
        if _tags(folder).get(_IS_PROMPT, "").lower() != "true":
            continue
        aliases = _files(folder / "aliases")
        versions = sorted(
            int(each.name[8:]) for each in folder.glob("version-*") if each.name[8:].isdecimal()
        )
        for version in versions:
            tags = _tags(folder / f"version-{version}")
            labels = sorted(alias for alias, of in aliases.items() if of.strip() == str(version))
            yield _version(folder.name, version, tags, labels, None)


def _tags(folder: Path) -> dict[str, str]:
    return _files(folder / "tags")


def _files(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    return {each.name: read_text(each) for each in sorted(folder.iterdir()) if each.is_file()}


def _version(
    name: str, version: object, tags: Mapping[str, str], aliases: list[str], description: str | None
) -> Exported:
    where = f"{name}, version {version}"
    try:
        text, messages, language = _templates(tags)
        config = _json_of(tags, _MODEL_CONFIG)
        schema = _json_of(tags, _RESPONSE_FORMAT)
    except InvalidPrompt as error:
        return Exported(where, name, version, problem=str(error))
    config = dict(config) if isinstance(config, Mapping) else {}
    model = config.pop("model_name", None)
    provider = config.pop("provider", None)
    extra = config.pop("extra_params", None)
    parameters = {**config, **(extra if isinstance(extra, Mapping) else {})}
    return Exported(
        where,
        name,
        version,
        text,
        messages,
        language=language,
        model=model if isinstance(model, str) and model else None,
        parameters={key: each for key, each in parameters.items() if each is not None},
        output_schema=schema if isinstance(schema, Mapping) else None,
        about={
            "labels": aliases,
            "tags": {key: each for key, each in tags.items() if key not in _OURS},
            "commit_message": description,
            "provider": provider,
        },
    )


def _templates(tags: Mapping[str, str]) -> tuple[str | None, list[tuple[str, str]], Language]:
    text = tags.get(_TEXT)
    if text is None:
        raise InvalidPrompt(f"tag {_TEXT}", None, "the template, as MLflow 2.21 and later keep it")
    kind = tags.get(_TYPE, "text")
    if kind != "chat":
        return text, [], "jinja2" if kind == "jinja2" else "mustache"
    found = _json_of(tags, _TEXT)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise InvalidPrompt(f"tag {_TEXT}", found, "a list of messages")
    messages = [
        (str(each.get("role")), texts_of(each.get("content"), f"messages[{at}].content"))
        for at, each in enumerate(found)
    ]
    return None, messages, "mustache"


def _json_of(tags: Mapping[str, str], key: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not tags.get(key):
        return None
    try:
        return json.loads(tags[key])
    except (ValueError, RecursionError):
        raise InvalidPrompt(f"tag {key}", tags[key], "JSON") from None
