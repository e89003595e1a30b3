"""Reads the statements that stand in files of their own."""

from importlib.resources import files


def statement(name: str) -> str:
    """The SQL file of that name, without `.sql`."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
