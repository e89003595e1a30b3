"""A version of a prompt as it was served: what a service renders and calls a model with."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from coalmine.call import Call
from coalmine.input_length import note_input
from coalmine_schemas.events import ResolutionName
from coalmine_schemas.prompts import Choice, JsonValue, PromptContent, Variable

if TYPE_CHECKING:
    from coalmine.prompts.loaded_snapshot import LoadedSnapshot
    from coalmine_schemas.prompts.templating import CompiledPrompt


class Prompt:
    """One version of a prompt, chosen for one unit. Made by `Coalmine.prompt`; immutable, safe to share."""

    __slots__ = (
        "_begin",
        "_choice",
        "_filling",
        "_loaded",
        "_misuse",
        "environment",
        "name",
        "resolution",
        "segments",
        "session_id",
    )

    def __init__(
        self,
        begin: Callable[..., Call],
        loaded: "LoadedSnapshot",
        choice: Choice,
        name: str,
        *,
        environment: str,
        resolution: ResolutionName,
        session_id: str | None,
        segments: Mapping[str, str] | None,
        misuse: Callable[[str], None],
    ) -> None:
        self._begin = begin
        self._misuse = misuse
        self._loaded = loaded
        self._choice = choice
        self._filling = object()
        """Stands for this prompt where it must not be kept alive."""
        self.name = name
        self.environment = environment
        self.resolution: ResolutionName = resolution
        """Source of the choice: `live`, `cached`, `disk`, `fallback`; `fixed` for a version asked for."""
        self.session_id = session_id
        self.segments = segments

    def __deepcopy__(self, _memo: object) -> Self:
        """The same one: it never changes."""
        return self

    @property
    def version(self) -> str:
        """Version that is served."""
        return self._choice.version

    @property
    def variant(self) -> str | None:
        """Arm of the experiment, where one chose; `preferred` for a version that was preferred."""
        return self._choice.variant

    @property
    def experiment(self) -> str | None:
        """Experiment that chose the version."""
        return self._choice.experiment

    @property
    def allocation_epoch(self) -> int | None:
        """Counter of the experiment's changes of weights."""
        return self._choice.allocation_epoch

    @property
    def unit_id(self) -> str | None:
        """Who is served; made up where an experiment had to choose and neither user nor session was given."""
        return self._choice.unit_id

    @property
    def content(self) -> PromptContent:
        """Everything the version says."""
        return self._choice.content

    @property
    def model(self) -> str | None:
        """Model the version is meant for."""
        return self._choice.content.model

    @property
    def parameters(self) -> Mapping[str, JsonValue]:
        """Parameters for the model, e.g. `temperature`; a copy, which a service may add to."""
        return dict(self._choice.content.parameters)

    @property
    def output_schema(self) -> Mapping[str, JsonValue] | None:
        """JSON Schema of the answer."""
        return self._choice.content.output_schema

    @property
    def variables(self) -> Mapping[str, Variable]:
        """What it may be given, with what it includes."""
        return self._loaded.compiled(f"{self.name}@{self._choice.version}").variables

    def render(self, /, **variables: Any) -> str:  # noqa: ANN401 - checked against what the prompt declares
        """The prompt as one text. Values that it does not declare are ignored, and told as misuse.

        Raises:
            MissingVariables: Values that have to be given were not; names all of them.
            InvalidVariable: A value has another type than declared.
            RenderLimitExceeded: Too much output or work.
            RenderError: The template fails with these values.
            InvalidTemplate: The template itself cannot be used.
        """
        return self._compiled(variables).render(variables)

    def messages(self, /, **variables: Any) -> list[Any]:  # noqa: ANN401
        """The prompt as messages, `role` and `content`; a text prompt is one message of the user.

        Each is a `dict[str, str]`; every provider's package has types of its own for that.

        Raises:
            MissingVariables: Values that have to be given were not; names all of them.
            InvalidVariable: A value has another type than declared.
            RenderLimitExceeded: Too much output or work.
            RenderError: The template fails with these values.
            InvalidTemplate: The template itself cannot be used.
        """
        return self._compiled(variables).messages(variables)

    def call(self, *, model: str | None = None, **arguments: Any) -> Call:  # noqa: ANN401
        """Begins a call to a model with this version: `with prompt.call(...) as call:`, or `async with`.

        What was served, to whom and why travels on the event.

        Args:
            model: Model to ask; the version's own unless given.
            arguments: Further ones of `Coalmine.call`, such as `provider`, `trace_id`, `parent_request_id`,
                and `parameters`, which are the version's own unless given.
        """
        choice = self._choice
        given: dict[str, Any] = {
            "version": choice.version,
            "model": model if model is not None else choice.content.model,
            "parameters": choice.content.parameters,
            "unit_id": choice.unit_id,
            "session_id": self.session_id,
            "segments": self.segments,
            "variant": choice.variant,
            "experiment": choice.experiment,
            "allocation_epoch": choice.allocation_epoch,
            "resolution": self.resolution,
            "environment": self.environment,
        }
        call = self._begin(self.name, **{**given, **arguments})
        call.filling = self._filling
        return call

    def _compiled(self, variables: Mapping[str, Any]) -> "CompiledPrompt":
        reference = f"{self.name}@{self._choice.version}"
        compiled = self._loaded.compiled(reference)
        note_input(self._filling, variables)
        unknown = compiled.unknown(variables)
        if unknown:
            known = ", ".join(compiled.variables) or "none"
            self._misuse(
                f"prompt {reference} was given {', '.join(unknown[:5])}, which it does not declare: it has "
                f"the variables {known}"
            )
        return compiled

    def __repr__(self) -> str:
        return f"Prompt({self.name}@{self.version}, {self.environment}, {self.resolution})"
