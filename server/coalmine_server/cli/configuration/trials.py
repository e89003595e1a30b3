"""Compares experiments and rollouts: each is started once, and what has ended is not started again."""

from typing import Any

from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_rollouts.records import TERMINAL
from coalmine_schemas.prompts import Arm, percent
from coalmine_server.cli.configuration.files import Given, ordered_arms
from coalmine_server.cli.configuration.findings import Findings, Target
from coalmine_server.cli.configuration.history import Place
from coalmine_server.cli.configuration.plan import Difference, Step, told_apart
from coalmine_server.cli.configuration.registry_state import Json
from coalmine_server.cli.options import path_of
from coalmine_server.client.file_models import ExperimentFile, RolloutFile


def compare_experiments(found: Findings) -> None:
    """Compares all experiments, if there is a folder of them."""
    if found.files.experiments is None:
        return
    for name, given in found.files.experiments.items():
        terms = given.terms
        known = [
            found.is_version(terms.prompt, arm.version, given.at("arms", number, "version"))
            for number, arm in enumerate(terms.arms)
        ]
        if all(known):
            _compare_experiment(found, name, given, found.state.experiments.get(name))
    ours = {*found.files.experiments, *(each["id"] for each in found.state.rollouts)}
    for name, each in found.state.experiments.items():
        if each["status"] == "running" and each["prompt"] in found.files.names and name not in ours:
            why = f"it runs in {each['environment']} on {each['prompt']}: `coalmine experiment stop` ends it"
            found.beyond("experiment", name, why)


def compare_rollouts(found: Findings) -> None:
    """Compares all rollouts, if there is a folder of them."""
    if found.files.rollouts is None:
        return
    seen: dict[tuple[Any, str], str] = {}
    for name, given in found.files.rollouts.items():
        target = found.targets[name]
        where = given.at("version")
        if not found.is_version(target.place.prompt, target.version, where):
            continue
        other = seen.setdefault((target.place, target.version), str(given.path))
        if other != str(given.path):
            found.problems.append(f"{where}: {other} rolls the same version out there: remove one of them")
            continue
        _compare_rollout(found, name, given, target)
    for each in found.state.rollouts:
        is_ours = any(
            target.place.has(each) and target.version == each["treatment"]
            for target in found.targets.values()
        )
        is_named = each["prompt"] in found.files.names
        if each["state"] not in TERMINAL and is_named and not is_ours:
            why = f"it is {each['state']} in {each['environment']}: `coalmine rollout abort` ends it"
            found.beyond("rollout", each["id"], why)


def _compare_experiment(found: Findings, name: str, given: Given[ExperimentFile], known: Json | None) -> None:
    terms, arms = given.terms, ordered_arms(given.terms)
    place = Place(terms.environment, terms.prompt, terms.rule)
    if name in {each["id"] for each in found.state.rollouts}:
        found.problems.append(
            f"{given.path}: {name} is the experiment of a rollout, which steers it: call the file otherwise"
        )
        return
    if known is None:
        can = [found.is_place(place, given.at("rule") if terms.rule else given.at("environment"))]
        can += [
            found.can_be_served(terms.prompt, arm.version, given.at("arms", number, "version"))
            for number, arm in enumerate(terms.arms)
        ]
        if not all(can) or not found.is_free("experiment", name, place, str(given.path)):
            return
        places = {"environment": terms.environment, "prompt": terms.prompt, "rule": terms.rule}
        said = {key: value for key, value in places.items() if value is not None}
        body = terms.model_dump(mode="json", exclude={"environment", "prompt"}, exclude_none=True)
        found.steps.append(
            Step(
                action="create",
                kind="experiment",
                name=name,
                file=str(given.path),
                differences=(
                    *(Difference(key, None, value) for key, value in said.items()),
                    Difference("arms", None, _arms(arms)),
                ),
                method="POST",
                path=path_of("environments", terms.environment, "prompts", terms.prompt, "experiments"),
                body={**body, "name": name},
                deployment=(terms.environment, terms.prompt),
            )
        )
        return
    other = _other_terms(terms, arms, known)
    if other is not None:
        key, before, after = other
        found.problems.append(
            f"{given.at(key)}: experiment {name} was started with {key} {before}, and keeps it; the file has "
            f"{after}: put it back, or give the file another name"
        )
        return
    if known["status"] == "stopped":
        found.notes.append(f"{given.path}: {name} is stopped, and not started again")
    weights = {each["variant"]: each["weight"] for each in known["arms"]}
    wanted = {each.variant: each.weight for each in arms}
    if known["status"] == "running" and weights != wanted:
        before_arms = [Arm(each["variant"], each["version"], each["weight"]) for each in known["arms"]]
        found.steps.append(
            Step(
                action="change",
                kind="experiment",
                name=name,
                file=given.at("arms"),
                differences=(Difference("arms", *told_apart(_arms, before_arms, arms)),),
                method="PUT",
                path=path_of("experiments", name, "weights"),
                body={"weights": wanted},
                deployment=(terms.environment, terms.prompt),
            )
        )


def _other_terms(
    terms: ExperimentFile, arms: tuple[Arm, ...], known: Json
) -> tuple[str, object, object] | None:
    """The first of what an experiment keeps that the file has otherwise."""
    for key in ("environment", "prompt", "rule"):
        if getattr(terms, key) != known[key]:
            return key, known[key], getattr(terms, key)
    before = ", ".join(f"{each['variant']}={each['version']}" for each in known["arms"])
    after = ", ".join(f"{each.variant}={each.version}" for each in arms)
    if before != after:
        return "arms", before, after
    # A version of this program may read a plan otherwise than the one that started an old experiment.
    if known["status"] == "running" and terms.plan is not None:
        plans = ExperimentPlan.from_json(known["plan"]), ExperimentPlan.from_json(terms.plan)
        if plans[0] != plans[1]:
            return "plan", "another", "this one"
    return None


def _compare_rollout(found: Findings, name: str, given: Given[RolloutFile], target: Target) -> None:
    place = target.place
    known = [each for each in found.state.rollouts if place.has(each) and each["treatment"] == target.version]
    if known:
        latest = known[0]
        if latest["state"] in TERMINAL:
            found.notes.append(f"{given.path}: {latest['id']} is {latest['state']}, and not started again")
        elif latest["plan_digest"] != target.plan.digest():
            why = "its plan is fixed since it was started: put the file back, or abort it and start another"
            found.leave("rollout", latest["id"], f"the file {given.path} has another plan: {why}")
        return
    if target.version in (_served(found, target), _about_to_serve(found, target)):
        return  # there is nothing to roll out
    at_version = given.at("rule") if given.terms.rule else given.at("version")
    if not (
        found.is_place(place, at_version) & found.can_be_served(place.prompt, target.version, at_version)
    ):
        return
    if not found.has_room(name, place, str(given.path)):
        return
    if given.terms.if_taken is None and not found.is_free("rollout", name, place, str(given.path)):
        return
    where = f"{place.environment}/{place.prompt}" + (f" {place.rule}" if place.rule else "")
    body = given.terms.model_dump(mode="json", exclude_none=True)
    plan = target.plan
    stages = ", ".join(percent(each.weight) for each in plan.stages)
    found.steps.append(
        Step(
            action="create",
            kind="rollout",
            name=name,
            file=str(given.path),
            differences=(
                Difference("version", None, f"{place.prompt}@{target.version}"),
                Difference("place", None, where),
                Difference("plan", None, f"{plan.template or 'its own'}: {stages}"),
            ),
            method="POST",
            path="/v1/rollouts",
            body={**body, "environment": place.environment},
            deployment=(place.environment, place.prompt),
        )
    )


def _served(found: Findings, target: Target) -> str | None:
    """The version that a place serves, or that returns to it."""
    serving = found.state.deployments.get((target.place.environment, target.place.prompt))
    if serving is None or target.place.rule is None:
        return None if serving is None else serving["version"]
    rules = {each["name"]: each["serve"] for each in serving["rules"]}
    version: str | None = rules.get(target.place.rule, {}).get("version")
    return version


def _about_to_serve(found: Findings, target: Target) -> str | None:
    """The version that a step of this plan gives to a place that serves nothing yet."""
    given = found.files.environments.get(target.place.environment)
    terms = None if given is None else (given.terms.prompts or {}).get(target.place.prompt)
    if terms is None or (target.place.environment, target.place.prompt) in found.state.deployments:
        return None
    if target.place.rule is None:
        return terms.version
    return next((each.serve["version"] for each in terms.rules or () if each.name == target.place.rule), None)


def _arms(arms: Any) -> str:  # noqa: ANN401 - a sequence of arms
    return ", ".join(f"{each.variant} {each.version} {percent(each.weight)}" for each in arms)
