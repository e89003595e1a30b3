"""Exit codes of commands that end with an answer of the gate, for CI to act on."""

from collections.abc import Mapping
from typing import Final, Literal

from coalmine_evals.results.gate import Outcome

UndecidedAs = Literal["pass", "fail"]

EXIT_CODES: Final[Mapping[Outcome, int]] = {"pass": 0, "fail": 1, "undecided": 3, "invalid": 4}
"""2 is left to mistakes in the command."""


def exit_code(outcome: Outcome, undecided: UndecidedAs | None = None) -> int:
    """Returns the exit code.

    Args:
        outcome: Of the gate.
        undecided: What an undecided gate counts as; None: a code of its own, 3.
    """
    return EXIT_CODES[undecided if outcome == "undecided" and undecided is not None else outcome]
