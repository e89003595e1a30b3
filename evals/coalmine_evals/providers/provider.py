"""What is asked of a model, and who answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from coalmine_evals.records import Output, Scorer
from coalmine_schemas.errors import Terminal
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: str
    """`system`, `user`, `assistant`."""
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that decides what a model answers. Equal requests are the same question."""

    model: str
    """As the provider names it, e.g. `gpt-4o-mini-2024-07-18`."""
    messages: tuple[Message, ...]
    """Those of the system among them, as `CompiledPrompt.messages` makes them."""
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    """Sent as they are, e.g. `temperature`, `max_tokens`."""
    response_schema: Mapping[str, JsonValue] | None = None
    """JSON Schema that the answer has to follow; None for free text."""
    embed: bool = False
    """True if the model embeds the one message: the output's text is its vector, as a JSON array."""

    def to_json(self) -> JsonObject:
        """The request as JSON: what the key of the cache is computed from."""
        return {
            "model": self.model,
            "messages": [{"role": each.role, "content": each.content} for each in self.messages],
            "parameters": dict(self.parameters),
            "response_schema": None if self.response_schema is None else dict(self.response_schema),
            **({"embed": True} if self.embed else {}),
        }


class Provider(Protocol):
    """Answers requests to models."""

    @property
    def name(self) -> str:
        """`openai`, `anthropic`."""

    @property
    def address(self) -> str:
        """Where it is, without credentials: answers from elsewhere are other answers."""

    async def answer(self, request: Request, *, repeat: int = 0) -> Output:
        """Answers a request, however many times it takes.

        Args:
            request: What is asked.
            repeat: Number of the repeat of the same request: each is an answer of its own.

        Returns:
            The answer. What went wrong with this request alone is its `error`.

        Raises:
            ProviderRefused: It would refuse every other request, too.
        """


class ProviderRefused(Terminal):
    """No request will be answered until something is changed: the key, the model, the address, the quota."""


class Models(Protocol):
    """Finds who answers for a model. Within a run, answers are cached and count towards its budget."""

    def of(self, model: str, provider: str | None = None, base_url: str | None = None) -> Provider:
        """Returns who answers.

        Args:
            model: Name of the model.
            provider: `openai` (and all that speak its API) or `anthropic`; None tells by the model's name.
            base_url: Where; None for where the settings say, else the provider's own.

        Raises:
            InvalidParameter: The provider is not known, or it has no key.
        """


@runtime_checkable
class Asking(Protocol):
    """A scorer that knows which models it asks."""

    def provider(self) -> Provider:
        """Returns who answers.

        Raises:
            InvalidParameter: There is no such judge, or nobody who answers for its model.
        """


@runtime_checkable
class AsksModels(Protocol):
    """A scorer that asks models. Whoever runs it says which, before its first score."""

    def with_models(self, models: Models) -> Scorer:
        """Returns the scorer that asks these."""
