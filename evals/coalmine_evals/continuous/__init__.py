"""Scores of production requests, made by scorers while versions run."""
