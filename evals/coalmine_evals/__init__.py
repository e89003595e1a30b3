"""Evaluations: datasets, suites, scorers, runs, and the gate that a version must pass."""
