"""How much the tests try: little in each run, much in a campaign (`make campaign`)."""

import os
from typing import Final

CAMPAIGN: Final = os.environ.get("COALMINE_TEST_CAMPAIGN") == "1"
"""True in a campaign."""

SEED: Final = os.environ.get("COALMINE_TEST_SEED", "20261121")
"""What chooses the moments of kills, and whatever else is left to chance."""


def size(reduced: int, full: int) -> int:
    """A number of examples, rounds or rows: reduced in each run, in full in a campaign."""
    return full if CAMPAIGN else reduced
