"""The tables of evaluations."""

from typing import Final

from sqlalchemy import MetaData

from coalmine_evals.storage.judge_tables import judge_tables
from coalmine_evals.storage.production_tables import review_tables, scoring_tables
from coalmine_evals.storage.rerun_tables import rerun_tables
from coalmine_evals.storage.run_tables import run_tables

VERSION: Final = 1
"""Of the tables."""

metadata: Final = MetaData()

production_scores, production_state, production_progress = scoring_tables(metadata)
review_items, review_claims, review_answers = review_tables(metadata)
judge_calibrations, judge_canaries, judge_canary_days = judge_tables(metadata)
eval_runs, eval_answers = run_tables(metadata)
eval_jobs, model_flags = rerun_tables(metadata)
