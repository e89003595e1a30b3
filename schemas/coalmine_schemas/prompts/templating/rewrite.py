"""Rewrites a template so that the sandbox counts every operation, and rejects what a prompt may not do.

Only node types known to be harmless pass. Calls become filters, so that nothing is ever called; loops count;
what builds texts and lists is weighed; includes are put in place.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from jinja2 import nodes

from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt, InvalidTemplate
from coalmine_schemas.prompts.json_values import is_unicode
from coalmine_schemas.prompts.syntax import MAX_NODES, include_target, parse_template
from coalmine_schemas.prompts.templating.budget import MAX_OUTPUT_CHARS
from coalmine_schemas.prompts.templating.environment import LOOP_ATTRIBUTES
from coalmine_schemas.prompts.templating.filters import FILTERS
from coalmine_schemas.prompts.templating.operations import METHODS
from coalmine_schemas.prompts.templating.tests import TESTS

Lookup = Callable[[str], PromptContent]
"""Content of `name@version`; raises `KeyError` or `InvalidPrompt` if it is unknown."""

MAX_INCLUDE_DEPTH: Final = 8
"""How deep prompts may include each other."""
MAX_NESTING: Final = 40
"""How deep a template may nest."""
MAX_LOOPS: Final = 6
"""How deep loops may nest."""
_NODES_PER_STEP_BITS: Final = 1
_CHARS_PER_NODE_BITS: Final = 5
_MAX_CONST_BITS: Final = 64

_ALLOWED: Final = frozenset(
    {
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Tuple, nodes.List),
        *(nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Getitem),
        *(
            nodes.Getattr,
            nodes.Concat,
            nodes.Compare,
            nodes.Operand,
            nodes.Add,
            nodes.Sub,
            nodes.Mul,
            nodes.Div,
        ),
        *(
            nodes.FloorDiv,
            nodes.Mod,
            nodes.Pow,
            nodes.And,
            nodes.Or,
            nodes.Not,
            nodes.Neg,
            nodes.Pos,
            nodes.For,
        ),
        *(nodes.If, nodes.Assign, nodes.AssignBlock, nodes.With, nodes.FilterBlock, nodes.Call, nodes.Slice),
        nodes.Include,
    }
)
_RESERVED: Final = frozenset(
    {"self", "caller", "varargs", "kwargs", "context", "environment", "range", "loop"}
)


class Rewriter:
    """Rewrites the templates of one prompt with everything they include; limits hold for all together.

    Args:
        lookup: Finds included prompts.
    """

    def __init__(self, lookup: Lookup) -> None:
        self.included: dict[str, PromptContent] = {}
        """Each included content by its reference."""
        self._field = ""
        self._lookup = lookup
        self._nodes = 0
        self._chars = 0
        self._loops = 0
        self._work = 0
        self._path: list[str] = []

    def template(self, field: str, source: str) -> nodes.Template:
        """The tree of a template, rewritten.

        Args:
            field: What to call the template in errors.
            source: Jinja2.

        Raises:
            InvalidTemplate: It is not a template, or does what a prompt may not do.
        """
        self._field = field
        self._count(source)
        tree = parse_template(source, field)
        return nodes.Template(self._all(tree.body, 0), lineno=1)

    def _count(self, source: str) -> None:
        self._chars += len(source)
        if self._chars > MAX_OUTPUT_CHARS:
            self._refuse(
                "too much text", f"all templates together have at most {MAX_OUTPUT_CHARS} characters"
            )

    def _refuse(self, what: str, remedy: str, line: int | None = None) -> NoReturn:
        where = f" in line {line}" if line else ""
        included = f" (included as {' > '.join(self._path)})" if self._path else ""
        error = InvalidTemplate(f"{self._field}{included}", "", remedy)
        error.value = f"a template with {what}{where}"
        error.args = (error.field, error.value, remedy)
        raise error.at_line(None if self._path else line)  # of what is included, lines are another file's

    def _all(self, found: list[nodes.Node], depth: int) -> list[nodes.Node]:
        return [self._node(each, depth) for each in found]

    def _node(self, node: nodes.Node, depth: int) -> nodes.Node:
        self._nodes += 1
        self._work += 1
        if self._nodes > MAX_NODES:
            self._refuse("too many parts", f"a template has at most {MAX_NODES}, with all it includes")
        if depth > MAX_NESTING:
            self._refuse("deep nesting", f"nest at most {MAX_NESTING} levels deep", node.lineno)
        kind = type(node)
        if kind not in _ALLOWED:
            name = kind.__name__
            self._refuse(
                f"a {name}",
                "use texts, values, filters, if, for, set, with and include; no macros, blocks, imports or "
                "extensions",
                node.lineno,
            )
        if kind is nodes.Include:
            return self._include(node, depth)  # type: ignore[arg-type]
        if kind is nodes.Call:
            return self._call(node, depth)  # type: ignore[arg-type]
        if isinstance(node, nodes.Getattr) and _is_loop(node.node):
            if node.attr not in LOOP_ATTRIBUTES:
                self._refuse(
                    f"loop.{node.attr}", f"loop knows {', '.join(sorted(LOOP_ATTRIBUTES))}", node.lineno
                )
            return node
        self._check(node)
        if kind is nodes.For:
            return self._for(node, depth)  # type: ignore[arg-type]
        self._parts(node, node.fields, depth)
        return self._weighed(node)

    def _parts(self, node: nodes.Node, names: Sequence[str], depth: int) -> None:
        for name in names:
            value = getattr(node, name)
            if isinstance(value, nodes.Node):
                setattr(node, name, self._node(value, depth + 1))
            elif isinstance(value, list):
                changed = [
                    self._node(each, depth + 1) if isinstance(each, nodes.Node) else each for each in value
                ]
                setattr(node, name, changed)

    def _for(self, node: nodes.For, depth: int) -> nodes.Node:
        """A loop, each turn of which costs what its body does; loops within it pay for themselves."""
        self._loops += 1
        if self._loops > MAX_LOOPS:
            self._refuse("loops in loops", f"nest at most {MAX_LOOPS} loops", node.lineno)
        self._parts(node, ("iter",), depth)
        outside, self._work = self._work, 0
        self._parts(node, ("target", "body", "test"), depth)
        inside, self._work = self._work, outside
        self._loops -= 1
        self._parts(node, ("else_",), depth)
        node.iter = _filter("=loop", node.iter, [nodes.Const(1 + (inside >> _NODES_PER_STEP_BITS))])
        return node

    def _check(self, node: nodes.Node) -> None:
        line = node.lineno
        match node:
            case nodes.Name(name=name) if name.startswith("_") or name in _RESERVED:
                self._refuse(f"the name {name!r}", "use another name", line)
            case nodes.Getattr(attr=str(attr)) if attr.startswith("_"):
                self._refuse(f"the attribute {attr!r}", "name an entry of a mapping", line)
            case nodes.Filter(name=name) if name not in FILTERS:
                self._refuse(f"the filter {name!r}", f"use one of {', '.join(FILTERS)}", line)
            case nodes.Test(name=name) if name not in TESTS:
                self._refuse(f"the test {name!r}", f"use one of {', '.join(TESTS)}", line)
            case nodes.Filter(dyn_args=a, dyn_kwargs=k) | nodes.Test(dyn_args=a, dyn_kwargs=k) if a or k:
                self._refuse("* or ** in arguments", "write the arguments out", line)
            case nodes.Keyword(key=str(key)) if key.startswith("_"):
                self._refuse(f"the argument {key!r}", "use another name", line)
            case nodes.Const(value=int(value)) if value.bit_length() > _MAX_CONST_BITS:
                self._refuse("a huge number", f"numbers have at most {_MAX_CONST_BITS} bits", line)
            case nodes.Const(value=float(value)) if not math.isfinite(value):
                self._refuse("an infinite number", "write one that a float can hold", line)
            case nodes.Const(value=str(text)) | nodes.TemplateData(data=str(text)) if not is_unicode(text):
                self._refuse("half a surrogate pair", "write the whole character", line)
            case nodes.For(recursive=True):
                self._refuse("a recursive loop", "write nested loops", line)
            case nodes.Const(value=str(text)) | nodes.TemplateData(data=str(text)):
                self._work += len(text) >> _CHARS_PER_NODE_BITS

    def _weighed(self, node: nodes.Node) -> nodes.Node:  # noqa: PLR0911 - one case per kind
        match node:
            case nodes.Concat():
                return _filter("=concat", nodes.List(node.nodes, lineno=node.lineno))
            case nodes.List():
                return _filter("=same", node)
            case nodes.Dict():
                pairs = [part for pair in node.items for part in (pair.key, pair.value)]
                return _filter("=mapping", nodes.List(pairs, lineno=node.lineno))
            case nodes.Tuple(ctx="load"):
                return _filter("=same", node)
            case nodes.Compare() if any(each.op in ("in", "notin") for each in node.ops):
                if len(node.ops) > 1:
                    self._refuse(
                        "'in' in a chain of comparisons", "join two conditions with 'and'", node.lineno
                    )
                found = _filter("=in", node.expr, [node.ops[0].expr])
                return found if node.ops[0].op == "in" else nodes.Not(found, lineno=node.lineno)
            case nodes.Compare():
                node.expr = _seen(node.expr)
                for operand in node.ops:
                    operand.expr = _seen(operand.expr)
            case nodes.AssignBlock():
                node.filter = node.filter or _filter("=same", None)
            case nodes.Getitem(arg=nodes.Slice() as part):
                bounds = [each or nodes.Const(None) for each in (part.start, part.stop, part.step)]
                return _filter("=slice", node.node, bounds)
            case nodes.Getitem(arg=key) if not isinstance(key, nodes.Const):
                return _filter("=item", node.node, [key])
        return node

    def _call(self, node: nodes.Call, depth: int) -> nodes.Node:
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            self._refuse("a call with named arguments", "give arguments by place", node.lineno)
        arguments = [self._node(each, depth + 1) for each in node.args]
        called = node.node
        if isinstance(called, nodes.Name) and called.name == "range" and 1 <= len(arguments) <= 3:
            return _filter("=range", nodes.List(arguments, lineno=node.lineno))
        if isinstance(called, nodes.Getattr):
            if _is_loop(called.node) and called.attr == "cycle" and arguments:
                index = nodes.Getattr(called.node, "index0", "load")
                return _filter("=cycle", nodes.List(arguments, lineno=node.lineno), [index])
            if called.attr in METHODS:
                return _filter(f"={called.attr}()", self._node(called.node, depth + 1), arguments)
            self._refuse(
                f"the method {called.attr!r}", f"use one of {', '.join(METHODS)}, or a filter", node.lineno
            )
        self._refuse("a call", "call range() or a method of a text or mapping", node.lineno)

    def _include(self, node: nodes.Include, depth: int) -> nodes.Node:
        reference = include_target(node, self._field)
        if reference in self._path:
            self._refuse(f"a cycle of includes back to {reference}", "break the cycle", node.lineno)
        if len(self._path) >= MAX_INCLUDE_DEPTH:
            self._refuse("deep includes", f"include at most {MAX_INCLUDE_DEPTH} levels deep", node.lineno)
        content = self.included.get(reference)
        if content is None:
            try:
                content = self._lookup(reference)
            except (KeyError, InvalidPrompt):
                self._refuse(
                    f"an include of {reference}", "the version does not exist; register it first", node.lineno
                )
                raise
        if content.template is None:
            self._refuse(
                f"an include of {reference}", "that is a chat prompt; only text can be included", node.lineno
            )
        self.included[reference] = content
        assert content.template is not None
        self._path.append(reference)
        self._count(content.template)
        tree = parse_template(content.template, self._field)
        body = self._all(tree.body, depth + 1)
        self._path.pop()
        return nodes.Scope(body, lineno=node.lineno)


def _filter(
    name: str, value: nodes.Node | None, arguments: Sequence[nodes.Node] | None = None
) -> nodes.Filter:
    return nodes.Filter(
        value, name, list(arguments or []), [], None, None, lineno=value.lineno if value is not None else 1
    )


def _seen(value: nodes.Expr) -> nodes.Expr:
    return value if isinstance(value, nodes.Const) else _filter("=same", value)


def _is_loop(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "loop"
