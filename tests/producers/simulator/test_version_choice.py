"""Simulated services ask a registry through the client that real ones use."""

from collections import Counter
from pathlib import Path

from coalmine import Coalmine
from coalmine_simulator import (
    Playback,
    RegistryChooser,
    Simulation,
    registry_scenario,
    run,
)
from tests.support.data.prompt_examples import experiment_json, snapshot_json
from tests.support.doubles.deployment_server import DeploymentServer
from tests.support.eventually import eventually
from tests.support.oracles.produced import requests_of, spooled


def test_users_of_a_prompt_get_what_the_registry_serves(tmp_path: Path) -> None:
    config = registry_scenario(["support-refund"], users=1000).with_rate(2.0)
    with DeploymentServer() as registry:
        serving = experiment_json(0.1, epoch=7)
        serving["prompts"]["support-refund"]["rules"] = []
        registry.publish(serving)
        with Coalmine("support-bot", home=tmp_path, server_url=registry.url, on_full="wait") as client:
            assert client.wait_for_registry(30)
            simulation = Simulation(config, 1, RegistryChooser(lambda app, environment: client))
            result = run(simulation, lambda app, environment: client, Playback(history_s=900.0))
    assert result.flushed
    requests = requests_of(spooled(tmp_path))
    arms = Counter((each["version"], each["variant"], each["experiment"]) for each in requests)
    assert set(arms) == {("1.1.0", "treatment", "refund-tone"), ("1.0.0", "control", "refund-tone")}
    assert {(each["resolution"], each["allocation_epoch"]) for each in requests} == {("live", 7)}
    assert {each["request_model"] for each in requests} == {"model-1.1.0", "model-1.0.0"}
    units: dict[str, set[str]] = {"1.1.0": set(), "1.0.0": set()}
    for each in requests:
        units[each["version"]].add(each["unit_id"])
    assert not units["1.1.0"] & units["1.0.0"]
    share = len(units["1.1.0"]) / sum(map(len, units.values()))
    assert 0.05 < share < 0.15


def test_a_change_in_the_registry_changes_what_is_simulated(tmp_path: Path) -> None:
    config = registry_scenario(["support-refund"], users=50)
    versions: list[str] = []
    with DeploymentServer() as registry:
        registry.publish(snapshot_json())
        with Coalmine("support-bot", home=tmp_path, server_url=registry.url) as client:
            assert client.wait_for_registry(30)
            actions = iter(Simulation(config, 1, RegistryChooser(lambda app, environment: client)))
            versions += [next(actions).version for _ in range(20)]
            registry.publish(snapshot_json(revision=2, version="2.0.0"))
            eventually(lambda: client.prompt("support-refund").version == "2.0.0")
            versions += [next(actions).version for _ in range(2000)]
    assert set(versions[:20]) == {"1.0.0"}
    assert set(versions[-500:]) == {"2.0.0"}
