"""Compares a folder of configuration with the registry."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from coalmine_server.cli.configuration.files import Files, Given
from coalmine_server.cli.configuration.findings import Findings
from coalmine_server.cli.configuration.plan import Difference, Plan, Step
from coalmine_server.cli.configuration.registry_state import Json, RegistryState, read_state
from coalmine_server.cli.configuration.serving import compare_serving
from coalmine_server.cli.configuration.trials import compare_experiments, compare_rollouts
from coalmine_server.cli.options import path_of
from coalmine_server.cli.prompts.push import EDITED, push_file, version_body
from coalmine_server.cli.prompts.together import Together
from coalmine_server.client import Client
from coalmine_server.client.file_models import EnvironmentFile, PolicyTerms
from coalmine_server.errors import MOST_NAMES, CheckFailed

_OWN_FILE: Final = (
    "the server reads its own file when it starts: put this one there (alerts.file), and restart it"
)


def compare(client: Client, files: Files, *, prune: bool = False) -> Plan:
    """Returns what is to be done so that the registry agrees with the files. Changes nothing.

    Args:
        client: Of the registry's server.
        files: What the files say.
        prune: Remove rules that are not in the files.

    Raises:
        CheckFailed: The caller's token is for other prompts than those of the files.
        ServerError: The server does not answer, or not to this caller.
    """
    check_scope(client.get("/v1/whoami"), files)
    state = read_state(client, files)
    found = Findings(files, state, prune)
    _compare_prompts(found, client)
    for name, given in files.environments.items():
        if given.terms.policy is not None:
            _compare_policy(found, name, given, given.terms.policy)
    for name, given in files.environments.items():
        compare_serving(found, name, given)
    compare_experiments(found)
    compare_rollouts(found)
    if files.alerts is not None:
        _compare_alerts(found, files.alerts)
    return Plan(
        steps=found.steps,
        left=found.left,
        not_in_files=found.not_in_files,
        problems=found.problems,
        notes=found.notes,
        revisions=_revisions(found.steps, state),
        blocked=found.blocked,
    )


def check_scope(caller: Json, files: Files) -> None:
    """Refuses to compare what the caller does not see: it would look as if the registry did not have it.

    Raises:
        CheckFailed: Names the prompts.
    """
    patterns = caller["prompts"]
    if patterns is None:
        return
    others = sorted(name for name in files.names if not any(fnmatchcase(name, each) for each in patterns))
    if others:
        more = f" and {len(others) - MOST_NAMES} more" if len(others) > MOST_NAMES else ""
        raise CheckFailed(
            f"the token of {caller['subject']} is for the prompts {', '.join(patterns)}; the files have "
            f"{', '.join(others[:MOST_NAMES])}{more}, too",
            "plan and apply with another token, or a folder for each team",
        )
    if any(each.terms.policy is not None for each in files.environments.values()):
        raise CheckFailed(
            f"the token of {caller['subject']} is for the prompts {', '.join(patterns)}, and policies are "
            "for all",
            "keep policies in a folder of their own, or plan and apply with another token",
        )


def _revisions(steps: Sequence[Step], state: RegistryState) -> dict[tuple[str, str], int]:
    changed = {step.deployment for step in steps if step.deployment is not None}
    return {each: state.deployments[each]["revision"] if each in state.deployments else 0 for each in changed}


def _compare_prompts(found: Findings, client: Client) -> None:
    files = found.files.prompts
    if files is None:
        return
    together = Together(client, files)
    names = {file.reference for file in files}
    for file in files:
        known = found.state.versions[file.name].get(file.version)
        if known is not None:
            if known["digest"] != file.content.digest():
                found.problems.append(f"{file.path}: {EDITED}")
            continue
        checked = push_file(client, file, together, dry_run=True)
        if checked.result == "refused":
            found.problems.append(f"{file.path}: {'; '.join(checked.reasons)}")
            continue
        differences = tuple(Difference("change", None, each) for each in checked.reasons)
        found.steps.append(
            Step(
                action="create",
                kind="prompt",
                name=file.reference,
                file=str(file.path),
                differences=differences,
                method="POST",
                path=path_of("prompts", file.name, "versions"),
                body=version_body(file),
            )
        )
    if others := found.state.other_prompts:
        more = f" and {len(others) - MOST_NAMES} more" if len(others) > MOST_NAMES else ""
        found.notes.append(f"prompts that no file names: {', '.join(others[:MOST_NAMES])}{more}")
    for name, versions in found.state.versions.items():
        for version, each in versions.items():
            if each["status"] == "active" and f"{name}@{version}" not in names:
                why = f"registered by {each['author']}: `coalmine pull` writes it, `coalmine retire` ends it"
                found.beyond("prompt", f"{name}@{version}", why)


def _compare_policy(
    found: Findings, environment: str, given: Given[EnvironmentFile], terms: PolicyTerms
) -> None:
    known = found.state.policies[environment]
    wanted = terms.model_dump(mode="json")
    wanted["required_evidence"] = [each.replace(" ", "") for each in dict.fromkeys(terms.required_evidence)]
    differences = tuple(
        Difference(key, _shown(known[key]), _shown(value))
        for key, value in wanted.items()
        if _comparable(known[key]) != _comparable(value)
    )
    if differences:
        found.steps.append(
            Step(
                action="change",
                kind="policy",
                name=environment,
                file=given.at("policy"),
                differences=differences,
                method="PUT",
                path=path_of("environments", environment, "policy"),
                body={**wanted, "expected_revision": known["revision"]},
            )
        )


def _comparable(value: Any) -> object:  # noqa: ANN401 - JSON
    return set(value) if isinstance(value, list) else value  # kinds of evidence have no order


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON
    match value:
        case list():
            return f"[{', '.join(map(str, value))}]"
        case bool():
            return "true" if value else "false"
        case None:
            return "none"
    return str(value)


def _compare_alerts(found: Findings, given: Given[Any]) -> None:
    """Says where the server evaluates other rules or budgets. No request could change that."""
    from coalmine_alerts.configuration.thresholds import known_rules

    if found.state.alert_rules is None or found.state.budgets is None:
        found.notes.append(f"{given.path} is valid, and not compared: this server evaluates no alerts")
        return
    wanted = {
        each.name: {"severity": each.severity} | {one.name: one.value for one in each.thresholds}
        for each in known_rules(given.terms)
    }
    known = {
        each["name"]: {"severity": each["severity"]}
        | {one["name"]: one["value"] for one in each["thresholds"]}
        for each in found.state.alert_rules
    }
    _say_where(found, "rule", known, wanted)
    budget = ("period", "environment", "prompt", "app", "hard_cap", "owner")
    _say_where(
        found,
        "budget",
        {
            each["name"]: {"usd": each["budget_usd"]} | {key: each[key] for key in budget}
            for each in found.state.budgets
        },
        {
            each.name: {"usd": each.usd} | {key: getattr(each, key) for key in budget}
            for each in given.terms.budgets
        },
    )
    if any(each.kind == "alerts" for each in found.left):
        found.notes.append(f"{given.path}: {_OWN_FILE}")


def _say_where(found: Findings, what: str, known: Mapping[str, Json], wanted: Mapping[str, Json]) -> None:
    for name in sorted(known.keys() | wanted.keys()):
        old, new = known.get(name), wanted.get(name)
        if old == new:
            continue
        if old is None or new is None:
            said = "only the file has it" if old is None else "only the server has it"
            if what == "rule":
                said = (
                    "it is off on the server"
                    if old is None
                    else "it is on on the server, and off in the file"
                )
        else:
            said = ", ".join(
                f"{key} {_shown(old[key])} -> {_shown(new[key])}"
                for key in new
                if old.get(key) != new[key] and key in old
            )
        found.leave("alerts", f"{what} {name}", said)
