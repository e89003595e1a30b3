"""The gate: is the candidate not worse than the baseline, worse, or can these cases not say?"""

from coalmine_evals.gate.exit_codes import UndecidedAs, exit_code
from coalmine_evals.gate.judge import judge

__all__ = ["UndecidedAs", "exit_code", "judge"]
