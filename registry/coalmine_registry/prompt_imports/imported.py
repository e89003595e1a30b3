"""What an export says of one version of a prompt, in terms that all readers share."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from coalmine_registry.prompt_imports.templates import Language, translated
from coalmine_schemas.prompts.content import Message, PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.names import is_semantic
from coalmine_schemas.prompts.variables import Variable

_NO_NAME: Final = re.compile(r"[^a-z0-9._-]+")
_LONGEST_NAME: Final = 100
_PARAMETERS: Final = frozenset(
    {
        *("frequency_penalty", "logit_bias", "max_completion_tokens", "max_output_tokens", "max_tokens", "n"),
        *("presence_penalty", "reasoning_effort", "seed", "stop", "stop_sequences", "temperature", "top_k"),
        *("top_p", "verbosity"),
    }
)
"""What providers call parameters of a model; other configuration is a service's own."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One version of a prompt, as an export has it."""

    where: str
    """Its place in the export, for messages, e.g. `movie-critic, version 3`."""
    name: str
    version: object
    """A whole number, or a semantic version."""
    text: str | None = None
    """The template of a text prompt."""
    messages: Sequence[tuple[str, str]] = ()
    """Role and template of each message of a chat prompt."""
    language: Language = "mustache"
    """Language of the templates."""
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the model, as the tool keeps them."""
    output_schema: Mapping[str, Any] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    """What else is known: labels, tags, a commit message. Kept as `metadata.imported`."""
    problem: str | None = None
    """Why the version cannot be had here, where its reader knows."""


@dataclass(frozen=True, slots=True)
class Imported:
    """One version in our terms, or why it cannot be."""

    where: str
    prompt: str
    version: str
    content: PromptContent | None
    """None where `problem` says why."""
    problem: str | None = None
    notes: tuple[str, ...] = ()
    """What is not as it was, in sentences."""


def imported(tool: str, found: Exported) -> Imported:
    """Translates one version.

    A name becomes lower case, with `-` for what a name here cannot have and `.` for `/`; version 3 becomes
    3.0.0, so that the next may change whatever it likes. The old name stays in the metadata.

    Args:
        tool: Whose export it is; stands in the metadata.
        found: The version.
    """
    prompt = _name(found.name)
    notes = [f"called {prompt} here: {found.name!r} cannot be a name"] if prompt != found.name else []
    try:
        version = _version(found.version)
    except InvalidPrompt as error:
        return Imported(found.where, prompt, str(found.version), None, str(error), tuple(notes))
    if found.problem is not None:
        return Imported(found.where, prompt, version, None, found.problem, tuple(notes))
    texts = [found.text or "", *(text for _, text in found.messages)]
    if any("\r" in each for each in texts):
        notes.append("lines end with a line feed alone now")
    about = {"tool": tool, "name": found.name, "version": found.version, **found.about}
    try:
        content = _content(
            found, {key: each for key, each in about.items() if each not in (None, [], {}, "")}
        )
    except InvalidPrompt as error:
        line = f" (line {error.line})" if error.line else ""
        return Imported(found.where, prompt, version, None, f"{error}{line}", tuple(notes))
    if found.language == "jinja2" and content.variables:
        notes.append("types of variables are read off their use: check them")
    return Imported(found.where, prompt, version, content, None, tuple(notes))


def split_config(config: Mapping[str, Any]) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """Splits free configuration into the model, parameters that providers know, and the rest."""
    model = config.get("model")
    rest = {key: each for key, each in config.items() if key not in _PARAMETERS and key != "model"}
    parameters = {key: each for key, each in config.items() if key in _PARAMETERS}
    if not (isinstance(model, str) and model):
        return None, parameters, {**rest, **({"model": model} if model else {})}
    return model, parameters, rest


def version_of(number: object) -> str | None:
    """The semantic version for a number of a version; None if it is none."""
    if isinstance(number, bool) or not isinstance(number, int | str):
        return None
    text = str(number)
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return f"{int(text)}.0.0"
    return text if is_semantic(text) else None


def _version(number: object) -> str:
    found = version_of(number)
    if found is None:
        raise InvalidPrompt("version", number, "a whole number or MAJOR.MINOR.PATCH")
    return found


def _name(name: str) -> str:
    made = _NO_NAME.sub("-", name.strip().lower().replace("/", ".")).strip("-._")
    return made[:_LONGEST_NAME].rstrip("-._") or "prompt"


def _content(found: Exported, about: Mapping[str, Any]) -> PromptContent:
    variables: dict[str, Variable] = {}

    def template(text: str, where: str) -> str:
        made = translated(text.replace("\r\n", "\n").replace("\r", "\n"), found.language, where)
        _join(variables, made.variables, where)
        return made.template

    messages = tuple(
        Message(role, template(text, f"messages[{at}]")) for at, (role, text) in enumerate(found.messages)
    )
    return PromptContent(
        template=None if found.text is None else template(found.text, "template"),
        messages=messages,
        variables=variables,
        model=found.model,
        parameters=dict(found.parameters),
        output_schema=found.output_schema,
        metadata={"imported": dict(about)},
    )


def _join(variables: dict[str, Variable], more: Mapping[str, Variable], where: str) -> None:
    for name, each in more.items():
        known = variables.setdefault(name, each)
        if known.type != each.type:
            raise InvalidPrompt(
                f"{where}, variable {name}", each.type, f"it is used as {known.type} elsewhere"
            )


def texts_of(parts: object, where: str) -> str:
    """The text of a message whose content is a text, or a list of parts that all are texts.

    Raises:
        InvalidPrompt: A part is no text, e.g. an image.
    """
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list):
        raise InvalidPrompt(where, parts, "a text, or a list of texts")
    texts = []
    for at, part in enumerate(parts):
        if not (
            isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
        ):
            kind = part.get("type") if isinstance(part, Mapping) else part
            raise InvalidPrompt(f"{where}[{at}]", kind, "prompts here hold texts only")
        texts.append(part["text"])
    return "".join(texts)


def words(values: object) -> list[str]:
    """The texts of a list, e.g. labels; none of what is no list."""
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
