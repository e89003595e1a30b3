"""Two servers on one PostgreSQL behind a proxy: changes reach everybody, and killing either hurts nobody."""

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from coalmine import Coalmine
from coalmine_registry.leases import owner
from coalmine_registry.registry import Registry
from coalmine_server.workers.leases import MEASURES
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.round_robin import RoundRobin

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


def persistently(url: str, token: str, path: str, body: object) -> int:
    """Sends a change through the proxy until a server has answered it; each connection is a new one."""

    def send() -> int | None:
        try:
            with httpx2.Client(base_url=url, trust_env=False, verify=False, timeout=20) as web:
                answer = web.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
        except httpx2.HTTPError:
            return None
        return None if answer.status_code == 503 else answer.status_code

    return eventually(send, what=f"an answer to {path}")


def test_changes_and_a_rollout_outlive_the_kill_of_either(tmp_path: Path, database: str) -> None:
    home, env = tmp_path / "home", {"COALMINE_REGISTRY_URL": database}
    with ExitStack() as stack:
        one = stack.enter_context(ServerProcess(home, env, name="one"))
        one.wait_ready()
        two = stack.enter_context(ServerProcess(home, env, name="two"))
        proxy = stack.enter_context(RoundRobin([one.url, two.url]))
        # Questions about numbers: the second says which one to ask.
        refused = two.get("/v1/versions")
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:coalmine:standby")
        assert one.url in refused.json()["detail"]
        with Person.local(one) as admin, Person.local(two) as elsewhere:
            with admin.make("ann", "author") as author:
                author.register("greet", "1.0.0", HELLO)
                author.register("greet", "1.1.0", GOODBYE)
            elsewhere.promote("greet", "1.0.0", "prod")
            elsewhere.promote("greet", "1.0.0", "dev")
            service = admin.make("bot", "service")
        client = stack.enter_context(
            Coalmine("bot", "prod", home=tmp_path / "bot", server_url=proxy.url, token=service.token)
        )
        stack.enter_context(service)
        assert client.prompt("greet").version == "1.0.0"

        started = persistently(proxy.url, two.token, "/v1/rollouts", {"prompt": "greet", "version": "1.1.0"})
        assert started == 201
        with Registry.open(database) as registry:
            (rollout,) = two.json("/v1/rollouts")["items"]

            def decisions() -> list[str]:
                found = two.json(f"/v1/rollouts/{rollout['id']}/decisions")["items"]
                assert len({each["seq"] for each in found}) == len(found)
                return sorted(each["kind"] for each in found)

            eventually(lambda: "start" in decisions() or None, what="started by whoever has the store")
            token = two.token
            done: list[int] = []

            def change() -> None:
                for number in range(12):
                    made = persistently(
                        proxy.url,
                        token,
                        "/v1/prompts/other/versions",
                        {"version": f"1.0.{number}", "content": {"template": f"number {number}"}},
                    )
                    done.append(made)

            changing = threading.Thread(target=change)
            changing.start()
            eventually(lambda: len(done) >= 3 or None, what="in the middle of changes")
            one.process.kill()
            two.wait_ready()  # it has taken over the store, and so everything that is done once
            changing.join(120)
            # Who got no answer sent it again: then it was there already.
            assert len(done) == 12
            assert set(done) <= {200, 201}
            numbers = [each["version"] for each in two.json("/v1/prompts/other/versions?limit=100")["items"]]
            assert sorted(numbers) == sorted(f"1.0.{number}" for number in range(12))
            made = [
                each for each in registry.audit_log("other", limit=100).items if each.action == "register"
            ]
            assert len(made) == 12
            holder = owner(registry, MEASURES)
            assert holder is not None
            assert holder.url == two.url

            three = stack.enter_context(ServerProcess(home, env, name="three"))
            proxy.servers = [three.url, two.url]
            aborted = persistently(
                proxy.url, token, f"/v1/rollouts/{rollout['id']}/abort", {"reason": "no longer wanted"}
            )
            assert aborted == 200
            two.process.kill()  # before, while or after it decides
            three.wait_ready()
            eventually(
                lambda: three.json(f"/v1/rollouts/{rollout['id']}")["state"] == "aborted" or None,
                what="aborted",
            )
            found = three.json(f"/v1/rollouts/{rollout['id']}/decisions")["items"]
            assert [each["kind"] for each in found].count("abort") == 1
            persistently(proxy.url, token, "/v1/prompts/greet/panic", {"reason": "see that it arrives"})
            eventually(lambda: client.prompt("greet").resolution == "live" or None, what="the client goes on")


def test_of_two_homes_one_has_the_measures_and_a_server_that_slept_ends(
    tmp_path: Path, database: str
) -> None:
    env = {"COALMINE_REGISTRY_URL": database}
    with (
        ServerProcess(tmp_path / "a", env) as one,
        Registry.open(database) as registry,
    ):
        one.wait_ready()
        with ServerProcess(tmp_path / "b", env) as two:
            eventually(lambda: "another server has the measures" in two.log_text() or None, what="standby")
            refused = two.get("/v1/versions")
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:coalmine:standby")
            assert one.url in refused.json()["detail"]
            # Each home keeps a token of its own; neither has revoked the other's.
            assert one.token != two.token
            for server in (one, two):
                for token in (one.token, two.token):
                    assert server.get("/v1/prompts", token=token).status_code == 200
            with ServerProcess(tmp_path / "c", env, part="registry") as apart:
                nowhere = apart.get("/v1/versions")
                assert nowhere.status_code == 404
                assert one.url in nowhere.json()["detail"]
            one.signal(signal.SIGSTOP)
            two.wait_ready()
            holder = owner(registry, MEASURES)
            assert holder is not None
            assert holder.url == two.url
            one.signal(signal.SIGCONT)
            assert one.wait() == 3
            assert "another server has taken over" in one.log_text()
            assert two.get("/v1/versions").status_code == 200
            assert two.stop() == 0
        assert owner(registry, MEASURES) is None


def test_a_copy_of_a_home_is_a_standby_like_any_other(tmp_path: Path, database: str) -> None:
    env = {"COALMINE_REGISTRY_URL": database}
    with ServerProcess(tmp_path / "a", env) as one:
        one.wait_ready()
        assert one.stop() == 0
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with ServerProcess(tmp_path / "a", env) as one:
        one.wait_ready()
        with ServerProcess(tmp_path / "b", env) as copy:
            eventually(lambda: "another server has the measures" in copy.log_text() or None, what="standby")
            assert one.get("/v1/versions").status_code == 200
