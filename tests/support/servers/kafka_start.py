"""What a start of Kafka takes from an earlier one: its classes as they are in memory, and empty storage.

The first broker of a machine leaves both in the cache; the others start with half of the work.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.eventually import eventually
from tests.support.servers import maven_cache

CLASSES: Final = "kafka.jsa"
"""An archive that Java does without where it does not fit."""
_FEATURES: Final = "bootstrap.checkpoint"
"""What formatting writes beside ids: the version of each of Kafka's features."""


def earlier_start(java: Sequence[str], properties: Path, data: Path, address: str, log_file: Path) -> Path:
    """The folder with what a start left. If there is none, a broker starts for it and ends.

    Args:
        java: The command with its options, but without a class.
        properties: Of a broker that does not run yet.
        data: Its folder for data, which need not be there.
        address: Where it listens.
        log_file: Takes what the programs say.

    Raises:
        RuntimeError: It does not start; with the end of its log.
    """
    made_of = maven_cache.KAFKA_POM.read_bytes() + maven_cache.java_version().encode()

    def start(folder: Path) -> None:
        folder.mkdir()
        try:
            with log_file.open("ab") as log:
                _start(java, properties, address, folder / CLASSES, log)
            shutil.copy(data / _FEATURES, folder)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            said = log_file.read_text(encoding="utf-8")[-3000:]
            raise RuntimeError(f"Kafka did not start and end for later ones ({error}):\n{said}") from error
        finally:
            shutil.rmtree(data, ignore_errors=True)

    return maven_cache.keep(f"kafka_start-{hashlib.sha256(made_of).hexdigest()[:12]}", start)


def make_empty_storage(left: Path, data: Path, *, cluster_id: str, directory_id: str) -> None:
    """Makes what Kafka's own tool makes in a second."""
    data.mkdir()
    shutil.copy(left / _FEATURES, data)
    ids = {"version": 1, "node.id": 1, "cluster.id": cluster_id, "directory.id": directory_id}
    lines = "".join(f"{name}={value}\n" for name, value in ids.items())
    (data / "meta.properties").write_text(lines, encoding="utf-8")


def _start(java: Sequence[str], properties: Path, address: str, classes: Path, log: IO[bytes]) -> None:
    tool = ["kafka.tools.StorageTool", "format", "-t", "A" * 22, "-c", str(properties)]
    subprocess.run([*java, *tool], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
    broker = subprocess.Popen(
        [*java, f"-XX:ArchiveClassesAtExit={classes}", "kafka.Kafka", str(properties)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        eventually(lambda: broker.poll() is not None or _has_topic(admin), within_s=300, what="a topic")
        broker.terminate()
        broker.wait(60)
    finally:
        broker.kill()
        broker.wait()
    if not classes.exists():
        raise FileNotFoundError(classes)


def _has_topic(admin: AdminClient) -> bool:
    with suppress(KafkaException):
        admin.create_topics([NewTopic("first", 1, 1)], operation_timeout=2.0)
        return "first" in admin.list_topics(timeout=2.0).topics
    return False
