"""A home is backed up while its server works, and a restored one answers the same."""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_registry.registry import Registry
from coalmine_server.services.backup.restore import _alone
from tests.server.registry_client import Person
from tests.support.doubles.small_disk import mounted_disk
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json
from tests.support.servers.postgres import PostgresServer

ASKED = (
    "/v1/versions",
    "/v1/facets",
    "/v1/prompts",
    "/v1/prompts/greet/versions",
    "/v1/prompts/greet/log",
    "/v1/environments/prod/prompts",
)


def send(home: Path, calls: int) -> None:
    with Coalmine("support-bot", home=home) as client:
        for number in range(calls):
            with client.call("greet", version="1.0.0", model="gpt-4o-mini", unit_id=f"u{number}") as call:
                call.record(input_tokens=100, output_tokens=10)
            client.feedback(call.request_id, thumbs="up")


def liked(server: ServerProcess) -> int:
    return sum(row["thumbs_up"] for row in server.json("/v1/versions")["items"])


def answers(server: ServerProcess) -> dict[str, Any]:
    with Person.local(server) as admin:
        return {path: admin.get(path) for path in ASKED}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def registries(request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Environments of the home that is backed up, and of the one that is restored."""
    if request.param == "sqlite":
        yield {}, {}
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    urls = [postgres.create_database() for _ in range(2)]
    yield {"COALMINE_REGISTRY_URL": urls[0]}, {"COALMINE_REGISTRY_URL": urls[1]}
    for url in urls:
        postgres.drop_database(url)


def test_a_restored_home_answers_the_same(
    tmp_path: Path, registries: tuple[dict[str, str], dict[str, str]]
) -> None:
    home, other, made = tmp_path / "home", tmp_path / "other", tmp_path / "made"
    env, other_env = registries
    with ServerProcess(home, env) as server:
        server.wait_ready()
        with Person.local(server) as admin, admin.make("ann", "author") as author:
            author.register("greet", "1.0.0", {"template": "Hello"})
            admin.promote("greet", "1.0.0", "prod")
        (home / "pricing.toml").write_text("", encoding="utf-8")
        send(home, 20)
        eventually(lambda: liked(server) == 20 or None, what="stored")
        found = coalmine_json("backup", str(made), home=home, env=env)
        expected = answers(server)
        send(home, 5)  # the server goes on
    assert list((home / "backups").iterdir()) == []
    assert (found["counts"]["store"]["requests_hot"], found["counts"]["registry"]["versions"]) == (
        20,
        1,
    )
    assert "home/pricing.toml" in {each["path"] for each in found["files"]}
    done = coalmine_json("restore", str(made), "--verify", home=other, env=other_env)
    assert done["checks"] == ["digests", "counts", "audit", "registry opened"]
    with ServerProcess(other, other_env) as server:
        server.wait_ready()
        assert answers(server) == expected
        assert server.json("/v1/audit", params={"deep": "true"})["ok"]
    again = coalmine("restore", str(made), home=other, env=other_env)
    assert again.returncode == 2
    assert "into an empty" in again.stderr or "has tables" in again.stderr


def test_what_waits_in_the_spool_is_in_the_backup(tmp_path: Path) -> None:
    home, other, made = tmp_path / "home", tmp_path / "other", tmp_path / "made"
    send(home, 3)
    coalmine_json("versions", home=home)  # reads them
    send(home, 4)
    shutil.copytree(home / "spool", tmp_path / "spool")
    coalmine_json("backup", str(made), home=home)
    # As if the spool had been copied before the command read it: each event is in both.
    shutil.copytree(tmp_path / "spool", made / "home" / "spool", dirs_exist_ok=True)
    manifest = json.loads((made / "backup.json").read_text())
    manifest["files"] = [each for each in manifest["files"] if not each["path"].startswith("home/spool")]
    (made / "backup.json").write_text(json.dumps(manifest))
    coalmine_json("restore", str(made), "--verify", home=other)
    shutil.copytree(tmp_path / "spool", other / "spool", dirs_exist_ok=True)
    (row,) = coalmine_json("versions", home=other)
    assert (row["requests"], row["thumbs_up"]) == (7, 7)


def test_damage_is_found_before_anything_is_written(tmp_path: Path) -> None:
    home, other, made = tmp_path / "home", tmp_path / "other", tmp_path / "made"
    send(home, 3)
    coalmine_json("backup", str(made), home=home)
    kept = tmp_path / "kept"
    shutil.copytree(made, kept)
    database = made / "home" / "store" / "coalmine.duckdb"
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 1
    database.write_bytes(bytes(content))
    for folder, said in ((made, "is damaged"), (tmp_path / "nothing", "is no backup")):
        refused = coalmine("restore", str(folder), home=other)
        assert refused.returncode in (1, 2)
        assert said in refused.stderr
        assert not (other / "store").exists()
    (kept / "home" / "store" / "coalmine.duckdb").unlink()
    assert "missing" in coalmine("restore", str(kept), home=other).stderr


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        '{"format": 1}',
        '{"format": 1, "files": 3, "counts": {}}',
        '{"format": 1, "files": [{"path": "home/x"}], "counts": {}}',
        '{"format": 1, "files": [{"path": "/etc/passwd", "size_bytes": 1, "sha256": "a"}], "counts": {}}',
        '{"format": 1, "files": [{"path": "home/../x", "size_bytes": 1, "sha256": "a"}], "counts": {}}',
        '{"format": 1, "files": [{"path": "home/\\u0000", "size_bytes": 1, "sha256": "a"}], "counts": {}}',
    ],
    ids=["list", "empty", "no files", "no digest", "absolute", "outside", "nul"],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "made" / "home").mkdir(parents=True)
    (tmp_path / "made" / "backup.json").write_text(manifest)
    refused = coalmine("restore", str(tmp_path / "made"), home=tmp_path / "home")
    assert refused.returncode in (1, 2)
    assert "is no backup" in refused.stderr or "is outside" in refused.stderr
    assert not (tmp_path / "home" / "store").exists()


def test_a_place_that_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    home, real = tmp_path / "home", tmp_path / "real"
    send(home, 1)
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for place in (tmp_path / "file", tmp_path / "file" / "made", tmp_path / "dangling"):
        for command in ("backup", "export"):
            refused = coalmine(command, str(place), home=home)
            assert refused.returncode == 2
            assert f"cannot make the folder {place}" in refused.stderr
    assert not any((home / name).exists() for name in ("backups", "exports"))
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert coalmine_json("backup", str(tmp_path / "link"), home=home)["counts"]
    assert (real / "backup.json").is_file()


def test_counts_that_differ_are_found(tmp_path: Path) -> None:
    home, other, made = tmp_path / "home", tmp_path / "other", tmp_path / "made"
    send(home, 3)
    coalmine_json("backup", str(made), home=home)
    manifest = json.loads((made / "backup.json").read_text())
    manifest["counts"]["store"]["requests_hot"] = 4
    (made / "backup.json").write_text(json.dumps(manifest))
    refused = coalmine("restore", str(made), "--verify", home=other)
    assert refused.returncode == 1
    assert "requests_hot has 3 rows, and 4 in the backup" in refused.stderr


def test_a_restore_that_was_interrupted_can_be_done_again(tmp_path: Path) -> None:
    home, other, made = tmp_path / "home", tmp_path / "other", tmp_path / "made"
    send(home, 3)
    coalmine_json("backup", str(made), home=home)
    with mounted_disk(other, size_kib=40_000):
        database_bytes = (made / "home" / "store" / "coalmine.duckdb").stat().st_size
        (other / "fill").write_bytes(bytes(40_000 * 1024 - database_bytes // 2))
        stopped = coalmine("restore", str(made), home=other)
        assert stopped.returncode == 3
        assert stopped.stderr.startswith("coalmine: the disk is full: ")
        assert [path.name for path in other.iterdir()] == ["fill"]  # no half of a home to start a server on
        (other / "fill").unlink()
        (other / "restoring" / "store").mkdir(parents=True)  # as of one that was killed
        (other / "restoring" / "store" / "half").write_text("")
        assert coalmine_json("restore", str(made), "--verify", home=other)["checks"]
        assert not (other / "restoring").exists()
        assert not (other / "store" / "half").exists()
        (row,) = coalmine_json("versions", home=other)
        assert row["requests"] == 3


def test_two_restores_at_once_do_not_meet(tmp_path: Path) -> None:
    home, other, made = tmp_path / "home", tmp_path / "other", tmp_path / "made"
    send(home, 3)
    coalmine_json("backup", str(made), home=home)
    half = other / "restoring" / "store" / "half"  # of the other one, which is at work
    half.parent.mkdir(parents=True)
    half.write_text("")
    at_work = os.open(other, os.O_RDONLY)
    fcntl.flock(at_work, fcntl.LOCK_EX)
    refused = coalmine("restore", str(made), home=other)
    assert refused.returncode == 3
    assert "another restore is at work" in refused.stderr
    assert half.exists()
    os.close(at_work)
    assert coalmine_json("restore", str(made), "--verify", home=other)["checks"]


def test_a_home_whose_file_system_locks_no_folders_can_be_restored_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_opened: int, _how: int) -> None:
        raise OSError(errno.EBADF, "as NFS does")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with _alone(tmp_path):
        pass


def test_what_an_interrupted_command_left_with_the_server_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    send(home, 1)
    for number, command in enumerate(("backup", "export")):
        told = []
        for each in ("left", "clean"):
            folder = home / f"{command}s" / "01a00000"
            if each == "left":
                folder.mkdir(parents=True)
            told.append(coalmine(command, str(tmp_path / f"{each}{number}"), home=home).stderr)
            shutil.rmtree(folder, ignore_errors=True)
        assert f"{home / f'{command}s'} has 01a00000, which nobody fetched" in told[0]
        assert "nobody fetched" not in told[1]


def test_a_copy_that_would_take_events_from_a_spool_elsewhere_is_told_of(tmp_path: Path) -> None:
    home, other, made, spool = (tmp_path / name for name in ("home", "other", "made", "spool"))
    home.mkdir()
    (home / "coalmine.toml").write_text(f'[spool]\ndir = "{spool}"\n', encoding="utf-8")
    coalmine_json("backup", str(made), home=home)
    told = coalmine("restore", str(made), "--verify", home=other)
    assert told.returncode == 0
    assert f"this home reads events from {spool}" in told.stderr
    apart = {"COALMINE_SPOOL_DIR": str(other / "spool")}
    assert f"set COALMINE_SPOOL_DIR={apart['COALMINE_SPOOL_DIR']}" in told.stderr
    with (
        Coalmine("support-bot", home=home, spool_dir=spool) as client,
        client.call("greet", version="1") as call,
    ):
        call.record(input_tokens=100, output_tokens=10)
    assert coalmine_json("versions", home=other, env=apart) == []
    (row,) = coalmine_json("versions", home=home)
    assert row["requests"] == 1
    shutil.rmtree(other)
    assert coalmine("restore", str(made), home=other, env=apart).stderr == ""


@pytest.mark.postgres
@pytest.mark.parametrize("named", [True, False])
def test_restored_settings_that_name_the_registry_of_the_first_home_are_told_of(
    tmp_path: Path, postgres: PostgresServer, *, named: bool
) -> None:
    home, made = tmp_path / "home", tmp_path / "made"
    first, second = (postgres.create_database() for _ in range(2))
    home.mkdir()
    settings = f'[registry]\nurl = "{first}"\n' if named else ""
    (home / "coalmine.toml").write_text(settings, encoding="utf-8")
    try:
        coalmine_json("backup", str(made), home=home, env={"COALMINE_REGISTRY_URL": first})
        told = coalmine("restore", str(made), home=tmp_path / "other", env={"COALMINE_REGISTRY_URL": second})
    finally:
        postgres.drop_database(first)
        postgres.drop_database(second)
    assert told.returncode == 0, told.stderr
    file = tmp_path / "other" / "coalmine.toml"
    warning = f"registry.url: {file} names another database than the one that was filled"
    assert (warning in told.stderr) is named


def test_a_backup_with_a_registry_of_its_own_is_not_restored_beside_another_one(tmp_path: Path) -> None:
    home, other, made = (tmp_path / name for name in ("home", "other", "made"))
    home.mkdir()
    Registry.open(home / "registry.db").close()
    coalmine_json("backup", str(made), home=home)
    elsewhere = {"COALMINE_REGISTRY_URL": "postgresql://nowhere.invalid/coalmine"}
    told = coalmine("restore", str(made), "--verify", home=other, env=elsewhere)
    assert told.returncode == 2
    assert "registry.url names another one" in told.stderr
    assert not (other / "store").exists()


def test_a_copy_that_would_take_partitions_from_the_first_server_is_told_of(tmp_path: Path) -> None:
    home, other, made = (tmp_path / name for name in ("home", "other", "made"))
    coalmine_json("backup", str(made), home=home)
    told = coalmine(
        "restore", str(made), home=other, env={"COALMINE_KAFKA_BOOTSTRAP_SERVERS": "nowhere.invalid:9092"}
    )
    assert told.returncode == 0, told.stderr
    assert "takes partitions from any other in coalmine-collector" in told.stderr
    assert "set COALMINE_KAFKA_GROUP_ID" in told.stderr
