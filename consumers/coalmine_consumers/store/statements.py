"""SQL that lives in files beside the code that runs it."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str, package: str = __package__) -> str:
    """The text of `sql/<name>.sql` in a package, this one unless said otherwise."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def quote_identifier(name: str) -> str:
    """A name as SQL takes it, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A string literal, for DDL, where DuckDB binds no parameters."""
    return "'" + text.replace("'", "''") + "'"
