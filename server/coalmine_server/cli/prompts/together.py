"""Files that are pushed together: some include others, or are compared with them, before the registry can."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from coalmine_server.cli.options import path_of

if TYPE_CHECKING:
    from coalmine_registry.classify import Classification
    from coalmine_schemas.prompt_files.folder import PromptFile
    from coalmine_schemas.prompts import PromptContent, Variable
    from coalmine_server.client import Client


class Together:
    """What the registry will say of each file once those before it are registered.

    Args:
        client: Of the registry's server.
        files: All of them, each after those that it includes and after its own older versions.
    """

    def __init__(self, client: "Client", files: "Iterable[PromptFile]") -> None:
        self._client = client
        self._contents: dict[str, PromptContent | None] = {each.reference: each.content for each in files}
        self._files = set(self._contents)
        self._registered: dict[str, set[str]] = {}
        self._refused: set[str] = set()

    def refuse(self, file: "PromptFile") -> None:
        """Notes that a file will not be registered."""
        self._refused.add(file.reference)

    def waits_for(self, file: "PromptFile") -> list[str]:
        """Returns which files have to be registered first, as it includes them."""
        return [each for each in file.content.includes() if self._is_new(each)]

    def classification(self, file: "PromptFile") -> "Classification | None":
        """Returns how a file will be classified; None for a first version, and where the registry can tell.

        Raises:
            InvalidPrompt: A template of it will be refused.
            BumpTooSmall: Its bump will be.
        """
        from coalmine_registry.classify import classify
        from coalmine_registry.semantic_version import baseline
        from coalmine_schemas.prompts import InvalidPrompt
        from coalmine_schemas.prompts.templating import check_template

        for each in file.content.includes():
            if each in self._refused:
                raise InvalidPrompt("template", f"an include of {each}", "which is refused itself: see there")
        new = {each.partition("@")[2] for each in self._files if each.startswith(f"{file.name}@")}
        refused = {each.partition("@")[2] for each in self._refused if each.startswith(f"{file.name}@")}
        others = (self._versions(file.name) | new) - refused - {file.version}
        previous = baseline(file.version, others)
        before = f"{file.name}@{previous}"
        if not self.waits_for(file) and (previous is None or not self._is_new(before)):
            return None
        contents = self._with_included(file.reference)
        old = {} if previous is None else self._with_included(before)
        if contents is None or old is None:
            return None
        check_template(file.content, contents.__getitem__)
        if previous is None:
            return None
        found = classify(
            previous,
            old.pop(before),
            contents.pop(file.reference),
            old_inherited=_variables(old.values()),
            new_inherited=_variables(contents.values()),
        )
        found.check(file.version)
        return found

    def _is_new(self, reference: str) -> bool:
        name, _, version = reference.partition("@")
        return reference in self._files and version not in self._versions(name)

    def _versions(self, name: str) -> set[str]:
        from coalmine_server.errors import NotFound

        if name not in self._registered:
            try:
                found = list(self._client.items(path_of("prompts", name, "versions")))
            except NotFound:
                found = []
            self._registered[name] = {str(each["version"]) for each in found}
        return self._registered[name]

    def _with_included(self, reference: str) -> "dict[str, PromptContent] | None":
        """The content and all that it includes; None if part of it is not to be seen here."""
        found: dict[str, PromptContent] = {}
        wanted = [reference]
        while wanted:
            each = wanted.pop()
            content = self._content(each)
            if content is None:
                return None
            found[each] = content
            wanted += [more for more in content.includes() if more not in found]
        return found

    def _content(self, reference: str) -> "PromptContent | None":
        from coalmine_schemas.prompts import PromptContent

        if reference not in self._contents:
            known = find_version(self._client, *reference.split("@"))
            self._contents[reference] = None if known is None else PromptContent.from_json(known["content"])
        return self._contents[reference]


def find_version(client: "Client", name: str, version: str) -> Any | None:  # noqa: ANN401 - a version as JSON
    """Returns a version of the registry; None if it has no such version."""
    from coalmine_server.errors import NotFound

    try:
        return client.get(path_of("prompts", name, "versions", version))
    except NotFound:
        return None


def _variables(contents: "Iterable[PromptContent]") -> "dict[str, Variable]":
    found: dict[str, Variable] = {}
    for each in contents:
        found.update(each.variables)
    return found
