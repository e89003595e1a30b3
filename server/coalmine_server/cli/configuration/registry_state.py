"""What the registry has of what a folder of configuration says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coalmine_registry.records import ENVIRONMENTS
from coalmine_server.cli.configuration.files import Files
from coalmine_server.cli.configuration.plan import Deployment
from coalmine_server.cli.options import path_of
from coalmine_server.client import Client
from coalmine_server.errors import NotFound

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RegistryState:
    """Answers of the server, as JSON."""

    versions: Mapping[str, Mapping[str, Json]]
    """Versions by name of the prompt, of those that the files name."""
    other_prompts: Sequence[str]
    """Prompts that no file names, if the files have prompts."""
    policies: Mapping[str, Json]
    deployments: Mapping[Deployment, Json]
    """Of the environments that have a file or are named by one."""
    experiments: Mapping[str, Json]
    """By name, those of rollouts included, the newest first."""
    rollouts: Sequence[Json]
    """The newest first."""
    most_rollouts: int | None
    """That may hold places in one environment at the same time. None: not asked for, or an old server."""
    promotions: Sequence[Json]
    """The newest first."""
    alert_rules: Sequence[Json] | None
    """None: not asked for, or the server evaluates no alerts."""
    budgets: Sequence[Json] | None


def read_state(client: Client, files: Files) -> RegistryState:
    """Asks for what the files are compared with, and for nothing else."""
    serving = any(each.terms.prompts is not None for each in files.environments.values())
    experiments, rollouts = files.experiments is not None, files.rollouts is not None
    environments = {
        *(name for name, each in files.environments.items() if each.terms.prompts is not None),
        *(each.terms.environment for each in (files.experiments or {}).values()),
    }
    if rollouts:  # of which the plan may say where
        environments |= set(ENVIRONMENTS)
    found = [
        each
        for environment in sorted(environments)
        for each in client.get(path_of("environments", environment, "prompts"))
    ]
    asked_policies = any(each.terms.policy is not None for each in files.environments.values())
    policies = client.get("/v1/environments") if asked_policies else []
    known = [] if files.prompts is None else [each["name"] for each in client.items("/v1/prompts")]
    others = [each for each in known if each not in files.names]
    rules, budgets = _alerts(client, files)
    return RegistryState(
        versions=_versions(client, files),
        other_prompts=others,
        policies={each["environment"]: each for each in policies},
        deployments={(each["environment"], each["prompt"]): each for each in found},
        experiments={each["name"]: each for each in client.items("/v1/experiments")}
        if serving or experiments
        else {},
        rollouts=client.items("/v1/rollouts") if serving or experiments or rollouts else [],
        most_rollouts=_most_rollouts(client) if rollouts else None,
        promotions=client.items("/v1/promotions") if serving else [],
        alert_rules=rules,
        budgets=budgets,
    )


def _versions(client: Client, files: Files) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for name in sorted(files.names):
        try:
            items = client.items(path_of("prompts", name, "versions"))
        except NotFound:
            items = []
        found[name] = {each["version"]: each for each in items}
    return found


def _most_rollouts(client: Client) -> int | None:
    try:
        return int(client.get("/v1/rollout-limits")["most_at_once"])
    except NotFound:
        return None


def _alerts(client: Client, files: Files) -> tuple[Sequence[Json] | None, Sequence[Json] | None]:
    if files.alerts is None:
        return None, None
    try:
        return client.get("/v1/alerts/rules"), client.get("/v1/spending")["budgets"]
    except NotFound:  # a server that runs the registry alone
        return None, None
