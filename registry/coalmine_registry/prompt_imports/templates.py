"""Templates of other tools as ours: the same text for the same values, or an error that says why not.

Nothing is guessed: what has no counterpart (a section, a format, a name that is no name here) is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final, Literal

from jinja2 import TemplateError, meta, nodes

from coalmine_schemas.prompts.content import check_variable_name
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.syntax import parse_template
from coalmine_schemas.prompts.variables import Variable

Language = Literal["mustache", "f-string", "jinja2"]
"""How a template marks its variables."""

_MUSTACHE: Final = re.compile(r"\{\{(?P<name>[^{}]*)\}\}")
_SIGNS: Final = {
    "#": "a section (loop or condition)",
    "^": "a section (loop or condition)",
    "/": "a section (loop or condition)",
    ">": "a partial",
    "!": "a comment",
    "&": "an unescaped value",
    "=": "a change of the brackets",
}
_OPENS: Final = re.compile(r"\{[{%#]")


@dataclass(frozen=True, slots=True)
class Translated:
    """A template in our language."""

    template: str
    variables: Mapping[str, Variable]
    """What it takes."""


def translated(text: str, language: Language, field: str) -> Translated:
    """Translates a template.

    Args:
        text: The template.
        language: Its language.
        field: Where it stands, for errors.

    Raises:
        InvalidPrompt: It says something that a template here cannot say; names what, and where.
    """
    return _TRANSLATORS[language](text, field)


def from_mustache(text: str, field: str) -> Translated:
    """`{{ name }}` is a value; all other text stands for itself, `{% %}` and `{# #}` too.

    Sections, partials and triple brackets are refused: the tools that use this language differ about them.

    Raises:
        InvalidPrompt: There is one, or a name that a variable cannot have here.
    """
    made = _Made(field)
    at = 0
    for found in _MUSTACHE.finditer(text):
        made.text(text[at : found.start()])
        name = found["name"].strip()
        sign = _SIGNS.get(name[:1])
        if sign is not None:
            raise _refused(field, text, found.start(), found[0], f"{sign} has no counterpart: write it anew")
        if text[found.end() : found.end() + 1] == "}" and text[: found.start()].endswith("{"):
            raise _refused(field, text, found.start(), f"{{{found[0]}}}", "write two brackets, not three")
        made.variable(name, text, found.start())
        at = found.end()
    made.text(text[at:])
    return made.done()


def from_f_string(text: str, field: str) -> Translated:
    """`{name}` is a value, `{{` and `}}` are brackets, as in `str.format`.

    Raises:
        InvalidPrompt: A value has a format, a conversion, an attribute or no name; or a bracket is alone.

    References:
        https://docs.python.org/3/library/string.html#format-string-syntax
    """
    made = _Made(field)
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise InvalidPrompt(field, text, f"double brackets that are text: {error}") from None
    for literal, name, spec, conversion in parts:
        made.text(literal)
        if name is None:
            continue
        if spec or conversion:
            shown = f"{{{name}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"
            raise InvalidPrompt(field, shown, "let the service format the value, and write its name alone")
        made.variable(name, text, max(0, text.find(f"{{{name}")))
    return made.done()


def from_jinja2(text: str, field: str) -> Translated:
    """Jinja2, or Nunjucks as far as both are the same: the text stays, and its variables are declared.

    Their types are read off their use: what a loop runs over is an array, what has entries an object, what
    only conditions ask for an optional boolean, all else a string.

    Raises:
        InvalidPrompt: It is not Jinja2, or a variable's name is none here.
    """
    tree = parse_template(text, field)
    try:
        names = sorted(meta.find_undeclared_variables(tree) - {"loop"})
    except TemplateError as error:  # a filter or a test that only the other tool has
        remedy = "use what Jinja2 has, or let the service compute it"
        raise InvalidPrompt(field, error.message, remedy).at_line(getattr(error, "lineno", None)) from None
    return Translated(text, {_checked(each, field): _variable_of(tree, each) for each in names})


_TRANSLATORS: Final[Mapping[Language, Callable[[str, str], Translated]]] = {
    "mustache": from_mustache,
    "f-string": from_f_string,
    "jinja2": from_jinja2,
}


def _variable_of(tree: nodes.Template, name: str) -> Variable:
    def is_it(node: object) -> bool:
        return isinstance(node, nodes.Name) and node.name == name

    if any(is_it(each.iter) for each in tree.find_all(nodes.For)):
        return Variable(type="array")
    owners: list[nodes.Getattr | nodes.Getitem] = [
        *tree.find_all(nodes.Getattr),
        *tree.find_all(nodes.Getitem),
    ]
    if any(is_it(each.node) for each in owners):
        return Variable(type="object")
    asked: list[nodes.Node] = [each.test for each in tree.find_all(nodes.If)]
    asked += [each.test for each in tree.find_all(nodes.CondExpr)]
    asked = [each.node if isinstance(each, nodes.Not) else each for each in asked]
    uses = sum(map(is_it, tree.find_all(nodes.Name)))
    if sum(map(is_it, asked)) == uses:
        return Variable(type="boolean", required=False)
    return Variable()


class _Made:
    """A template of ours, part by part."""

    def __init__(self, field: str) -> None:
        self._field = field
        self._parts: list[str] = []
        self._variables: dict[str, Variable] = {}
        self._rest = ""

    def text(self, text: str) -> None:
        """Text that stands for itself."""
        self._rest += text

    def variable(self, name: str, text: str, at: int) -> None:
        """A value."""
        try:
            self._variables[_checked(name, self._field)] = Variable()
        except InvalidPrompt as error:
            raise error.at_line(text.count("\n", 0, at) + 1) from None
        self._flush(before_value=True)
        self._parts.append(f"{{{{ {name} }}}}")

    def done(self) -> Translated:
        """All of it."""
        self._flush(before_value=False)
        return Translated("".join(self._parts), self._variables)

    def _flush(self, *, before_value: bool) -> None:
        quoted = _OPENS.sub(lambda found: f'{{{{ "{found[0]}" }}}}', self._rest)
        if before_value and quoted.endswith("{"):
            quoted = quoted[:-1] + '{{ "{" }}'
        self._parts.append(quoted)
        self._rest = ""


def _checked(name: str, field: str) -> str:
    try:
        return check_variable_name(name)
    except InvalidPrompt as error:
        raise InvalidPrompt(f"a variable in {field}", name, error.remedy) from None


def _refused(field: str, text: str, at: int, shown: str, remedy: str) -> InvalidPrompt:
    return InvalidPrompt(f"a tag in {field}", shown, remedy).at_line(text.count("\n", 0, at) + 1)
