"""Brokers start with what an earlier one left, and what did not start leaves nothing."""

from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.servers import maven_cache
from tests.support.servers.kafka_engines import JavaKafka
from tests.support.servers.kafka_start import CLASSES, earlier_start

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(maven_cache.missing_tools() is not None, reason="Kafka is not run by Java here"),
]


def test_a_broker_uses_the_classes_of_an_earlier_one() -> None:
    """Java does without an archive that does not fit, and says nothing."""
    broker = JavaKafka(quick_start=True)
    try:
        broker.start()
        maps = Path("/proc") / str(broker.pid) / "maps"
        eventually(lambda: CLASSES in maps.read_text(encoding="utf-8"), what="classes in memory")
    finally:
        broker.close()


def test_a_broker_that_does_not_start_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    properties, data, log = (tmp_path / name for name in ("server.properties", "data", "log"))
    with pytest.raises(RuntimeError, match=r"did not start[^\n]*\nno room"):
        earlier_start(["sh", "-c", "echo no room; exit 1"], properties, data, "127.0.0.1:1", log)
    assert [path for path in maven_cache.cache_directory().iterdir() if path.is_dir()] == []
    assert not data.exists()
