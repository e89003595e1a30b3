"""Reads what tools export as JSON: an object, a list, a page of an API, JSON Lines, or a folder of these."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from coalmine_schemas.errors import InvalidParameter

_LARGEST_BYTES: Final = 256 * 1024 * 1024
_PAGES: Final = ("data", "items", "prompts", "prompt_templates")
"""Names under which APIs and exporters put the list."""


def read_objects(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each object of an export, with its place for messages.

    Raises:
        InvalidParameter: It cannot be read, or is no JSON.
    """
    if path.is_dir():
        files = sorted(each for each in path.rglob("*.json*") if each.is_file())
        if not files:
            raise InvalidParameter(f"{path}: holds no .json or .jsonl files; name the folder of the export")
        for each in files:
            yield from read_objects(each)
        return
    for at, value in enumerate(_values(path)):
        if not isinstance(value, Mapping):
            raise InvalidParameter(f"{path}, entry {at + 1}: is no object; each prompt should be one")
        yield f"{path.name}, entry {at + 1}", value


def _values(path: Path) -> Iterator[Any]:
    text = read_text(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if path.suffix not in (".jsonl", ".ndjson"):
            raise InvalidParameter(
                f"{path}: is no JSON ({error!s:.100}); name the file of the export"
            ) from None
        yield from _lines(path, text)
        return
    if isinstance(found, Mapping):
        found = next((found[key] for key in _PAGES if isinstance(found.get(key), list)), [found])
    yield from found if isinstance(found, list) else [found]


def _lines(path: Path, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):  # others may be in texts
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidParameter(f"{path}:{number}: is no JSON ({error!s:.100})") from None


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InvalidParameter: It is not there, too large, or not UTF-8.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InvalidParameter(
                f"{path}: is larger than {_LARGEST_BYTES} bytes; export fewer prompts at once"
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidParameter(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InvalidParameter(f"{path}: is not UTF-8 at byte {error.start}") from None
    except ValueError as error:  # a name with a null byte in it
        raise InvalidParameter(f"{str(path)!r}: cannot be read ({error})") from None
