"""Publish new schema versions: `python -m coalmine_schemas.freeze`, from a checkout.

To change an event, write `avro/<event>/<next number>.avsc` and run this. It refuses to publish what is not
documented or not fully compatible with the version before, and refuses everything while a published file
differs from its digest in `catalogue.json`. With `--check` it only looks.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastavro.schema import SchemaParseException, UnknownType

from coalmine_schemas.catalogue import RECORD_NAMES, Schema, read_schema
from coalmine_schemas.compatibility import full_incompatibilities
from coalmine_schemas.errors import CatalogueError
from coalmine_schemas.events import EventName

PACKAGE_DIRECTORY = Path(__file__).parent
"""Where `avro/` and `catalogue.json` are."""

_UNIT = re.compile(
    r"microseconds|milliseconds|tokens|nano-dollars|messages|counter|unit|scale|fraction|hash group",
    re.IGNORECASE,
)
"""Words of which the documentation of a number needs one."""
_NUMBERS = {"int", "long", "float", "double"}

Frozen = dict[str, dict[str, dict[str, str]]]
"""Content of `catalogue.json`: record name, version, then fingerprint and digest."""


def digest(schema: Schema) -> str:
    """SHA-256 of a schema with its documentation and defaults, which the fingerprint leaves out."""
    return hashlib.sha256(schema.json.encode()).hexdigest()


def load_frozen(directory: Path) -> Frozen:
    """What was published according to `catalogue.json`."""
    path = directory / "catalogue.json"
    frozen: Frozen = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return frozen


def load_versions(directory: Path, event: EventName) -> list[Schema]:
    """All versions of an event there are files of, oldest first.

    Raises:
        CatalogueError: A file is not a valid schema, or a number is missing.
    """
    folder = directory / "avro" / RECORD_NAMES[event]
    numbers = sorted(int(path.stem) for path in folder.glob("*.avsc"))
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        raise CatalogueError(f"{folder.name}: versions must be 1, 2, 3 ..., not {numbers}")
    schemas = []
    for number in numbers:
        try:
            schemas.append(read_schema(event, number, (folder / f"{number}.avsc").read_text("utf-8")))
        except (ValueError, KeyError, TypeError, SchemaParseException, UnknownType) as error:
            raise CatalogueError(f"{folder.name}/{number}.avsc: {type(error).__name__}: {error}") from error
    return schemas


def check(directory: Path) -> list[Schema]:
    """Check everything there is; the versions that could be published now.

    Raises:
        CatalogueError: A published version was changed or removed, or a new one does not fit; says all of it.
    """
    frozen = load_frozen(directory)
    unpublished: list[Schema] = []
    problems: list[str] = []
    for event, name in RECORD_NAMES.items():
        published = frozen.get(name, {})
        schemas = load_versions(directory, event)
        gone = set(published) - {str(schema.version) for schema in schemas}
        problems += [f"{name}/{number}.avsc was published and is gone" for number in sorted(gone)]
        for older, schema in zip([None, *schemas], schemas, strict=False):
            known = published.get(str(schema.version))
            if known is None:
                problems += [
                    f"{name}/{schema.version}.avsc: {problem}" for problem in _problems(older, schema)
                ]
                unpublished.append(schema)
            elif known != _entry(schema):
                problems.append(f"{name}/{schema.version}.avsc was published and has been changed")
    if problems:
        raise CatalogueError("\n".join(problems))
    return unpublished


def publish(directory: Path) -> list[Schema]:
    """Add all new versions to `catalogue.json`; returns them.

    Raises:
        CatalogueError: As `check`; nothing is published then.
    """
    added = check(directory)
    frozen = load_frozen(directory)
    for schema in added:
        frozen.setdefault(RECORD_NAMES[schema.event], {})[str(schema.version)] = _entry(schema)
    if added:
        (directory / "catalogue.json").write_text(json.dumps(frozen, indent=2) + "\n", "utf-8")
    return added


def _entry(schema: Schema) -> dict[str, str]:
    return {"fingerprint": schema.fingerprint.hex(), "sha256": digest(schema)}


def _problems(older: Schema | None, newer: Schema) -> Iterator[str]:
    document = json.loads(newer.json)
    yield from _undocumented(document, str(document.get("name")))
    if not newer.owner:
        yield "has no owner"
    if older is not None:
        yield from full_incompatibilities(json.loads(older.json), document)


def _undocumented(node: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - a piece of JSON
    if isinstance(node, list):
        for branch in node:
            yield from _undocumented(branch, place)
    elif isinstance(node, dict) and isinstance(node.get("type"), str):
        if node["type"] in {"record", "enum"} and not node.get("doc"):
            yield f"{place} has no documentation"
        for member in node.get("fields", ()):
            where = f"{place}.{member['name']}"
            if not member.get("doc"):
                yield f"{where} has no documentation"
            elif _is_number(member["type"]) and not _UNIT.search(member["doc"]):
                yield f"{where} is a number whose documentation names no unit"
            yield from _undocumented(member["type"], where)
        for inner in ("items", "values"):
            yield from _undocumented(node.get(inner), place)


def _is_number(node: Any) -> bool:  # noqa: ANN401
    if isinstance(node, list):
        return any(_is_number(branch) for branch in node)
    if isinstance(node, dict):
        return _is_number(node.get("values", node["type"]))
    return node in _NUMBERS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m coalmine_schemas.freeze", description=__doc__)
    parser.add_argument("--check", action="store_true", help="publish nothing; fail if there is anything to")
    parser.add_argument("--directory", type=Path, default=PACKAGE_DIRECTORY, help="where avro/ is")
    options = parser.parse_args(arguments)
    try:
        added = check(options.directory) if options.check else publish(options.directory)
    except CatalogueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for schema in added:
        verb = "not published yet" if options.check else "published"
        name = RECORD_NAMES[schema.event]
        sys.stdout.write(f"{name} {schema.version}: {verb}, fingerprint {schema.fingerprint.hex()}\n")
    return 1 if options.check and added else 0


if __name__ == "__main__":
    sys.exit(main())
