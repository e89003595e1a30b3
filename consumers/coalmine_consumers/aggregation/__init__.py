"""Aggregation of events into rollups and experiment cells, the same for a batch as for a rebuild."""
