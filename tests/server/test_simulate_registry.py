"""`coalmine simulate --registry`: users of a prompt whose versions the registry serves."""

from collections import Counter
from pathlib import Path

from tests.support.data.prompt_examples import experiment_json, snapshot_json
from tests.support.doubles.deployment_server import DeploymentServer
from tests.support.eventually import eventually
from tests.support.oracles.produced import requests_of, spooled
from tests.support.processes.coalmine_process import coalmine, coalmine_json, environment
from tests.support.processes.warm_command import warm_command


def test_simulated_users_get_the_arms_of_the_registry(tmp_path: Path) -> None:
    with DeploymentServer() as registry:
        registry.publish(experiment_json(0.1))
        registry.token = "service"
        env = {"COALMINE_SERVER_URL": registry.url, "COALMINE_TOKEN": "service"}
        history = ("--history-hours", "0.3", "--seconds", "0", "--rate", "1")
        told = coalmine_json(
            *("simulate", "--registry", "support-refund", "--mix", *history), home=tmp_path, env=env
        )
    records = requests_of(spooled(tmp_path))
    assert told["produced_requests"] == len(records) > 300
    arms = Counter((record["version"], record["variant"]) for record in records)
    assert {("1.1.0", "treatment"), ("1.0.0", "control")} <= set(arms)
    assert {record["resolution"] for record in records} == {"live"}
    assert {record["environment"] for record in records} == {"prod"}


def test_simulated_users_follow_the_registry_while_they_are_simulated(tmp_path: Path) -> None:
    with DeploymentServer() as registry, (tmp_path / "log").open("wb") as log:
        registry.publish(experiment_json(0.1))
        registry.token = "service"
        env = {"COALMINE_SERVER_URL": registry.url, "COALMINE_TOKEN": "service"}
        simulation = warm_command().start(
            ["simulate", "--registry", "support-refund", "--mix", "--rate", "50", "--speed", "10"],
            environment=environment(tmp_path, env),
            folder=tmp_path,
            stdout=log,
            stderr=log,
        )

        def has_epoch(epoch: int) -> bool:
            return any(record["allocation_epoch"] == epoch for record in requests_of(spooled(tmp_path)))

        eventually(lambda: has_epoch(1), what="requests of the first weights")
        registry.publish(experiment_json(0.5, revision=3, epoch=2))
        eventually(lambda: has_epoch(2), what="requests of the new weights")
        simulation.terminate()
        assert simulation.wait(60) == 0, (tmp_path / "log").read_text(encoding="utf-8")
    latest = [record for record in requests_of(spooled(tmp_path)) if record["allocation_epoch"] == 2]
    assert {record["variant"] for record in latest} >= {"treatment", "control"}


def test_a_prompt_the_registry_does_not_serve_is_told(tmp_path: Path) -> None:
    with DeploymentServer() as registry:
        registry.publish(snapshot_json())
        env = {"COALMINE_SERVER_URL": registry.url, "COALMINE_TOKEN": "any"}
        done = coalmine("simulate", "--registry", "refund", "--mix", "--seconds", "1", home=tmp_path, env=env)
    assert done.returncode == 2
    assert "serves no prompt 'refund'" in done.stderr
    assert "Traceback" not in done.stderr
