"""Options that the commands of the prompt registry share, and the server they ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.quick_end import only_asks

if TYPE_CHECKING:
    from coalmine_server.client import Client

TokenOption = Annotated[
    typer.FileText | None,
    typer.Option(
        "--token-file",
        help="File with the bearer token, - for standard input; default: COALMINE_TOKEN, else the token of "
        "this machine's own server.",
        show_default=False,
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the prompt.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Semantic version, e.g. 1.2.0.")]
EnvironmentArgument = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="dev, staging or prod.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Reason, for the audit log.", show_default=False)
]
OverrideOption = Annotated[
    bool,
    typer.Option(
        "--override",
        help="Change it although a rollout steers it. Needs an approver and --reason.",
    ),
]
ExpectOption = Annotated[
    int | None,
    typer.Option(
        "--expect",
        metavar="REVISION",
        min=0,
        help="Fail if the deployment has another revision, because it changed in the meantime.",
        show_default=False,
    ),
]
GoalOption = Annotated[
    list[str] | None,
    typer.Option(
        "--goal", metavar="METRIC", help="A promotion needs this metric, or another goal, to be better."
    ),
]
MarginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="METRIC=SIZE",
        help="A worsening that is not acceptable, e.g. cost_per_request_uncached=40% or error_rate=0.02.",
    ),
]
ToleranceOption = Annotated[
    list[str] | None,
    typer.Option("--tolerance", metavar="METRIC=SIZE", help="A worsening that does not roll back."),
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="METRIC=ROLE",
        help="must_prove: no promotion without proof that it is not worse; must_not_harm: harm rolls "
        "back; signal: harm only holds.",
    ),
]
DirectionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--direction",
        metavar="METRIC=WAY",
        help="Which way a metric of your own is better: higher, lower, or same.",
    ),
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="RATE=SHARE",
        help="Bad units at which an arm is rolled back without a comparison, e.g. error_rate=20%.",
    ),
]
SegmentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--segment",
        metavar="KEY",
        help="Declared segment whose values it is judged by, too; may be repeated; default: all.",
    ),
]
AlphaOption = Annotated[
    float | None,
    typer.Option(help="Probability of ever deciding wrongly; default: readout.alpha.", show_default=False),
]


@contextmanager
def registry_client(context: typer.Context, token: TextIO | None) -> Iterator["Client"]:
    """A client of the server that runs the prompt registry, for the length of a block.

    Raises:
        Unavailable: No server runs here and none is named.
    """
    from coalmine_server.client import open_registry_client

    # From a file, because everybody on this machine sees the arguments of a process.
    text = None if token is None else token.read().strip()
    only_asks()
    with open_registry_client(invocation(context).settings(asks=True, token=text)) as client:
        yield client


def plan_of(
    goal: list[str] | None,
    alpha: float | None,
    given: dict[str, list[str] | None],
    limit: list[str] | None = None,
    segment: list[str] | None = None,
) -> object:
    """What options say of how an experiment is judged, as the API takes it; None if they say nothing."""
    metrics: dict[str, dict[str, str]] = {}
    for part, texts in given.items():
        for metric, value in (_of_metric(part, each) for each in texts or ()):
            metrics.setdefault(metric, {})[part] = value
    limits = dict(_of_metric("limit", each) for each in limit or ())
    planned = {
        "goals": goal or [],
        "alpha": alpha,
        "metrics": metrics,
        "limits": limits,
        "segments": segment or [],
    }
    return planned if any(planned.values()) else None


def _of_metric(part: str, text: str) -> tuple[str, str]:
    metric, _, value = text.partition("=")
    if not (metric and value):
        example = "--limit error_rate=20%" if part == "limit" else "--margin cost_per_request_uncached=40%"
        raise typer.BadParameter(f"{text!r}: write --{part} METRIC=VALUE, e.g. {example}")
    return metric, value


def share_of(text: str, weight: str) -> float:
    """The share that a part of an argument says."""
    try:
        return float(weight)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: {weight!r} is not a number; give a share from 0 to 1") from None
