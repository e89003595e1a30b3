"""PromptLayer: prompt templates as its API answers them, one object per version.

References:
    https://docs.promptlayer.com/reference/templates-get-raw (now: `prompt_template.type`, lists of content)
    https://docs.promptlayer.com/reference/get-prompt-template (before: LangChain's form, `messages[].prompt`)
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from coalmine_registry.prompt_imports.export_file import read_objects
from coalmine_registry.prompt_imports.imported import Exported, texts_of, words
from coalmine_registry.prompt_imports.templates import Language
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of

_SNIPPET: Final = "@@@"
_LANGUAGES: Final[Mapping[object, Language]] = {None: "f-string", "f-string": "f-string", "jinja2": "jinja2"}
_TOOLS: Final = ("functions", "function_call", "tools", "tool_choice")


def read_promptlayer(path: Path) -> Iterator[Exported]:
    """Each version of each prompt.

    Raises:
        InvalidParameter: The export cannot be read.
    """
    for place, found in read_objects(path):
        name, version = found.get("prompt_name") or found.get("name"), found.get("version", 1)
        if not isinstance(name, str):
            yield Exported(place, "", version, problem="it has no prompt_name")
            continue
        where = f"{name}, version {version}"
        try:
            yield _version(where, name, version, found)
        except InvalidPrompt as error:
            yield Exported(where, name, version, problem=str(error))


def _version(where: str, name: str, version: object, found: Mapping[str, Any]) -> Exported:
    template = found.get("prompt_template")
    if not isinstance(template, Mapping):
        raise InvalidPrompt("prompt_template", template, "an object, as the API answers it")
    metadata = found.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, Mapping) else {}
    model = metadata.pop("model", None)
    model = model if isinstance(model, Mapping) else {}
    text, messages, language = _templates(template)
    model_name = model.get("name")
    parameters = model.get("parameters")
    return Exported(
        where,
        name,
        version,
        text,
        messages,
        language=language,
        model=model_name if isinstance(model_name, str) and model_name else None,
        parameters=parameters if isinstance(parameters, Mapping) else {},
        about={
            "labels": words(found.get("labels") or found.get("release_labels")),
            "tags": words(found.get("tags")),
            "commit_message": found.get("commit_message"),
            "provider": model.get("provider"),
            "metadata": metadata,
            **{key: template[key] for key in _TOOLS if template.get(key)},
        },
    )


def _templates(template: Mapping[str, Any]) -> tuple[str | None, list[tuple[str, str]], Language]:
    kind = template.get("type", "chat" if "messages" in template else "completion")
    if kind == "completion":
        text = texts_of(template.get("content"), "prompt_template.content")
        _no_snippet(text, "prompt_template.content")
        return text, [], _language(template, "prompt_template")
    messages = []
    languages = set()
    for at, each in enumerate(list_of(template.get("messages") or (), "prompt_template.messages")):
        where = f"messages[{at}]"
        if not isinstance(each, Mapping):
            raise InvalidPrompt(where, each, "a message")
        if each.get("role") == "placeholder":
            remedy = "let the service put its messages there, and take the placeholder out"
            raise InvalidPrompt(where, f"placeholder {each.get('name') or ''}".strip(), remedy)
        old = each.get("prompt")
        source = old if isinstance(old, Mapping) else each
        text = texts_of(source.get("template") if source is old else source.get("content"), where)
        _no_snippet(text, where)
        messages.append((str(each.get("role")), text))
        languages.add(_language(source, where))
    if len(languages) != 1:
        raise InvalidPrompt(
            "prompt_template.messages", sorted(languages) or "empty", "messages of one format"
        )
    return None, messages, languages.pop()


def _language(found: Mapping[str, Any], where: str) -> Language:
    given = found.get("template_format")
    if not (given is None or isinstance(given, str)) or given not in _LANGUAGES:
        raise InvalidPrompt(f"{where}.template_format", given, "f-string or jinja2")
    return _LANGUAGES[given]


def _no_snippet(text: str, where: str) -> None:
    if _SNIPPET in text:
        raise InvalidPrompt(
            where, text, "export with resolve_snippets=true: snippets are texts of other prompts"
        )
