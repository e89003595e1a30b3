"""The command that starts a job on a cluster of any kind: Spark's own `spark-submit`."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coalmine_spark.errors import SparkMissing

CONNECTOR: Final = "org.apache.spark:spark-sql-kafka-0-10_2.13:4.0.0"
"""Spark's Kafka source, as Maven knows it."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Where and how a job runs."""

    job_file: Path
    master: str
    """As Spark names clusters: `local[2]`, `spark://host:7077`, `yarn`, `k8s://...`."""
    driver_memory: str = "1g"
    jars: tuple[Path, ...] = ()
    """The Kafka source's jars; fetched by their Maven coordinates if there are none."""
    conf: Mapping[str, str] = field(default_factory=dict)
    """Further settings of Spark."""


def submit_command(submission: Submission) -> list[str]:
    """The command, for a shell or `exec`.

    Raises:
        SparkMissing: pyspark is not installed.
    """
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise SparkMissing
    command = [str(Path(found.origin).parent / "bin" / "spark-submit"), "--master", submission.master]
    command += ["--name", "coalmine", "--driver-memory", submission.driver_memory]
    if submission.jars:
        command += ["--jars", ",".join(map(str, submission.jars))]
    else:
        command += ["--packages", CONNECTOR]
    # The Python that has this package: on other machines at the same path, unless `conf` says other.
    conf = {"spark.pyspark.python": sys.executable, **submission.conf}
    for name, value in conf.items():
        command += ["--conf", f"{name}={value}"]
    return [*command, str(Path(__file__).with_name("app.py")), str(submission.job_file)]
