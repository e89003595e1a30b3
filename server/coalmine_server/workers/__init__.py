"""What runs beside the API: ingest, outbox, spool drain, looks, drift."""
