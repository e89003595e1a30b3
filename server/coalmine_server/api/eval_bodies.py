"""Bodies of requests about evaluations."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from coalmine_evals.records import Output
from coalmine_evals.results.runs import LONGEST_TEXT
from coalmine_evals.runs.published import Claim, ClaimedAnswer, ClaimedSide
from coalmine_server.api.bodies import Body, Json, PromptName, VersionText
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.moment_parameter import Moment

_HEX = r"^[0-9a-f]{64}$"


class EvalSideBody(Body):
    """What was run."""

    version: VersionText | None = Field(
        default=None, description="Version of the suite's prompt; null for a draft."
    )
    digest: str = Field(
        pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of the content, `sha256:<hex>`."
    )
    provider: str = Field(max_length=100, description="Provider that answered.", examples=["openai"])
    model: str | None = Field(default=None, max_length=200, description="Model that was asked.")

    def claimed(self) -> ClaimedSide:
        """As the part takes it."""
        return ClaimedSide(self.version, self.digest, self.provider, self.model)


class EvalRunBody(Body):
    """A run that was made elsewhere. Its answers follow."""

    id: str = Field(
        pattern=r"^ev-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="Id of the run: `ev-<UUID>`."
    )
    suite: str = Field(min_length=1, max_length=200, description="Name of the suite, which was pushed.")
    suite_digest: str = Field(pattern=_HEX, description="SHA-256 of the suite.")
    repeats: int = Field(default=1, ge=1, le=20, description="Answers per case and side.")
    candidate: EvalSideBody = Field(description="What was tried.")
    baseline: EvalSideBody | None = Field(default=None, description="What it was compared with.")

    def claimed(self) -> Claim:
        """As the part takes it."""
        return Claim(
            id=self.id,
            suite=self.suite,
            suite_digest=self.suite_digest,
            repeats=self.repeats,
            candidate=self.candidate.claimed(),
            baseline=None if self.baseline is None else self.baseline.claimed(),
        )


class EvalAnswerBody(Body):
    """One answer of a run."""

    case: str = Field(min_length=1, max_length=500, description="Id of the case.")
    side: Literal["candidate", "baseline"] = Field(description="Of which side.")
    repeat: int = Field(default=0, ge=0, le=19, description="Number of the repeat, from 0.")
    text: str | None = Field(
        default=None,
        max_length=LONGEST_TEXT,
        description="What was answered; null if it is not told.",
    )
    error: str | None = Field(default=None, max_length=2_000, description="Why there is no answer.")
    response_model: str | None = Field(default=None, max_length=200, description="Model that answered.")
    input_tokens: int | None = Field(default=None, ge=0, le=2**40, description="Tokens of the request.")
    output_tokens: int | None = Field(default=None, ge=0, le=2**40, description="Tokens of the answer.")
    cost_nano_usd: int | None = Field(default=None, ge=0, le=2**53, description="What it cost.")
    latency_ms: float | None = Field(default=None, ge=0, le=1e9, description="How long it took.")
    answered_at: datetime | None = Field(default=None, description="When it was answered.")
    scores: dict[str, float | None] = Field(
        default={},
        max_length=100,
        description="What judges that are models said, by metric. Other metrics are scored by the server, "
        "unless the text is not told.",
    )
    details: dict[str, Any] = Field(default={}, max_length=100, description="Why, by metric.")
    scoring_nano_usd: int = Field(default=0, ge=0, le=2**53, description="What the judges cost.")

    def claimed(self) -> ClaimedAnswer:
        """As the part takes it."""
        return ClaimedAnswer(
            case=self.case,
            side=self.side,
            repeat=self.repeat,
            output=Output(
                text=self.text,
                error=self.error,
                response_model=self.response_model,
                input_tokens=self.input_tokens,
                output_tokens=self.output_tokens,
                cost_nano_usd=self.cost_nano_usd,
                latency_ms=self.latency_ms,
                answered_at=self.answered_at,
                cached=True,
            ),
            scores=self.scores,
            details=self.details,
            scoring_nano_usd=self.scoring_nano_usd,
        )


class EvalAnswersBody(Body):
    """Answers of a run."""

    answers: list[EvalAnswerBody] = Field(min_length=1, max_length=1_000, description="Answers of a run.")


class RerunBody(Body):
    """Models to try on what is served."""

    models: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=20, description="Models as their providers name them."
    )
    prompts: list[PromptName] | None = Field(
        default=None,
        min_length=1,
        max_length=1_000,
        description="Only these prompts; null: all served ones.",
    )


class EvalEvidenceBody(Body):
    """What a run is evidence for."""

    version: VersionText | None = Field(
        default=None, description="Version with the content that was run; null for the version that was run."
    )


class DatasetBody(Body):
    """Cases for a name."""

    name: PromptName = Field(description="Name of the dataset.", examples=["refund-cases"])
    lines: str = Field(
        min_length=1,
        description="JSON Lines: one case a line, with `id`, `variables`, `expected` and others.",
        examples=['{"id": "late", "variables": {"question": "Is it too late?"}, "expected": "14 days"}'],
    )


class ProposeBody(Body):
    """Which requests to propose as cases."""

    prompt: PromptName = Field(description="Prompt that was served.")
    environment: str | None = Field(
        default=None, min_length=1, max_length=100, description="Environment that it was served in."
    )
    since: Moment = Field(description=f"Feedback given at or after this: {MOMENT_HELP}.", examples=["7d"])
    limit: int = Field(default=100, ge=1, le=1_000, description="Requests to propose at most.")


class ConfirmBody(Body):
    """What a case has that a proposal becomes; what is left out stays as proposed."""

    case: Json = Field(
        default={},
        description="Any of `id`, `variables`, `expected`, `capabilities`, `cluster`, `split`, `must_pass`.",
        examples=[{"expected": "14 days", "must_pass": True}],
    )


class SuiteBody(Body):
    """A suite, as its file has it."""

    suite: Json = Field(description="`prompt`, `dataset`, `dataset_digest`, `metrics` and others.")


class ReviewAnswersBody(Body):
    """One person's answers to the questions about a request."""

    answers: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        Annotated[str, Field(min_length=1, max_length=200)],
    ] = Field(max_length=50, description="Answer by question.", examples=[{"correct": "yes"}])
    comment: str | None = Field(
        default=None, min_length=1, max_length=2000, description="Why, kept with the scores."
    )
