"""Front matter: YAML by the core schema of YAML 1.2, within bounds.

PyYAML reads YAML 1.1, in which `NO` is false, `1:30` is 90, `010` is 8, and `1e-1` is a text. By the core
schema only `true` and `false` are booleans, and a number looks like one in JSON.

References:
    https://yaml.org/spec/1.2.2/#103-core-schema
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Final

import yaml

from coalmine_schemas.prompts.errors import InvalidPrompt

_MOST_CHARS: Final = 100_000
_MOST_NODES: Final = 20_000
_UNSAFE: Final = re.compile("[\r\x85\u2028\u2029\ufeff]")
_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_SCALARS: Final = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""What a word without quotes is, in this order, and how it may begin; everything else is a text."""


def read_front_matter(text: str, *, first_line: int = 1) -> dict[str, Any]:
    """Reads names and values.

    Args:
        text: YAML.
        first_line: Line of the file in which it begins, for errors.

    Raises:
        InvalidPrompt: It is not YAML, holds what JSON cannot, or is too large.
    """
    if len(text) > _MOST_CHARS:
        raise InvalidPrompt("front matter", text, f"write at most {_MOST_CHARS} characters")
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - a safe loader, and stricter
    except yaml.YAMLError as error:
        raise _invalid_yaml(error, first_line) from None
    except RecursionError:
        raise InvalidPrompt("front matter", "nested too deep", "nest fewer lists and mappings") from None
    except (ValueError, OverflowError) as error:  # an escape beyond Unicode
        if isinstance(error, InvalidPrompt):
            raise
        raise InvalidPrompt("front matter", text, f"write YAML: {error!s:.200}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidPrompt("front matter", found, "write names and values, e.g. `model: gpt-4o-mini`")
    return found


def _invalid_yaml(error: yaml.YAMLError, first_line: int) -> InvalidPrompt:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0][:120]
    if mark is None:
        return InvalidPrompt("front matter", problem, "write YAML")
    line = mark.line + first_line
    words = f"line {line}, column {mark.column + 1}: {problem}"
    return InvalidPrompt("front matter", words, "write YAML").at_line(line)


def write_front_matter(found: Mapping[str, Any]) -> str:
    """Returns YAML that `read_front_matter` reads as the same, in the same order."""
    return yaml.dump(dict(found), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Loader(yaml.SafeLoader):
    """YAML with the types of JSON: no duplicate keys, and names are texts."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML wants it so
    yaml_constructors: ClassVar[Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
        """Counts nodes, and refuses aliases, of which a few lines can stand for gigabytes."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not supported: repeat the value"
            )
        self.composed = getattr(self, "composed", 0) + 1
        if self.composed > _MOST_NODES:
            raise yaml.composer.ComposerError(None, None, f"it has more than {_MOST_NODES} values", None)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """YAML that reads back unchanged: characters that YAML treats as line ends, or drops, are escaped."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML wants it so

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401
        """Repeats what stands in several places."""
        return True


def _mapping(loader: _Loader, node: yaml.Node) -> Mapping[Hashable, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(None, None, "this is no mapping", node.start_mark)
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise InvalidPrompt("front matter", key, "put names that are not plain words in quotes")
        if key == "<<":
            raise InvalidPrompt("front matter", key, "YAML 1.2 merges no mappings: write the values out")
        if key in found:
            raise InvalidPrompt("front matter", key, "write each name once")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> Any:  # noqa: ANN401
    text = str(loader.construct_scalar(node))
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        return text
    if not re.fullmatch(_PLAIN_SCALARS[kind][0], text):
        raise yaml.constructor.ConstructorError(None, None, f"{text!r:.80} is no {kind}", node.start_mark)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    try:
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    except ValueError:  # Python refuses to read thousands of digits
        raise InvalidPrompt("front matter", text, "write numbers of fewer digits") from None


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = '"' if _UNSAFE.search(value) else None
    return dumper.represent_scalar(f"{_TAG}str", value, style=style)


for _kind, (_pattern, _first) in _PLAIN_SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"(?:{_pattern})$"), [*_first])
    _Loader.add_constructor(f"{_TAG}{_kind}", _scalar)
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(f"{_TAG}null", re.compile("$"), [""])
_Loader.add_constructor(f"{_TAG}str", _scalar)
_Loader.add_constructor(f"{_TAG}map", _mapping)
_Loader.add_constructor(f"{_TAG}seq", _sequence)
_Loader.yaml_constructors[None] = yaml.SafeLoader.construct_undefined
_Dumper.add_representer(str, _text)
