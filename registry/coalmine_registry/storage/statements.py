"""SQL statements in files of their own."""

from importlib.resources import files


def statement(name: str) -> str:
    """Returns the text of an SQL file; `name` is without `.sql`."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
