"""Measures calls of Bedrock by boto3: `client = instrument(boto3.client("bedrock-runtime"))`."""

from typing import Any, TypeVar

from coalmine.call import Call
from coalmine.integrations.calls import Take, begin_call, measured, take_whole
from coalmine.integrations.streams import MeasuredStream

ClientT = TypeVar("ClientT")


def instrument(client: ClientT, *, provider: str = "aws") -> ClientT:
    """Measures `converse` and `converse_stream`, where `using` says what for.

    Bedrock does not say which model answered, so events have none. Not `invoke_model`, whose replies have the
    shape of the model's own provider: begin a call by hand and give `record` the parsed body.

    Args:
        client: Of boto3, for `bedrock-runtime`.
        provider: Whose prices count.

    Returns:
        The same client.
    """

    def begun(arguments: dict[str, Any], take: Take) -> tuple[Call, Take] | None:
        call = begin_call(model=arguments.get("modelId"), provider=provider)
        return None if call is None else (call, take)

    def take_stream(call: Call, reply: Any) -> Any:  # noqa: ANN401
        return {**reply, "stream": MeasuredStream(reply["stream"], call)}

    found: Any = client
    found.converse = measured(found.converse, lambda _, arguments: begun(arguments, take_whole))
    found.converse_stream = measured(
        found.converse_stream, lambda _, arguments: begun(arguments, take_stream)
    )
    return client
