"""What events add up to: rollups and experiment cells, the same for a batch as for a rebuild."""
