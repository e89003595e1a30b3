"""Docs explain every warning and error of the log, and name the role of every route and tests that exist."""

import ast
import json
import re
from collections.abc import Iterator

from tests.support.repository.tree import ROOT

PARTS = (
    "schemas",
    "producers",
    "consumers",
    "registry",
    "analytics",
    "rollouts",
    "evals",
    "alerts",
    "spark",
    "server",
    "dashboards",
)
LEVELS = {"warning", "error", "exception", "critical"}
OPERATIONS = ROOT / "docs" / "operations.md"
SECURITY = ROOT / "docs" / "security.md"


def texts(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    """The constants that an argument may be: itself, the arms of a choice, or what its name is assigned."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.IfExp():
            yield from texts(node.body, tree)
            yield from texts(node.orelse, tree)
        case ast.JoinedStr():
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "%s" for part in node.values)
        case ast.Name():
            for each in ast.walk(tree):
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == node.id:
                    yield from texts(each.value, tree)


def messages(source: str) -> Iterator[str]:
    """Every message that is logged as a warning or worse, with `…` for what changes."""
    tree = ast.parse(source)
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        owner, method = ast.unparse(call.func.value).lower(), call.func.attr
        if owner.endswith("mistakes"):  # what collects wrong use of the client
            place = {"report": 2, "refuse": 1, "drop": 1}.get(method)
        elif "log" in owner:  # a limited one takes the kind first
            place = {"report": 1, **dict.fromkeys(LEVELS, 0)}.get(method)
        else:
            continue
        if place is not None and len(call.args) > place:
            for text in texts(call.args[place], tree):
                yield re.sub(r"%[-+ #0-9.]*[a-z]", "…", text)


def explained() -> set[str]:
    rows = OPERATIONS.read_text(encoding="utf-8").splitlines()
    return {found[1] for row in rows if (found := re.match(r"\| `(.+?)` \|", row))}


def test_messages_are_found_however_they_are_given() -> None:
    source = """
log.warning("a %s b", x)
self._log.report("kind", "c %.1f d" if y else "e", z)
message = "f"
_log.error(message)
self._mistakes.report("kind", "field", "i %r")
future.exception("g")
log.info("h")
"""
    assert set(messages(source)) == {"a … b", "c … d", "e", "f", "i …"}


def test_every_warning_and_error_of_the_log_is_explained() -> None:
    logged = {
        message
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
        for message in messages(path.read_text(encoding="utf-8"))
        if re.search(r"\w", message)
    }
    rows = explained()
    # "… (… times in … s)" repeats another message with its count.
    assert logged - rows - {"… (… times in … s)"} == set(), "without a row in docs/operations.md"
    assert rows - logged == set(), "rows of messages that nobody logs"


def test_the_security_page_has_the_role_of_every_route() -> None:
    page = SECURITY.read_text(encoding="utf-8")
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    wanted = {
        f"| `{method.upper()} {path}` | {operation.get('x-coalmine-role', 'nobody')} |"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    there = set(re.findall(r"^\| `(?:GET|POST|PUT|DELETE|PATCH) .*$", page, re.MULTILINE))
    assert there == wanted | {"| `GET /openapi.json` | ingest |"}


def test_each_bound_of_the_security_page_names_tests_that_exist() -> None:
    section = SECURITY.read_text(encoding="utf-8").split("\n## Bounds\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split("|")[3])
        assert named, row
        for file, test in named:
            assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), test
