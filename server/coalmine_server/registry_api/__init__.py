"""The registry over HTTP, under `/v1`."""
