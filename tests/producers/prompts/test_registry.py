"""The registry may die, lie, dawdle or come back: running clients serve on."""

import json
import multiprocessing
import os
import threading
from functools import partial
from pathlib import Path

import pytest

from coalmine import Coalmine, PollPolicy
from coalmine_schemas.discovery import announce_server
from coalmine_schemas.prompts import Snapshot, UnknownEnvironment, UnknownPrompt
from tests.producers.prompts.conftest import QUICK, MakeClient
from tests.support.campaign import size
from tests.support.data.prompt_examples import experiment_json, snapshot_json
from tests.support.doubles.deployment_server import DeploymentServer
from tests.support.eventually import eventually


def version_of(cm: Coalmine) -> str:
    return cm.prompt("support-refund", "u1").version


def _serves(cm: Coalmine, version: str) -> bool:
    return version_of(cm) == version


def resolution_of(cm: Coalmine) -> str:
    return cm.prompt("support-refund", "u1").resolution


def _write_cache(home: Path, snapshot: object) -> None:
    (home / "cache").mkdir()
    (home / "cache" / "deployments-prod.json").write_text(json.dumps(snapshot), encoding="utf-8")


def test_the_first_prompt_waits_for_the_registry_and_later_ones_ask_memory(
    registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    assert (version_of(cm), resolution_of(cm)) == ("1.0.0", "live")
    eventually(lambda: len(registry.questions) == 2)
    assert [cm.prompt("support-refund").version for _ in range(1000)] == ["1.0.0"] * 1000
    assert registry.questions == [
        ("/v1/deployments/prod", None, 0.0),
        ("/v1/deployments/prod", '"1"', QUICK.wait_s),
    ]


def test_a_change_wakes_the_client(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    assert cm.prompt("support-refund").render(question="x") == "v1.0.0 x"
    for revision in range(2, 12):
        registry.publish(snapshot_json(revision=revision, version=f"1.{revision}.0"))
        eventually(partial(_serves, cm, f"1.{revision}.0"))
        assert cm.prompt("support-refund").render(question="x") == f"v1.{revision}.0 x"
    assert resolution_of(cm) == "live"


def test_a_prompt_in_hand_keeps_its_version(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    prompt = cm.prompt("support-refund")
    registry.publish(snapshot_json(revision=2, version="2.0.0"))
    eventually(lambda: version_of(cm) == "2.0.0")
    assert prompt.render(question="x") == "v1.0.0 x"


@pytest.mark.parametrize("mode", ["error", "garbage", "wrong", "killed"])
def test_running_clients_serve_on_and_recover_by_themselves(
    mode: str, registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    assert resolution_of(cm) == "live"
    if mode == "killed":
        registry.kill()
    else:
        registry.mode = mode  # type: ignore[assignment]
        registry.publish(snapshot_json(revision=2, version="2.0.0"))
    eventually(lambda: resolution_of(cm) == "cached")
    asked = len(registry.questions)
    for _ in range(500):
        assert cm.prompt("support-refund", "u").render(question="x") == "v1.0.0 x"
    if mode == "killed":
        registry.publish(snapshot_json(revision=2, version="2.0.0"))
        registry.start()
    else:
        eventually(lambda: len(registry.questions) > asked + 3)
        assert resolution_of(cm) == "cached"
        registry.mode = "ok"
    eventually(lambda: (version_of(cm), resolution_of(cm)) == ("2.0.0", "live"))
    assert "internal" not in cm.stats().problems


def test_a_slow_registry_slows_nobody_down(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry, poll=PollPolicy(wait_s=0.05, timeout_s=30.0, least_pause_s=0.001))
    assert resolution_of(cm) == "live"
    registry.mode = "slow"
    asked = len(registry.questions)
    eventually(lambda: len(registry.questions) > asked)
    registry.publish(snapshot_json(revision=2, version="2.0.0"))
    # The registry holds its answer for ten seconds; a thousand prompts do not wait for it.
    assert {version_of(cm) for _ in range(1000)} == {"1.0.0"}
    assert len(registry.questions) == asked + 1
    registry.mode = "ok"


def test_a_registry_that_hangs_is_given_up(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry, poll=PollPolicy(wait_s=0.05, timeout_s=0.2, first_backoff_s=0.02))
    assert version_of(cm) == "1.0.0"
    registry.mode = "slow"
    eventually(lambda: resolution_of(cm) == "cached")
    registry.mode = "ok"
    eventually(lambda: resolution_of(cm) == "live")


def test_a_start_without_registry_uses_the_disk_then_the_fallback(
    tmp_path: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    cm.prompt("support-refund")
    cache = tmp_path / "cache" / "deployments-prod.json"
    eventually(cache.exists)
    cm.close(30)
    registry.kill()
    shipped = snapshot_json(version="0.1.0", revision=0)
    starting = make_client(registry, fallback=shipped)
    assert (version_of(starting), resolution_of(starting)) == ("1.0.0", "disk")
    cache.write_text("{garbage", encoding="utf-8")
    starting = make_client(registry, fallback=shipped)
    assert (version_of(starting), resolution_of(starting)) == ("0.1.0", "fallback")
    registry.publish(snapshot_json(revision=5, version="3.0.0"))
    registry.start()
    eventually(lambda: (version_of(starting), resolution_of(starting)) == ("3.0.0", "live"))
    eventually(lambda: b"3.0.0" in cache.read_bytes())
    assert Snapshot.from_json(json.loads(cache.read_bytes())).revision == 5
    # No file that was being written stays behind.
    eventually(lambda: [path.name for path in cache.parent.iterdir()] == [cache.name])


def test_a_start_with_nothing_says_so_and_recovers(
    registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    registry.mode = "error"
    cm = make_client(registry, startup_wait_s=0.2)
    with pytest.raises(UnknownEnvironment, match=r"answers 500.*the application ships none"):
        cm.prompt("support-refund")
    registry.mode = "ok"
    assert cm.wait_for_registry(30)
    assert version_of(cm) == "1.0.0"


def test_an_environment_the_registry_does_not_know_is_named(
    registry: DeploymentServer, make_client: MakeClient
) -> None:
    cm = make_client(registry, environment="qa", startup_wait_s=0.2)
    with pytest.raises(UnknownEnvironment, match=r"environment qa.*404 there is no such environment"):
        cm.prompt("support-refund")


def test_a_prompt_that_is_newer_than_the_disk_is_asked_for_once(
    tmp_path: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    _write_cache(tmp_path, snapshot_json(prompt="old"))
    registry.publish(snapshot_json(revision=2))
    cm = make_client(registry)
    assert resolution_of(cm) == "live"
    with pytest.raises(UnknownPrompt):
        cm.prompt("old")


def test_a_prompt_that_is_newer_than_the_disk_is_found_in_the_fallback(
    tmp_path: Path, make_client: MakeClient
) -> None:
    _write_cache(tmp_path, snapshot_json(prompt="old"))
    cm = make_client(fallback=snapshot_json())
    assert cm.prompt("old").resolution == "disk"
    assert resolution_of(cm) == "fallback"


def test_the_registrys_word_is_final(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(snapshot_json(prompt="other"))
    cm = make_client(registry, fallback=snapshot_json())
    assert cm.wait_for_registry(30)
    with pytest.raises(UnknownPrompt, match="serves no prompt"):
        cm.prompt("support-refund")


def test_the_token_is_sent_and_a_refusal_is_told(
    tmp_path: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    registry.token = "right"
    with pytest.raises(UnknownEnvironment, match="answers 401 give a token"):
        make_client(registry, token="wrong", startup_wait_s=0.2).prompt("support-refund")
    assert version_of(make_client(registry, token="right", home=tmp_path / "a")) == "1.0.0"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "credentials").write_text("right\n", encoding="utf-8")
    announce_server(tmp_path / "b", registry.url, "registry", registry.secret)
    assert version_of(make_client(registry, home=tmp_path / "b")) == "1.0.0"


def test_the_server_of_the_home_is_found(
    tmp_path: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    registry.token = "local"
    announce_server(tmp_path, registry.url, "registry", registry.secret)
    (tmp_path / "credentials").write_text("local\n", encoding="utf-8")
    assert resolution_of(make_client()) == "live"


@pytest.mark.parametrize("url", ["http://registry.invalid:8321", "http://127.0.0.1:1"])
def test_the_local_token_goes_to_announced_servers_only(
    tmp_path: Path, make_client: MakeClient, url: str
) -> None:
    (tmp_path / "credentials").write_text("local\n", encoding="utf-8")
    elsewhere = make_client(server_url=url)
    endpoint = elsewhere._prompts._endpoint()
    assert endpoint is not None
    assert endpoint.token is None


def test_many_threads_see_one_snapshot_at_a_time(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(experiment_json(0.5, revision=1))
    cm = make_client(registry)
    cm.prompt("support-refund", "u1")
    failures: list[BaseException] = []
    done = threading.Event()

    def serve(place: int) -> None:
        try:
            while not done.is_set():
                prompt = cm.prompt("support-refund", f"u{place}")
                assert prompt.render(question="x") == f"v{prompt.version} x"
                assert prompt.model in (f"model-{prompt.version}", None)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=serve, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for revision in range(2, size(7, 12)):
        odd, even = experiment_json(0.5, revision=revision), snapshot_json(revision=revision, version="2.0.0")
        registry.publish(odd if revision % 2 else even)
        eventually(partial(registry.has_told, revision))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_broken_disk_stops_nobody(
    tmp_path: Path, registry: DeploymentServer, make_client: MakeClient
) -> None:
    (tmp_path / "cache").write_text("no directory", encoding="utf-8")
    registry.publish(snapshot_json())
    cm = make_client(registry)
    assert resolution_of(cm) == "live"
    registry.publish(snapshot_json(revision=2, version="2.0.0"))
    eventually(lambda: version_of(cm) == "2.0.0")


def test_closing_ends_the_thread_and_serves_on(registry: DeploymentServer, make_client: MakeClient) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    assert resolution_of(cm) == "live"
    eventually(lambda: len(registry.questions) == 2)
    assert [each.name for each in threading.enumerate()].count("coalmine-prod") == 1
    assert cm.close(30)
    eventually(lambda: "coalmine-prod" not in [each.name for each in threading.enumerate()])
    assert version_of(cm) == "1.0.0"


def test_a_client_nobody_holds_ends_its_thread(tmp_path: Path, registry: DeploymentServer) -> None:
    registry.publish(snapshot_json())
    cm = Coalmine("a", home=tmp_path, server_url=registry.url, poll=QUICK)
    cm.prompt("support-refund")
    del cm
    eventually(lambda: "coalmine-prod" not in [each.name for each in threading.enumerate()])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_serves_on_and_follows_by_itself(
    registry: DeploymentServer, make_client: MakeClient
) -> None:
    registry.publish(snapshot_json())
    cm = make_client(registry)
    assert resolution_of(cm) == "live"
    reading, writing = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        try:
            writing.send((version_of(cm), resolution_of(cm)))
            eventually(lambda: (version_of(cm), resolution_of(cm)) == ("2.0.0", "live"))
            writing.send((version_of(cm), resolution_of(cm)))
        finally:
            os._exit(0)
    assert reading.poll(60)
    version, resolution = reading.recv()
    assert version == "1.0.0"
    assert resolution in ("cached", "live")
    registry.publish(snapshot_json(revision=2, version="2.0.0"))
    assert reading.poll(60)
    assert reading.recv() == ("2.0.0", "live")
    os.waitpid(child, 0)
    # The parent's own connection was left alone.
    eventually(lambda: (version_of(cm), resolution_of(cm)) == ("2.0.0", "live"))


def test_backing_off_grows_and_is_spread() -> None:
    policy = PollPolicy(first_backoff_s=1.0, max_backoff_s=10.0)
    assert [policy.backoff_s(failures, 1.0) for failures in (1, 2, 3, 4, 5, 1000)] == [1, 2, 4, 8, 10, 10]
    assert policy.backoff_s(5, 0.0) == 2.5
