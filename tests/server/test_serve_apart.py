"""`coalmine serve registry` and `coalmine serve collector` apart, on one home, with one set of tokens."""

import shutil
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_schemas.prompts import UnknownEnvironment
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json, with_constants


def test_registry_and_collector_run_apart_and_know_the_same_tokens(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        ServerProcess(home, name="registry", part="registry") as registry,
        ServerProcess(home, name="collector", part="collector") as collector,
    ):
        registry.wait_ready()
        collector.wait_ready()
        with Person.local(registry) as admin:
            admin.register("greet", "1.0.0", HELLO)
            admin.get("/v1/facets", expect=404)
            reader = admin.make("grafana", "reader")
            scoped = admin.make("of-some", "reader", ["support.*"])
        reader.client.close()
        scoped.client.close()
        readout = collector.get("/v1/experiments/unknown/readout", token=scoped.token)
        assert (readout.status_code, readout.json()["status"]) == (404, 404)
        assert collector.get("/v1/facets", token=reader.token).status_code == 200
        assert collector.get("/v1/prompts").status_code == 404
        # Commands find the one they need.
        assert [each["name"] for each in coalmine_json("prompts", home=home)] == ["greet"]
        assert coalmine_json("versions", home=home) is not None
        assert (registry.stop(), collector.stop()) == (0, 0)
    assert not (home / "registry.json").exists()
    assert not (home / "server.json").exists()


def test_a_client_finds_the_registry_with_and_without_a_collector_in_either_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServerProcess(home, name="registry", part="registry") as registry:
        registry.wait_ready()
        with Person.local(registry) as admin:
            admin.register("greet", "1.0.0", HELLO)
            admin.promote("greet", "1.0.0", "dev")
        assert _served(home) == ("live", "Hello you")
        with ServerProcess(home, name="collector", part="collector") as collector:
            collector.wait_ready()
            assert _served(home) == ("live", "Hello you")
            assert registry.stop() == 0
            # The collector alone knows no prompts, and it is not asked for any.
            with pytest.raises(UnknownEnvironment, match=r"The registry: none runs in .*home"):
                _served(home)
            with ServerProcess(home, name="second", part="registry") as second:
                second.wait_ready()
                assert _served(home) == ("live", "Hello you")


def _served(home: Path) -> tuple[str, str]:
    """What a client without a cache is served, and where it came from."""
    shutil.rmtree(home / "cache", ignore_errors=True)
    with Coalmine("bot", "dev", home=home, startup_wait_s=10) as client:
        prompt = client.prompt("greet")
        return prompt.resolution, prompt.render(name="you")


def test_an_address_that_guesses_too_often_is_told_to_wait_and_a_good_client_is_not(tmp_path: Path) -> None:
    limit = {"COALMINE_SERVER_FAILED_LOGINS_PER_MINUTE": "3"}
    with ServerProcess(tmp_path / "home", limit, part="registry") as server:
        assert server.get("/v1/prompts").status_code == 200
        statuses = [server.get("/v1/prompts", token=f"cm_guess_{number}").status_code for number in range(30)]
        assert statuses == [401] * 3 + [429] * 27
        refused = server.get("/v1/prompts", token="cm_guess")
        assert refused.json()["type"] == "urn:coalmine:too-many-failed-logins"
        assert int(refused.headers["retry-after"]) >= 1
        assert server.get("/v1/prompts").status_code == 200
        # Whoever says to ask for somebody else is not believed: another address would have tries left.
        elsewhere = {"X-Forwarded-For": "192.0.2.7"}
        assert server.get("/v1/prompts", token="cm_guess", headers=elsewhere).status_code == 429
        # A token that was never seen from here is accepted at the first try.
        with Person.local(server) as admin, admin.make("fresh", "reader") as fresh:
            assert server.get("/v1/prompts", token=fresh.token).status_code == 200


def test_the_proxies_that_are_named_are_believed(tmp_path: Path) -> None:
    settings = {
        "COALMINE_SERVER_FAILED_LOGINS_PER_MINUTE": "1",
        "COALMINE_SERVER_TRUSTED_PROXIES": "127.0.0.0/8, 10.0.0.7",
    }
    with ServerProcess(tmp_path / "home", settings, part="registry") as server:
        for address, status in (("192.0.2.7", 401), ("192.0.2.7", 429), ("192.0.2.8", 401)):
            # The last one that is no proxy counts: what stands before it, anybody may have written.
            chain = {"X-Forwarded-For": f"203.0.113.{status % 250}, {address}, 10.0.0.7"}
            assert server.get("/v1/prompts", token="cm_guess", headers=chain).status_code == status


def test_a_rollout_that_the_registry_starts_is_decided_about_by_the_collector(tmp_path: Path) -> None:
    home = tmp_path / "home"
    soon = with_constants(coalmine_server__workers__analysis__ROLLOUTS_EVERY_S=0.5)
    with (
        ServerProcess(home, name="registry", part="registry") as registry,
        ServerProcess(home, soon, name="collector", part="collector") as collector,
    ):
        registry.wait_ready()
        collector.wait_ready()
        with Person.local(registry) as admin, admin.make("writer", "author") as writer:
            writer.register("greet", "1.0.0", HELLO)
            writer.register("greet", "1.1.0", GOODBYE)
            admin.promote("greet", "1.0.0", "prod")
        started = coalmine_json("rollout", "start", "greet", "1.1.0", home=home)
        status = coalmine_json("rollout", "status", home=home)
        assert (status["id"], status["state"], status["weight_commanded"]) == (started["id"], "running", 0.1)
        aborted = coalmine_json("rollout", "abort", started["id"], "--reason", "tidy", home=home)
        assert aborted["state"] == "aborted"
        kinds = [item["kind"] for item in coalmine_json("timeline", "greet", home=home)]
        assert kinds.count("rollout") >= 3
