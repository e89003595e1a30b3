"""What is written to a channel: a notice drawn in each channel's own way, within its limits."""
