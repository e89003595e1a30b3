"""Alembic environment of the registry's database."""
