"""Compares what environments serve: the version by default, and targeting rules."""

from collections.abc import Mapping, Sequence
from typing import Any

from coalmine_server.cli.configuration.files import Given
from coalmine_server.cli.configuration.findings import Findings
from coalmine_server.cli.configuration.history import (
    Place,
    live_rollouts,
    pending_promotion,
    running_experiment,
    waits_for,
    why_left,
)
from coalmine_server.cli.configuration.plan import Difference, Step, told_apart
from coalmine_server.cli.configuration.registry_state import Json
from coalmine_server.cli.options import path_of
from coalmine_server.client.file_models import EnvironmentFile, ServedTerms

Rule = dict[str, Any]


def compare_serving(found: Findings, environment: str, given: Given[EnvironmentFile]) -> None:
    """Compares everything that an environment serves, if its file says any of it."""
    prompts = given.terms.prompts
    if prompts is None:
        return
    for prompt, terms in sorted(prompts.items()):
        serving = found.state.deployments.get((environment, prompt))
        _compare_version(found, environment, prompt, given, terms, serving)
        if terms.rules is not None:
            _compare_rules(found, environment, prompt, given, terms, serving)
    for (where, prompt), serving in sorted(found.state.deployments.items()):
        if where == environment and prompt in found.files.names - prompts.keys():
            found.beyond("version", f"{where}/{prompt}", f"it serves {serving['version']}")


def _compare_version(  # noqa: PLR0917 - one place, and what is said of it
    found: Findings,
    environment: str,
    prompt: str,
    given: Given[EnvironmentFile],
    terms: ServedTerms,
    serving: Json | None,
) -> None:
    wanted, served = terms.version, None if serving is None else serving["version"]
    name, where = f"{environment}/{prompt}", given.at("prompts", prompt, "version")
    if wanted is None:
        if serving is None and terms.rules:
            found.problems.append(
                f"{given.at('prompts', prompt)}: {environment} serves nothing of {prompt} yet, and rules "
                "need a default: give a version"
            )
        return
    if wanted == served or not found.is_version(prompt, wanted, where):
        return
    place = Place(environment, prompt)
    if serving is not None and _is_brought(found, place, wanted):
        return
    why = why_left(found.state, place, wanted)
    waiting = pending_promotion(found.state, place, wanted)
    if waiting is not None:
        found.blocked[environment, prompt] = waits_for(waiting)
    if why is not None:
        served_now = f"{served} is served" if served else "nothing is served"
        found.leave("version", name, f"{served_now}, the file says {wanted}: {why}")
        return
    if not found.can_be_served(prompt, wanted, where):
        return
    found.steps.append(
        Step(
            action="create" if serving is None else "change",
            kind="version",
            name=name,
            file=where,
            differences=(Difference("version", served, wanted),),
            method="POST",
            path="/v1/promotions",
            body={
                "prompt": prompt,
                "version": wanted,
                "environment": environment,
                "evidence": _evidence(terms),
            },
            deployment=(environment, prompt),
        )
    )


def _compare_rules(  # noqa: PLR0917 - one place, and what is said of it
    found: Findings,
    environment: str,
    prompt: str,
    given: Given[EnvironmentFile],
    terms: ServedTerms,
    serving: Json | None,
) -> None:
    before: list[Rule] = [] if serving is None else [dict(each) for each in serving["rules"]]
    old = {each["name"]: each for each in before}
    wanted: list[Rule] = []
    for number, rule in enumerate(terms.rules or ()):
        version: str = rule.serve["version"]
        where = given.at("prompts", prompt, "rules", number)
        if not found.is_version(prompt, version, where):
            return
        place = Place(environment, prompt, rule.name)
        serve = _serve(found, place, version, old.get(rule.name))
        is_new = rule.name not in old or serve != old[rule.name]["serve"]
        if is_new and not found.can_be_served(prompt, version, where):
            return
        wanted.append({"name": rule.name, "when": dict(rule.when), "serve": serve})
    after = _with_others(found, environment, prompt, before, wanted)
    differences = _differences(before, after)
    if differences:
        found.steps.append(
            Step(
                action="change" if before else "create",
                kind="rules",
                name=f"{environment}/{prompt}",
                file=given.at("prompts", prompt, "rules"),
                differences=differences,
                method="PUT",
                path=path_of("environments", environment, "prompts", prompt, "rules"),
                body={"rules": after, "evidence": _evidence(terms)},
                deployment=(environment, prompt),
            )
        )


def _serve(found: Findings, place: Place, version: str, old: Rule | None) -> dict[str, str]:
    """What a rule is to serve: what it serves now, where that is not for the files to change."""
    if old is None:
        return {"version": version}
    serves: dict[str, str] = old["serve"]
    now = serves.get("version")
    if now is None:  # an experiment, which gives the version back that it replaced
        experiment = running_experiment(found.state, place)
        now = None if experiment is None else experiment["replaced"]
    if now == version or _is_brought(found, place, version):
        return serves
    why = why_left(found.state, place, version)
    if why is None:
        return {"version": version}
    name = f"{place.environment}/{place.prompt} {place.rule}"
    found.leave("rules", name, f"{now or serves} is served, the file says {version}: {why}")
    return serves


def _with_others(
    found: Findings, environment: str, prompt: str, before: Sequence[Rule], wanted: Sequence[Rule]
) -> list[Rule]:
    """The rules of the file with those of the registry alone, each behind the rule that it stood behind."""
    after, behind = list(wanted), -1
    ours = {each["name"] for each in wanted}
    for rule in before:
        if rule["name"] in ours:
            behind = next(at for at, each in enumerate(after) if each["name"] == rule["name"])
            continue
        place = Place(environment, prompt, rule["name"])
        busy = running_experiment(found.state, place) is not None or live_rollouts(found.state, place)
        if found.prune and not busy:
            continue
        why = "something runs in its place: end that first" if busy else "--prune removes it"
        found.beyond("rules", f"{environment}/{prompt} {rule['name']}", why)
        behind += 1
        after.insert(behind, rule)
    return after


def _differences(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[Difference, ...]:
    old, new = ({each["name"]: each for each in rules} for rules in (before, after))
    differences = [
        Difference(name, *told_apart(_words, old.get(name), new.get(name)))
        for name in [*new, *(each for each in old if each not in new)]
        if old.get(name) != new.get(name)
    ]
    kept = [[name for name in rules if name in old and name in new] for rules in (old, new)]
    if kept[0] != kept[1]:
        differences.append(Difference("order", ", ".join(kept[0]), ", ".join(kept[1])))
    return tuple(differences)


def _words(rule: Mapping[str, Any]) -> str:
    when = " and ".join(f"{segment} is {' or '.join(values)}" for segment, values in rule["when"].items())
    return f"{' '.join(f'{each}' for each in rule['serve'].values())} where {when}"


def _is_brought(found: Findings, place: Place, version: str) -> bool:
    """True if a rollout of the files brings a version to a place, or is about to."""
    if not any(each.place == place and each.version == version for each in found.targets.values()):
        return False
    before = [each for each in found.state.rollouts if place.has(each) and each["treatment"] == version]
    return not before or before[0] in live_rollouts(found.state, place)


def _evidence(terms: ServedTerms) -> list[dict[str, str]]:
    return [each.model_dump() for each in terms.evidence]
