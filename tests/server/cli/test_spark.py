"""`coalmine spark`: the command that it builds, and what the job is told. Spark runs in tests/spark."""

import shlex
from pathlib import Path

import pytest

from coalmine_spark.job import read_job
from tests.support.processes.coalmine_process import coalmine
from tests.support.servers.spark import missing_spark


def variables(folder: Path) -> dict[str, str]:
    return {
        "COALMINE_SPARK_DIR": str(folder),
        "COALMINE_KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
        "COALMINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "COALMINE_KAFKA_SASL_MECHANISM": "PLAIN",
        "COALMINE_KAFKA_SASL_USERNAME": "reader",
        "COALMINE_KAFKA_SASL_PASSWORD": "s3cret",
        "COALMINE_SCHEMA_REGISTRY_URL": "http://registry:8081",
    }


@pytest.mark.skipif(missing_spark() is not None, reason=str(missing_spark()))
@pytest.mark.parametrize(
    ("arguments", "master"),
    [(("local", "--workers", "3"), "local[3]"), (("submit", "spark://host:7077"), "spark://host:7077")],
    ids=["local", "submit"],
)
def test_the_command_is_sparks_own_and_names_no_password(
    tmp_path: Path, arguments: tuple[str, ...], master: str
) -> None:
    folder = tmp_path / "batches"
    options = ("--once", "--conf", "spark.executor.memory=2g", "--print")
    done = coalmine("spark", *arguments, *options, home=tmp_path / "home", env=variables(folder))
    assert done.returncode == 0, done.stderr
    command = shlex.split(done.stdout)
    assert command[0].endswith("spark-submit")
    assert command[1:3] == ["--master", master]
    assert "spark.executor.memory=2g" in command
    assert command[-1] == str(folder / "job.json")
    assert "s3cret" not in done.stdout
    job_file = folder / "job.json"
    assert job_file.stat().st_mode & 0o077 == 0
    job = read_job(job_file)
    assert (job.folder, job.bootstrap_servers, job.once) == (folder, "broker:9092", True)
    assert job.security["sasl.password"] == "s3cret"
    assert job.decoding.schema_registry is not None
    assert job.decoding.schema_registry.url == "http://registry:8081"


@pytest.mark.parametrize("missing", ["COALMINE_SPARK_DIR", "COALMINE_KAFKA_BOOTSTRAP_SERVERS"])
def test_what_is_not_set_is_named_with_the_remedy(tmp_path: Path, missing: str) -> None:
    env = {name: value for name, value in variables(tmp_path / "batches").items() if name != missing}
    done = coalmine("spark", "local", "--print", home=tmp_path / "home", env=env)
    assert done.returncode == 2
    assert "is not set" in done.stderr
    assert missing in done.stderr


@pytest.mark.skipif(missing_spark() is not None, reason=str(missing_spark()))
@pytest.mark.parametrize("wrong", [("--jar", "missing.jar"), ("--conf", "=2g"), ("--conf", "name")])
def test_what_spark_could_not_use_is_refused_before_it_starts(tmp_path: Path, wrong: tuple[str, str]) -> None:
    done = coalmine("spark", "local", *wrong, home=tmp_path / "home", env=variables(tmp_path / "batches"))
    assert done.returncode == 2
    assert ("there is no jar" if wrong[0] == "--jar" else "NAME=VALUE") in done.stderr
