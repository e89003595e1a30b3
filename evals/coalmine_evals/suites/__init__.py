"""Suites: what a version is tried on, and what good means."""
