"""Runs of suites: every case to every side, what it may cost, what is kept, and how it goes on after a kill."""
