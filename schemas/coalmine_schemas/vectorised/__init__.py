"""Many messages at once, as Arrow columns. Needs pyarrow, numpy and pyruhvro; only `batch` imports this."""
