"""The alerts' own database, a SQLite file: alerts must get out while the registry's database is away."""
