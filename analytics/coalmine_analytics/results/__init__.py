"""Results of the analyses: frozen dataclasses that are stored, served and shown as they are.

These modules import neither numpy nor scipy nor DuckDB, so a client can read results without them. None means
unknown: never 0, and never p = 1.
"""
