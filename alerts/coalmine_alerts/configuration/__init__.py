"""Configuration of alerts: which rules, with which thresholds, told to whom."""
