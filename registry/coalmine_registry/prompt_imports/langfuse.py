"""Langfuse: the prompts that its API answers, one object per version.

`GET /api/public/v2/prompts/{name}?version=N` answers such an object; exporters write lists of them. The list
of prompts itself (`GET /api/public/v2/prompts`) has no templates.

References:
    https://langfuse.com/docs/prompt-management/data-model (the object)
    https://langfuse.com/docs/prompt-management/features/message-placeholders
    https://langfuse.com/docs/prompt-management/features/composability (`@@@langfusePrompt:...@@@`)
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from coalmine_registry.prompt_imports.export_file import read_objects
from coalmine_registry.prompt_imports.imported import Exported, split_config, texts_of, words
from coalmine_schemas.prompts.errors import InvalidPrompt

_REFERENCE: Final = re.compile(r"@@@langfusePrompt:.*?@@@")


def read_langfuse(path: Path) -> Iterator[Exported]:
    """Each version of each prompt.

    Raises:
        InvalidParameter: The export cannot be read.
    """
    for where, found in read_objects(path):
        yield _version(where, found)


def _version(where: str, found: Mapping[str, Any]) -> Exported:
    name, version = found.get("name"), found.get("version", 1)
    if not isinstance(name, str):
        return Exported(where, "", version, problem="it has no name")
    where = f"{name}, version {version}"
    config = found.get("config")
    model, parameters, rest = split_config(config if isinstance(config, Mapping) else {})
    about = {
        "labels": words(found.get("labels")),
        "tags": words(found.get("tags")),
        "commit_message": found.get("commitMessage") or found.get("commit_message"),
        "config": rest,
    }
    try:
        text, messages = _templates(found)
    except InvalidPrompt as error:
        return Exported(where, name, version, problem=str(error))
    return Exported(where, name, version, text, messages, model=model, parameters=parameters, about=about)


def _templates(found: Mapping[str, Any]) -> tuple[str | None, list[tuple[str, str]]]:
    prompt = found.get("prompt")
    if prompt is None:
        remedy = "export the versions themselves (GET /api/public/v2/prompts/NAME?version=N), not the list"
        raise InvalidPrompt("prompt", prompt, remedy)
    if isinstance(prompt, str):
        _no_reference(prompt, "prompt")
        return prompt, []
    if not isinstance(prompt, list):
        raise InvalidPrompt("prompt", prompt, "a text or a list of messages")
    messages = []
    for at, each in enumerate(prompt):
        where = f"prompt[{at}]"
        if not isinstance(each, Mapping):
            raise InvalidPrompt(where, each, "a message")
        if each.get("type") == "placeholder":
            remedy = "let the service put its messages there, and take the placeholder out"
            raise InvalidPrompt(where, f"placeholder {each.get('name')}", remedy)
        text = texts_of(each.get("content"), f"{where}.content")
        _no_reference(text, where)
        messages.append((str(each.get("role")), text))
    return None, messages


def _no_reference(text: str, where: str) -> None:
    found = _REFERENCE.search(text)
    if found is not None:
        remedy = (
            'a version is included by {% include "name@1.0.0" %}: import that prompt, and write this by hand'
        )
        raise InvalidPrompt(f"a reference in {where}", found[0], remedy)
