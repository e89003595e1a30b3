"""The ingest spine: from raw messages to committed batches."""
