"""Reads templates of prompts without running them: their tree, and which other prompts they include."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from jinja2 import Environment, TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from coalmine_schemas.prompts.errors import InvalidPrompt, InvalidTemplate
from coalmine_schemas.prompts.names import parse_reference

MAX_TEMPLATE_CHARS: Final = 262_144
"""Longest template of one prompt or message."""

MAX_NODES: Final = 5_000
"""Largest prompt, in nodes of its templates' trees, with everything they include."""
_MOST_TOKENS: Final = 4 * MAX_NODES


class _TokenLimit(Extension):
    """Ends reading a template that has more tokens than one of so many nodes can have."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The tokens, as long as there are not too many."""
        for seen, token in enumerate(stream):
            if seen > _MOST_TOKENS:
                raise TemplateSyntaxError(
                    f"it has too many parts: at most {MAX_NODES} are possible", token.lineno
                )
            yield token


_PARSER: Final = Environment(
    autoescape=False,  # noqa: S701 - prompts are no HTML
    keep_trailing_newline=True,
    extensions=[_TokenLimit],
)


def parse_template(source: str, field: str = "template") -> nodes.Template:
    """The tree of a template.

    Args:
        source: Jinja2.
        field: What to call it in the error.

    Raises:
        InvalidTemplate: It is too long, or no Jinja2.
    """
    if len(source) > MAX_TEMPLATE_CHARS:
        raise InvalidTemplate(field, source, f"a template has at most {MAX_TEMPLATE_CHARS} characters")
    try:
        return _PARSER.parse(source)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f" in line {line}" if line else ""
        raise InvalidTemplate(field, source, f"{error.message or error}{where}").at_line(line) from error
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise InvalidTemplate(field, source, "it nests too deep, or a number in it is too long") from error


@lru_cache(maxsize=256)
def included_references(source: str, field: str = "template") -> tuple[str, ...]:
    """The prompts a template includes, `name@version`, each once, in order of appearance.

    Raises:
        InvalidTemplate: It is not a template, or an include names no exact version in plain text.
    """
    if "include" not in source:  # reading the whole template takes a millisecond, and few include anything
        return ()
    tree = parse_template(source, field)
    return tuple(dict.fromkeys(include_target(node, field) for node in tree.find_all(nodes.Include)))


def include_target(node: nodes.Include, field: str = "template") -> str:
    """The reference an include names.

    Raises:
        InvalidTemplate: It names no exact version in plain text, or asks to be ignored when missing.
    """
    target = node.template.value if isinstance(node.template, nodes.Const) else None
    if not isinstance(target, str):
        raise InvalidTemplate(
            field,
            "an include of something computed",
            'name a prompt and its exact version in plain text, e.g. {% include "house-style@1.2.0" %}',
        ).at_line(node.lineno)
    if node.ignore_missing or not node.with_context:
        raise InvalidTemplate(
            field, target, "include it without 'ignore missing' and 'without context'"
        ).at_line(node.lineno)
    try:
        parse_reference(target)
    except InvalidPrompt as error:
        raise InvalidTemplate(f"an include in {field}", target, error.remedy).at_line(node.lineno) from error
    return target
