"""`coalmine call`: one call with everything that was said of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.options import asking, path_of
from coalmine_server.cli.output import AsJson, note, write_facts, write_json, write_table

if TYPE_CHECKING:
    from coalmine_consumers.results import StoredCall


def call(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The call's `request_id`.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one call with its feedback and scores, as long as raw events are kept.

    Texts are shown if they were captured and the token is an admin's, as are identifiers of users. Asks the
    running server. Without one, ingests what the spool holds and answers from the store.
    """
    from coalmine_consumers.results import StoredCall
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        found = client.get(path_of("requests", request_id))
    if as_json:
        write_json(found)
    else:
        write_call(read_as(StoredCall, found))


def write_call(found: "StoredCall") -> None:
    """A call, for people: first what was asked, then what was said of it, then texts."""
    facts: dict[str, object] = {
        "call": found.request_id,
        "time": found.event_time,
        "prompt": f"{found.prompt}@{found.version} in {found.environment}, by {found.resolution}",
        "experiment": found.experiment and f"{found.experiment}, {found.variant}",
        "app": found.app,
        "unit": found.unit_id,
        "session": found.session_id,
        "trace": found.trace_id,
        "continues": found.parent_request_id,
        "model": ", answered by ".join(filter(None, (found.request_model, found.response_model))),
        "parameters": _named(found.request_parameters),
        "outcome": found.outcome,
        "finish reason": found.finish_reason,
        "error": found.error_type,
        "tokens in": found.input_tokens,
        "of which cached": found.cached_input_tokens,
        "tokens out": found.output_tokens,
        "USD": None if found.cost_nano_usd is None else found.cost_nano_usd / 1e9,
        "priced by": found.cost_source,
        "latency ms": found.latency_ms,
        "first token ms": found.time_to_first_token_ms,
        "metrics": _named(found.metrics),
        "segments": _named(found.segments),
    }
    write_facts({name: value for name, value in facts.items() if value not in (None, "")})
    if found.feedback:
        typer.echo("\nFeedback")
        write_table(
            ("time", "thumbs", "rating", "comment", "correction"),
            [
                (each.event_time, each.thumbs, each.rating, each.comment, each.correction)
                for each in found.feedback
            ],
            empty="",
        )
    if found.scores:
        typer.echo("\nScores")
        write_table(
            ("time", "name", "value", "source", "scorer", "rationale"),
            [
                (each.event_time, each.name, each.value, each.source, each.scorer, each.rationale)
                for each in found.scores
            ],
            empty="",
        )
    for title, text in (("Input", found.input_text), ("Output", found.output_text)):
        if text is not None:
            typer.echo(f"\n{title}\n{text}")
    if not found.private:
        note("texts and identifiers of users are for admins: left out")


def _named(values: "dict[str, str] | dict[str, float]") -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
