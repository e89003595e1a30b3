"""Runs of suites: every case to every side, what it costs, what is kept, and how it goes on after a kill."""
