"""The tables of evaluations."""

from typing import Final

from sqlalchemy import MetaData

from coalmine_evals.storage.run_tables import run_tables

VERSION: Final = 1
"""Of the tables."""

metadata: Final = MetaData()

eval_runs, eval_answers = run_tables(metadata)
