"""Sources of raw messages: Kafka, the spool, and memory for tests."""

from coalmine_consumers.sources.base import Positions, Source, SourceLag

__all__ = ["Positions", "Source", "SourceLag"]
