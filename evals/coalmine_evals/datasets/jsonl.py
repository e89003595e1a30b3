"""JSON Lines of cases: one JSON object a line, plain or compressed by gzip."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, Final

from coalmine_evals.datasets.case import case_json, read_case
from coalmine_evals.datasets.columns import case_of_columns
from coalmine_evals.results.datasets import Case
from coalmine_schemas.mistakes import InvalidFile, Mistakes
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.json_values import canonical_json

MOST_CASES: Final = 100_000
"""Cases of a dataset."""

_LONGEST_LINE: Final = 4_000_000
_MOST_BYTES: Final = 1_000_000_000
"""After decompression: a few kilobytes of gzip can stand for any size."""


def read_cases(path: Path, *, mapping: Mapping[str, str] | None = None) -> list[Case]:
    """Reads a file of cases.

    Args:
        path: JSON Lines; compressed if its name ends in `.gz`.
        mapping: Fields of cases by the columns that hold them, as `columns.read_mapping` returns it; None:
            the file has the fields of cases themselves.

    Raises:
        InvalidFile: It has mistakes, of which each is named with file, line and remedy.
    """
    mistakes = Mistakes(f"{path.name}:")
    return _cases(read_lines(path, mistakes), path.name, mapping, mistakes)


def read_cases_of_text(text: str, name: str) -> list[Case]:
    """Reads cases from JSON Lines.

    Args:
        text: The lines.
        name: What to call them in errors.

    Raises:
        InvalidFile: As for `read_cases`.
    """
    mistakes = Mistakes(f"{name}:")
    return _cases(_objects(BytesIO(text.encode()), mistakes), name, None, mistakes)


def _cases(
    lines: Iterator[tuple[int, Mapping[str, Any]]],
    name: str,
    mapping: Mapping[str, str] | None,
    mistakes: Mistakes,
) -> list[Case]:
    cases: list[Case] = []
    known: dict[str, int] = {}
    for number, line in lines:
        with mistakes.noted(f"{number}: "):
            case = read_case(line) if mapping is None else case_of_columns(line, mapping)
            if case.id in known:
                remedy = f"line {known[case.id]} has it, too: give each case an id of its own"
                raise InvalidPrompt("id", case.id, remedy)
            known[case.id] = number
            cases.append(case)
    mistakes.tell()
    if not cases:
        raise InvalidFile([f"{name}: has no case: write one JSON object a line"])
    return cases


def read_lines(path: Path, mistakes: Mistakes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields the number and the object of each line that is not empty.

    Args:
        path: As for `read_cases`.
        mistakes: Where lines that are no JSON objects are noted.

    Raises:
        InvalidFile: The file cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from _objects(file, mistakes)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFile([f"{path}: cannot be read ({reason}): name a file of JSON Lines"]) from None


def _objects(file: BufferedIOBase, mistakes: Mistakes) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(_bounded(file, mistakes), 1):
        found = None
        with mistakes.noted(f"{number}: "):
            found = _object(line) if line.strip() else None
        if found is not None:
            yield number, found


def _bounded(file: BufferedIOBase, mistakes: Mistakes) -> Iterator[bytes]:
    """Yields lines, until there are too many or one is too long."""
    size = number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number, size = number + 1, size + len(line)
        if len(line) > _LONGEST_LINE or size > _MOST_BYTES or number > MOST_CASES:
            mistakes.note(
                f"{number}: is too much: write at most {MOST_CASES} lines of at most {_LONGEST_LINE} bytes"
            )
            return
        yield line


def text_of(cases: Iterable[Case]) -> str:
    """Returns the text of a file that `read_cases` reads as the same cases."""
    return "".join(f"{line}\n" for line in lines_of(cases))


def lines_of(cases: Iterable[Case]) -> Iterator[str]:
    """Returns the line of each case."""
    return (json.dumps(case_json(case), ensure_ascii=False) for case in cases)


def digest_of(cases: Iterable[Case]) -> str:
    """SHA-256 of the cases in their order, as 64 hexadecimal digits: the same cases give the same."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(canonical_json(case_json(case)) + b"\n")
    return digest.hexdigest()


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise InvalidPrompt("the line", "not UTF-8", "save the file as UTF-8") from None
    except RecursionError:
        raise InvalidPrompt("the line", "nested too deep", "nest fewer lists and mappings") from None
    except InvalidPrompt:
        raise
    except ValueError as error:
        raise InvalidPrompt("the line", f"not JSON ({error})", "write one JSON object a line") from None
    if not isinstance(found, dict):
        raise InvalidPrompt("the line", found, "write one JSON object a line")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidPrompt("a key", twice, "write each key once")
    return found


def _no_number(name: str) -> float:
    raise InvalidPrompt("a number", name, "JSON has finite numbers only")
