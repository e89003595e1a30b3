"""Spark Structured Streaming as the collector's reading half: batches that a server imports."""
