"""How near is the answer in meaning to the expected text, as an embedding model has it?"""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from coalmine_analytics.arrays import FloatArray
from coalmine_evals.providers.provider import Message, Models, Provider, Request
from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import Compares, NoReference, shown, unscored

_LONGEST: Final = 20_000
"""Characters that are embedded: models take a few thousand tokens."""


class _NoVector(Exception):
    """There is no embedding; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSimilarity(Compares):
    """Cosine of the embeddings of answer and expected text, of several the nearest; below 0 it counts as 0.

    Unrelated texts have a cosine well above 0: look at some cases before choosing a margin.
    """

    name: ClassVar[str] = "embedding_similarity@1"
    model: str
    """The embedding model, e.g. `text-embedding-3-small`."""
    provider: str | None = None
    """Who answers for it, by OpenAI's API; told by its name if not said."""

    def with_models(self, models: Models) -> "_Embedded":
        """Returns the scorer that asks these."""
        return _Embedded(self, models)

    async def score(self, case: Case, output: str) -> Score:
        """Says that it needs models."""
        return unscored("nobody said which models to ask")


@dataclass(frozen=True, slots=True)
class _Embedded:
    """The scorer, with the models that it asks."""

    settings: EmbeddingSimilarity
    models: Models

    @property
    def name(self) -> str:
        """With the model: another one's scores are another series."""
        return f"{self.settings.name}#{self.settings.model}"

    def provider(self) -> Provider:
        """Who embeds; see `Asking`."""
        return self.models.of(self.settings.model, self.settings.provider)

    async def score(self, case: Case, output: str) -> Score:
        """Scores one answer."""
        try:
            wanted = self.settings.wanted_texts(case)
            if not output.strip():
                return Score(0.0, {"why": "the answer is empty"})
            answer, cost = await self._vector(output)
            best, nearest = -1.0, ""
            for text in wanted:
                vector, more = await self._vector(text)
                cost += more
                if vector.shape != answer.shape:
                    return unscored("the embeddings differ in length")
                if (cosine := float(vector @ answer)) > best:
                    best, nearest = cosine, text
        except (NoReference, _NoVector) as missing:
            return unscored(str(missing))
        return Score(min(1.0, max(0.0, best)), {"cosine": round(best, 4), "nearest": shown(nearest)}, cost)

    async def _vector(self, text: str) -> tuple[FloatArray, int]:
        """The embedding of length 1, and what it cost."""
        request = Request(self.settings.model, (Message("user", text[:_LONGEST]),), embed=True)
        found = await self.provider().answer(request)
        if found.text is None:
            raise _NoVector(found.error or "there is no embedding")
        vector: Any = np.array(json.loads(found.text), np.float64)
        norm = float(np.linalg.norm(vector))
        if not 0 < norm < np.inf:
            raise _NoVector("the embedding is not a direction")
        return vector / norm, found.cost_nano_usd or 0
