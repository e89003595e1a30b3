"""promptfoo: the prompts of `promptfooconfig.yaml` and of the files that it names.

It has no versions: each prompt becomes 1.0.0. `coalmine dataset import --promptfoo` takes its tests.

References:
    https://www.promptfoo.dev/docs/configuration/prompts/
    https://www.promptfoo.dev/docs/configuration/chat/ (messages as JSON)
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from coalmine_registry.prompt_imports.export_file import read_text
from coalmine_registry.prompt_imports.imported import Exported, split_config, texts_of
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.fields import list_of

_SEPARATOR: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)
_PREFIX: Final = "file://"
_READ: Final = (".txt", ".md", ".j2", ".json", ".yaml", ".yml")


def read_promptfoo_prompts(path: Path) -> Iterator[Exported]:
    """Each prompt.

    Args:
        path: `promptfooconfig.yaml`.

    Raises:
        InvalidParameter: It cannot be read, or names no prompts.
    """
    try:
        config = read_front_matter(read_text(path))
        prompts = list_of(config.get("prompts") or (), "prompts")
    except InvalidPrompt as error:
        raise InvalidParameter(str(error).replace("front matter", str(path), 1)) from None
    if not prompts:
        raise InvalidParameter(f"{path}: `prompts` is empty; name promptfoo's configuration")
    model, parameters, about = _model(config.get("providers") or config.get("targets"))
    for at, each in enumerate(prompts):
        yield from _prompts(path, at, each, {"model": model, "parameters": parameters, "about": about})


def _prompts(path: Path, at: int, given: object, known: Mapping[str, Any]) -> Iterator[Exported]:
    where = f"prompts[{at}]"
    label = None
    if isinstance(given, Mapping):
        label = given.get("label") if isinstance(given.get("label"), str) else None
        given = given.get("raw") or given.get("id")
    if not isinstance(given, str):
        yield Exported(
            where, label or f"prompt-{at + 1}", 1, problem="it is neither a text nor the name of a file"
        )
        return
    is_file = given.startswith(_PREFIX) or ("\n" not in given and Path(given).suffix in _READ)
    name = label or (Path(given).stem if is_file else f"prompt-{at + 1}")
    try:
        texts = _texts(path.parent, given.removeprefix(_PREFIX)) if is_file else [given]
    except InvalidPrompt as error:
        yield Exported(where, name, 1, problem=str(error))
        return
    for part, text in enumerate(texts, 1):
        part_name = name if len(texts) == 1 else f"{name}-{part}"
        try:
            messages = _messages(text)
        except InvalidPrompt as error:
            yield Exported(f"{where}, {part_name}", part_name, 1, problem=str(error))
            continue
        plain = text if messages is None else None
        yield Exported(
            f"{where}, {part_name}", part_name, 1, plain, messages or (), language="jinja2", **known
        )


def _texts(folder: Path, name: str) -> list[str]:
    """The prompts of a file; in a text file, lines of three hyphens stand between them."""
    path = folder / name
    if path.suffix not in _READ or any(sign in name for sign in "*?["):
        raise InvalidPrompt("file", name, f"one file ending with {', '.join(_READ)}; code is not run")
    try:
        text = read_text(path)
    except InvalidParameter as error:
        raise InvalidPrompt("file", name, str(error)) from None
    if path.suffix in (".yaml", ".yml"):
        lines = "\n".join(["messages:", *(f"  {line}" for line in text.splitlines())])
        return [json.dumps(read_front_matter(lines)["messages"])]
    if path.suffix == ".txt":
        return [each.strip("\n") for each in _SEPARATOR.split(text) if each.strip()]
    return [text.removesuffix("\n")]


def _messages(text: str) -> list[tuple[str, str]] | None:
    """Messages, where the text is a list of them as JSON; None for any other text.

    A message's text may have tags, but the list itself may not: then it is no JSON before it is rendered.
    """
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if '"role"' in text:
            raise InvalidPrompt("messages", text, "JSON without tags around messages") from None
        return None
    if not (isinstance(found, list) and found and all(isinstance(each, Mapping) for each in found)):
        return None
    if not all("role" in each for each in found):
        return None
    return [
        (str(each["role"]), texts_of(each.get("content"), f"messages[{at}].content"))
        for at, each in enumerate(found)
    ]


def _model(providers: object) -> tuple[str | None, Mapping[str, Any], Mapping[str, Any]]:
    """Model and parameters, where there is one provider; with several, none is the prompt's own."""
    several = providers if isinstance(providers, list) else [providers] if providers else []
    ids = [each.get("id") if isinstance(each, Mapping) else each for each in several]
    if len(several) != 1 or not isinstance(ids[0], str):
        return None, {}, {"providers": [each for each in ids if isinstance(each, str)]}
    config = several[0].get("config") if isinstance(several[0], Mapping) else None
    _, parameters, rest = split_config(config if isinstance(config, Mapping) else {})
    name = ids[0].rpartition(":")[2]
    return name if ":" in ids[0] else None, parameters, {"providers": [ids[0]], "config": rest}
