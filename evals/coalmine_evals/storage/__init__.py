"""The SQLite file of evaluations."""
