"""Spark for tests and benchmarks: the Kafka source's jars, and jobs as processes of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from coalmine_spark.command import Submission, submit_command
from tests.support.servers.maven_cache import QUICK_START, SPARK_POM, missing_tools, resolve

_OF_SPARK: Final = ("spark-sql-kafka", "spark-token-provider-kafka", "kafka-clients", "commons-pool2")
"""What the pom names and Spark does not bring itself."""
QUIET: Final = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.showConsoleProgress": "false",
    # One JVM among many: no more threads and memory than it needs.
    "spark.driver.extraJavaOptions": " ".join([*QUICK_START, "-Xss512k"]),
}


def missing_spark() -> str | None:
    """Why Spark does not run here, with the remedy; None if it does."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: run `make test`, or pip install 'coalmine[spark]'"
    return missing_tools()


def spark_jars() -> tuple[Path, ...]:
    """The jars of Spark's Kafka source."""
    found = sorted(resolve(SPARK_POM).glob("*.jar"))
    return tuple(path for path in found if path.name.startswith(_OF_SPARK))


def start_job(job_file: Path, master: str, log: Path, **conf: str) -> subprocess.Popen[bytes]:
    """Start a job as `coalmine spark submit` does; the leader of a process group of its own."""
    submission = Submission(job_file, master, "768m", spark_jars(), {**QUIET, **conf})
    with log.open("ab") as lines:
        return subprocess.Popen(
            submit_command(submission),
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
            start_new_session=True,
        )


def executors(job: subprocess.Popen[bytes]) -> list[int]:
    """Processes of a job's executors, the oldest first; those of `local[N]` are threads of the driver."""
    return [
        int(process.name)
        for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda process: int(process.name))
        if _is_executor(process, job.pid)
    ]


def _is_executor(process: Path, group: int) -> bool:
    try:
        state = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        command = (process / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
    return int(state[2]) == group and b"CoarseGrainedExecutorBackend" in command
