"""`coalmine serve answers`: answers from snapshots of a store that another process owns."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine import Coalmine
from tests.server.registry_client import HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess

SOON = {"COALMINE_ANSWERS_RENEW_EVERY_S": "1"}


def send(home: Path, calls: int) -> None:
    with Coalmine("support-bot", home=home) as client:
        for number in range(calls):
            with client.call("greet", version="1.0.0", model="gpt-4o-mini", unit_id=f"u{number}") as call:
                call.record(input_tokens=100, output_tokens=10)


def stored(server: ServerProcess) -> int:
    return sum(row["requests"] for row in server.json("/v1/versions")["items"])


def snapshots(home: Path) -> list[str]:
    folder = home / "snapshots"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replica") / "home"


@pytest.fixture(scope="module")
def writer(home: Path) -> Iterator[ServerProcess]:
    with ServerProcess(home, SOON) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def replica(home: Path, writer: ServerProcess) -> Iterator[ServerProcess]:
    assert writer.url
    with ServerProcess(home, SOON, name="replica", part="answers") as server:
        yield server.wait_ready()
        assert server.stop() == 0


def sent(home: Path, writer: ServerProcess, replica: ServerProcess, calls: int) -> None:
    """Sends calls, and waits until the replica has them, too."""
    wanted = stored(writer) + calls
    send(home, calls)
    eventually(lambda: stored(writer) == wanted, what="stored")
    eventually(lambda: stored(replica) == wanted, what="the next snapshot")


def test_a_replica_answers_as_the_writer_does_and_says_how_old_it_is(
    home: Path, writer: ServerProcess, replica: ServerProcess
) -> None:
    sent(home, writer, replica, 20)
    for path in ("/v1/versions", "/v1/facets", "/v1/timeseries", "/v1/prompts", "/v1/costs"):
        assert replica.json(path) == writer.json(path), path
    for _ in range(3):
        sent(home, writer, replica, 1)
        assert len(snapshots(home)) <= 4
    answer = replica.get("/v1/versions")
    as_of = datetime.fromisoformat(answer.headers["coalmine-as-of"])
    assert 0 <= (datetime.now(UTC) - as_of).total_seconds() <= 60
    assert int(answer.headers["age"]) <= 60
    status = replica.json("/v1/ingest")
    assert status["state"] == "replica"
    assert datetime.fromisoformat(status["as_of"]) >= as_of
    assert writer.json("/v1/ingest")["as_of"] is None
    assert "coalmine-as-of" not in writer.get("/v1/versions").headers


def test_a_replica_refuses_changes_and_names_the_writer(
    writer: ServerProcess, replica: ServerProcess
) -> None:
    headers = {"Authorization": f"Bearer {replica.token}"}
    for path in ("/v1/events", "/v1/prompts/greet/versions", "/v1/tokens", "/v1/backups", "/v1/nowhere"):
        refused = replica.web.post(path, json={}, headers=headers)
        assert refused.status_code == 405, path
        assert refused.json()["type"] == "urn:coalmine:read-only"
        assert refused.json()["writer"] == writer.url
        assert writer.url in refused.json()["detail"]
    assert replica.web.post("/v1/tokens", json={}).status_code == 401
    asked = replica.web.post("/v1/sql", json={"sql": "SELECT 1 AS one"}, headers=headers)
    assert asked.json()["rows"] == [[1]]


def test_tokens_and_their_prompts_are_those_of_the_registry(
    home: Path, writer: ServerProcess, replica: ServerProcess
) -> None:
    sent(home, writer, replica, 1)
    with Person.local(writer) as admin:
        admin.register("greet", "1.0.0", HELLO)
        assert [each["name"] for each in replica.json("/v1/prompts")["items"]] == ["greet"]
        with admin.make("other", "reader", ["other.*"]) as other:
            assert replica.json("/v1/versions", token=other.token)["items"] == []
            admin.post(f"/v1/tokens/{other.token_id}/revoke")
            eventually(
                lambda: replica.get("/v1/versions", token=other.token).status_code == 401,
                what="revoked here, too",
            )


def test_either_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServerProcess(home, SOON) as writer:
        writer.wait_ready()
        send(home, 10)
        eventually(lambda: stored(writer) == 10, what="stored")
        with ServerProcess(home, SOON, name="replica", part="answers") as replica:
            replica.wait_ready()
            eventually(lambda: stored(replica) == 10, what="in the snapshot")
            writer.process.kill()
            writer.wait()
            assert stored(replica) == 10
            replica.process.kill()
            replica.wait()
        # One that starts while the writer is away begins with what is there.
        with ServerProcess(home, SOON, name="replica", part="answers") as replica:
            replica.wait_ready()
            assert stored(replica) == 10
            before = replica.json("/v1/ingest")["as_of"]
            send(home, 2)
            with ServerProcess(home, SOON, name="again") as again:
                again.wait_ready()
                eventually(lambda: stored(replica) == 12, what="the new writer's snapshot")
                assert replica.json("/v1/ingest")["as_of"] > before
                for _ in range(2):
                    with ServerProcess(home, SOON, name="killed", part="answers") as killed:
                        killed.wait_ready()
                        time.sleep(0.2)
                send(home, 1)
                eventually(lambda: stored(replica) == 13, what="one more")
                assert len(snapshots(home)) <= 5
