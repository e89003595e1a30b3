"""What the registry does, one idea per file: functions that run within a transaction they are given."""
