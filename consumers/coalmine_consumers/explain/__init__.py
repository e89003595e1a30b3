"""Evidence on why a metric changed: raw requests of two versions, or two periods, of a prompt."""

from coalmine_consumers.explain.contributions import known_cells
from coalmine_consumers.explain.dimensions import OTHER
from coalmine_consumers.explain.evidence import Evidence, NoEvidence, evidence
from coalmine_consumers.explain.question import Question, Side
from coalmine_consumers.explain.sample import MOST_SAMPLED, Sample
from coalmine_consumers.explain.sums import MixCells, ValueSums

__all__ = [
    "MOST_SAMPLED",
    "OTHER",
    "Evidence",
    "MixCells",
    "NoEvidence",
    "Question",
    "Sample",
    "Side",
    "ValueSums",
    "evidence",
    "known_cells",
]
